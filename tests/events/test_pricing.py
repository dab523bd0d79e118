"""What lines are worth, day by day: steps against the model's plain sums."""

from datetime import timedelta, timezone
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events import vocabulary as v
from events.days import FIRST_DAY, LAST_DAY, day_of_text
from events.policy import DEFAULT_RULES, Rules
from events.pricing import PricedLine, day_named, day_or_none, period_named, priced_lines, taken_off, value_on
from events.refusals import Refused
from tests.effort import examples
from tests.model.choices import Choices
from tests.model.contracts import line_annual_e4
from tests.model.histories import FIRST_DAY as STORY_DAY
from tests.model.histories import priced_lines as lines_of_model
from tests.model.notation import line

DAYS = [STORY_DAY + offset for offset in (0, 1, 30, 31, 200, 400)]


def steps_of(**said: Any) -> tuple[tuple[int, int], ...]:
    """The steps of one line; days as they are, values as monthly minor units."""
    (found,) = priced_lines((msgspec.convert(line(1000) | said, v.Line),), DEFAULT_RULES)
    return tuple((day, value // 120_000) for day, value in found.steps)


@settings(max_examples=examples(300), deadline=None)
@given(st.data())
def test_a_line_is_worth_what_the_model_says_on_every_day(data: st.DataObject) -> None:
    said = data.draw(lines_of_model("l1", DAYS))
    found = priced_lines((msgspec.convert(said, v.Line),), DEFAULT_RULES)
    if said.get("kind", "recurring") != "recurring":
        assert found == ()
        return
    steps = found[0].steps
    assert steps[0][0] == FIRST_DAY
    assert [day for day, _ in steps] == sorted({day for day, _ in steps})
    assert all(one[1] != following[1] for one, following in pairwise(steps))
    for day in {day + offset for day in DAYS for offset in (-1, 0, 1, 30)} | {FIRST_DAY, LAST_DAY}:
        assert value_on(steps, day) == line_annual_e4(said, day)


@settings(max_examples=examples(200), deadline=None)
@given(st.data())
def test_what_discounts_take_off_is_list_less_net_on_every_day(data: st.DataObject) -> None:
    said = data.draw(lines_of_model("l1", DAYS))
    found = taken_off((msgspec.convert(said, v.Line),), None)
    days = {day + offset for day in DAYS for offset in (-1, 0, 1, 30)} | {FIRST_DAY, LAST_DAY}
    due = {day: line_annual_e4(said, day, Choices(discounts="list")) - line_annual_e4(said, day) for day in days}
    assert {day: value_on(found[0].steps, day) if found else 0 for day in days} == due
    assert bool(found) == any(due.values())


APRIL, MAY = day_of_text("2024-04-01"), day_of_text("2024-05-01")


@pytest.mark.parametrize(
    ("said", "steps"),
    [
        ({}, ((FIRST_DAY, 1000),)),
        ({"quantity": 3}, ((FIRST_DAY, 3000),)),
        ({"from": "2024-04-01"}, ((FIRST_DAY, 0), (APRIL, 1000))),
        ({"until": "2024-04-01"}, ((FIRST_DAY, 1000), (APRIL, 0))),
        ({"from": "2024-04-01", "until": "2024-05-01"}, ((FIRST_DAY, 0), (APRIL, 1000), (MAY, 0))),
        ({"from": "2024-04-01", "until": "2024-04-01"}, ((FIRST_DAY, 0),)),
        ({"discounts": [{"percent": "10"}]}, ((FIRST_DAY, 900),)),
        ({"discounts": [{"percent": "0"}]}, ((FIRST_DAY, 1000),)),
        ({"discounts": [{"percent": "100"}]}, ((FIRST_DAY, 0),)),
        ({"discounts": [{"amount_minor": 300}]}, ((FIRST_DAY, 700),)),
        ({"discounts": [{"amount_minor": 1001}]}, ((FIRST_DAY, 0),)),
        ({"quantity": 2, "discounts": [{"amount_minor": 300}]}, ((FIRST_DAY, 1700),)),
        ({"discounts": [{"percent": "50"}, {"amount_minor": 100}]}, ((FIRST_DAY, 400),)),
        ({"discounts": [{"amount_minor": 100}, {"percent": "50"}]}, ((FIRST_DAY, 450),)),
        ({"discounts": [{"amount_minor": 2000}, {"percent": "50"}]}, ((FIRST_DAY, 0),)),
        ({"discounts": [{"percent": "10", "until": "2024-04-01"}]}, ((FIRST_DAY, 900), (APRIL, 1000))),
        ({"discounts": [{"percent": "0", "until": "2024-04-01"}]}, ((FIRST_DAY, 1000),)),
        (
            {"until": "2024-05-01", "discounts": [{"percent": "10", "from": "2024-04-01"}]},
            ((FIRST_DAY, 1000), (APRIL, 900), (MAY, 0)),
        ),
    ],
)
def test_steps(said: dict[str, Any], steps: tuple[tuple[int, int], ...]) -> None:
    assert steps_of(**said) == steps


@pytest.mark.parametrize("kind", ["one_time", "usage"])
def test_what_does_not_recur_is_checked_and_left_out(kind: str) -> None:
    lines = msgspec.convert([line(1, kind=kind), line(2, line_id="l2")], tuple[v.Line, ...])
    assert [one.line_id for one in priced_lines(lines, DEFAULT_RULES)] == ["l2"]
    bad = msgspec.convert([line(1, kind=kind, **{"from": "2023-02-29"})], tuple[v.Line, ...])
    with pytest.raises(Refused, match="2023-02-29"):
        priced_lines(bad, DEFAULT_RULES)


def test_an_absent_product_is_empty() -> None:
    lines = msgspec.convert([line(1), line(1, line_id="l2", product="desk")], tuple[v.Line, ...])
    first, second = priced_lines(lines, DEFAULT_RULES)
    assert isinstance(first, PricedLine)
    assert (first.product, second.product) == ("", "desk")


def test_a_third_off_twice_is_rounded_once_a_year() -> None:
    """100 * 0.6667 * 0.6667 * 12 is 533.386668 minor units a year."""
    lines = msgspec.convert([line(100, discounts=[{"percent": "33.33"}] * 2)], tuple[v.Line, ...])
    assert priced_lines(lines, DEFAULT_RULES)[0].steps == ((FIRST_DAY, 5_333_867),)


def test_days_of_a_line_are_days_of_the_zone() -> None:
    lines = msgspec.convert([line(1, until="2024-03-31T16:00:00Z")], tuple[v.Line, ...])
    seoul = timezone(timedelta(hours=9))
    assert priced_lines(lines, Rules(zone=seoul))[0].steps[1][0] == APRIL
    assert priced_lines(lines, DEFAULT_RULES)[0].steps[1][0] == APRIL - 1


def test_named_days() -> None:
    assert day_or_none(None, None, "f") is None
    assert day_or_none("2024-04-01", None, "f") == day_named("2024-04-01", None, "f") == APRIL
    assert period_named("2024-04-01", None, None, "f") == (APRIL, None)
    assert period_named(None, "2024-04-01", None, "f") == (None, APRIL)
    with pytest.raises(Refused) as refused:
        period_named("2024-04-31", None, None, "f")
    assert (refused.value.code, refused.value.field) == ("invalid_date", "f.from")


@pytest.mark.parametrize(("day", "value"), [(-1, 0), (0, 5), (9, 5), (10, 0), (19, 0), (20, 7), (LAST_DAY, 7)])
def test_value_on_a_day(day: int, value: int) -> None:
    assert value_on(((0, 5), (10, 0), (20, 7)), day) == value
