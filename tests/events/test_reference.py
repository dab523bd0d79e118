"""The reference of events: what people copy from it is valid, and nothing that may be published is missing."""

import json
import re
from typing import get_args

import pytest

from events.catalogue import EXAMPLES, event_schema
from events.envelope import event_of
from events.reference import examples_of, markdown
from events.vocabulary import CostRecordedData, SurveyAnsweredData
from tests.events.json_schema import is_valid

BLOCKS = [json.loads(text) for text in re.findall(r"```json\n(.*?)\n```", markdown(), re.DOTALL)]


@pytest.mark.parametrize("event", BLOCKS, ids=lambda event: event["id"])
def test_what_stands_on_the_page_is_taken_and_fits_the_schema(event: dict[str, object]) -> None:
    event_of(json.dumps(event).encode())
    schema = event_schema(str(event["type"]))
    assert is_valid(schema, event, schema["$defs"])


def test_every_event_is_there_with_all_its_examples() -> None:
    wanted = [example for name in EXAMPLES for example in examples_of(name)]
    told = [{key: one for key, one in example.items() if key != "datacontenttype"} for example in wanted]
    assert told == BLOCKS
    assert len({event["id"] for event in BLOCKS}) == len(BLOCKS)


@pytest.mark.parametrize(
    ("field", "kinds"),
    [
        ("survey", get_args(SurveyAnsweredData.__annotations__["survey"])),
        ("kind", get_args(CostRecordedData.__annotations__["kind"])),
    ],
)
def test_every_kind_of_answer_and_cost_has_its_example(field: str, kinds: tuple[str, ...]) -> None:
    assert {event["data"][field] for event in BLOCKS if field in event["data"]} == set(kinds)


def test_the_page_is_no_wider_than_others() -> None:
    assert max(map(len, markdown().splitlines())) <= 120
