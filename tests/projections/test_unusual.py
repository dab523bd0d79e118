"""Unusual days: by hand, and on made-up days with weekdays, firsts of months, growth and quiet weeks."""

import pytest

from projections.unusual import FIRST, SAME_MAX, SAME_MIN, Day, kind_of, unusual
from tests.model.days import day_of
from tests.projections.days import made_up, told

WEDNESDAY = day_of("2024-04-24")
"""For 24 weeks before it no Wednesday was a first of a month."""


def weeks(*amounts: int, opening: int = 1_000) -> list[Day]:
    """The Wednesdays before the one of the test, the last amount being that of the week before."""
    return [Day(WEDNESDAY - 7 * (len(amounts) - place), one, opening) for place, one in enumerate(amounts)]


@pytest.mark.parametrize(
    ("past", "amount", "limit"),
    [
        (weeks(*[0] * 8), 1, 0),
        (weeks(*[0] * 8), 0, None),
        (weeks(*[0] * 7), 1, None),
        (weeks(*[10] * 8), 11, 10),
        (weeks(*[10] * 8), 10, None),
        (weeks(*[0] * 16, 5, 5, 5, 5), 15, None),
        (weeks(*[0] * 16, 5, 5, 5, 5), 16, 15),
        (weeks(*[0] * 19, 900), 2_700, None),
        (weeks(*[0] * 19, 900), 2_701, 2_700),
        (weeks(*[5] * 19, 900), 6, 5),
        (weeks(6, 8, 10, 10, 10, 10, 12, 14), 22, None),
        (weeks(6, 8, 10, 10, 10, 10, 12, 14), 23, 22),
        (weeks(*[10] * 8, opening=500), 20, None),
        (weeks(*[10] * 8, opening=500), 21, 20),
    ],
)
def test_an_amount_above_the_days_of_its_kind(past: list[Day], amount: int, limit: int | None) -> None:
    """Three spreads: one wild day is none, unless there is nothing else; what a smaller book lost is scaled."""
    found = unusual(past, Day(WEDNESDAY, amount, 1_000), 3)
    assert (None if found is None else found.limit) == limit


def test_days_are_compared_with_those_of_their_kind_alone() -> None:
    days = ("2024-06-01", "2024-06-03", "2024-06-09", "2024-07-01")
    assert [kind_of(day_of(day)) for day in days] == [FIRST, 0, 6, FIRST]
    busy = [Day(WEDNESDAY - number, 0 if (number % 7) == 0 else 500, 1_000) for number in range(120, 0, -1)]
    found = unusual(busy, Day(WEDNESDAY, 1_501, 1_000), 3)
    assert found is not None
    assert found.days >= SAME_MIN
    assert unusual(busy, Day(WEDNESDAY - 1, 500, 1_000), 3) is None
    assert unusual(busy, Day(day_of("2024-07-01"), 900, 1_000), 3) is None, "there were too few firsts of months"


def test_the_latest_days_of_a_kind_count() -> None:
    past = weeks(*[900] * 60, *[1] * SAME_MAX)
    found = unusual(past, Day(WEDNESDAY, 5, 1_000), 3)
    assert found is not None
    assert (found.days, found.usual) == (SAME_MAX, 1)


@pytest.mark.parametrize("seed", range(3))
def test_storms_are_found_and_ordinary_days_are_not(seed: int) -> None:
    days, planted = made_up(seed)
    found = told(days, 3)
    assert len(found - planted) <= 1, "precision"
    assert len(found & planted) >= 7, "recall"
