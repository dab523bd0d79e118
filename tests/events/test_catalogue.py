"""The schemas say what the decoder does, and every example can be booked."""

import copy
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import pytest

from events.account import Account, Booking, book
from events.catalogue import COMBINED, DIALECT, EXAMPLES, event_schema, schema_components, schema_documents
from events.envelope import event_of
from events.policy import DEFAULT_RULES
from events.refusals import Refused
from events.vocabulary import EVENT_TYPES
from tests.events.json_schema import is_valid

STRANGE: Final[tuple[Any, ...]] = (
    None,
    "",
    "x" * 300,
    "usd",
    "2024-02-30T00:00:00Z",
    True,
    -1,
    0,
    2**63 - 1,
    2**63,
    [],
    {},
    {"x": None},
    {"x": 1},
    {"": "x"},
    [{}],
)
"""Values that are put in the place of every other one; no 1.0, which is an integer to JSON Schema."""
Steps = tuple[str | int, ...]


def decoder_accepts(document: dict[str, Any]) -> bool:
    """Whether the document is an event of the vocabulary."""
    try:
        event_of(msgspec.json.encode(document))
    except Refused:
        return False
    return True


def schema_accepts(schema: dict[str, Any], document: dict[str, Any]) -> bool:
    """Whether the schema allows the document."""
    return is_valid(schema, document, schema["$defs"])


def places(value: Any, steps: Steps = ()) -> Iterator[Steps]:
    """The way to everything inside a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, one in inside:
        yield (*steps, step)
        yield from places(one, (*steps, step))


def changed(document: dict[str, Any], steps: Steps, value: Any) -> dict[str, Any]:
    """The document with another value at a place."""
    document = copy.deepcopy(document)
    target: Any = document
    for step in steps[:-1]:
        target = target[step]
    target[steps[-1]] = value
    return document


def without(document: dict[str, Any], steps: Steps) -> dict[str, Any]:
    """The document without what is at a place."""
    document = copy.deepcopy(document)
    target: Any = document
    for step in steps[:-1]:
        target = target[step]
    del target[steps[-1]]
    return document


def objects(document: dict[str, Any]) -> Iterator[Steps]:
    """The way to every JSON object inside a document."""
    for steps in places(document):
        target: Any = document
        for step in steps:
            target = target[step]
        if isinstance(target, dict):
            yield steps


def test_every_event_has_an_example_and_a_document() -> None:
    assert set(EXAMPLES) == set(EVENT_TYPES), "give every event type one example in events/catalogue.py"
    assert set(schema_documents()) == {*(f"{name}.schema.json" for name in EVENT_TYPES), COMBINED}


def test_documents_are_named_for_ever() -> None:
    documents = schema_documents()
    assert documents[COMBINED]["$id"] == "urn:revledger:schema:events"
    for name in EVENT_TYPES:
        document = documents[f"{name}.schema.json"]
        assert (document["$schema"], document["$id"]) == (DIALECT, f"urn:revledger:schema:{name}")
        assert document["properties"]["type"]["enum"] == [name]


def test_examples_are_one_story_that_books() -> None:
    accounts: dict[str, Account] = {}
    for seq, example in enumerate(EXAMPLES.values()):
        event = event_of(msgspec.json.encode(example))
        booking = book(accounts.setdefault(event.subject, Account(event.subject)), event, seq, DEFAULT_RULES)
        assert isinstance(booking, Booking)
        assert booking.unmatched == 0
    assert [example["time"] for example in EXAMPLES.values()] == sorted(
        example["time"] for example in EXAMPLES.values()
    )


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_example_fits_its_schema_and_no_other(name: str) -> None:
    fitting = [other for other in EVENT_TYPES if schema_accepts(event_schema(other), EXAMPLES[name])]
    assert fitting == [name]
    assert schema_accepts(schema_documents()[COMBINED], EXAMPLES[name])


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_schema_and_decoder_require_the_same_fields(name: str) -> None:
    schema, example = event_schema(name), EXAMPLES[name]
    for steps in places(example):
        fewer = without(example, steps)
        assert decoder_accepts(fewer) == schema_accepts(schema, fewer), f"without {steps}"


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_schema_and_decoder_allow_the_same_values(name: str) -> None:
    schema, example = event_schema(name), without(EXAMPLES[name], ("datacontenttype",))
    for steps in places(example):
        for value in STRANGE:
            if steps == ("time",) and isinstance(value, str):
                continue  # the form of a time is said by `format`, which validators take as a note
            odd = changed(example, steps, value)
            assert decoder_accepts(odd) == schema_accepts(schema, odd), f"{value!r} at {steps}"


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_schema_and_decoder_allow_the_same_further_fields(name: str) -> None:
    schema, example = event_schema(name), EXAMPLES[name]
    assert decoder_accepts({**example, "traceparent": "00-ab"})
    assert schema_accepts(schema, {**example, "traceparent": "00-ab"})
    for steps in objects(example):
        more = changed(example, (*steps, "nobody_knows"), "x")
        assert decoder_accepts(more) == schema_accepts(schema, more), f"in {steps}"


def test_schema_is_stricter_where_the_decoder_does_not_look() -> None:
    name, example = next(iter(EXAMPLES.items()))
    for attribute in ("datacontenttype", "recordedtime"):
        odd = {**example, attribute: 1}
        assert decoder_accepts(odd)
        assert not schema_accepts(event_schema(name), odd)


def test_components_may_live_in_another_document() -> None:
    components = schema_components(EVENT_TYPES.values(), "#/components/schemas/{name}")
    assert components["ContractSigned"]["properties"]["data"]["$ref"] == "#/components/schemas/SignedData"
