"""Periods: windows cut at the borders of the calendar, never empty, never too many."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.days import first_day_of_month, month_of_day
from projections.periods import PERIODS_MAX, Every, PeriodError, bounds_of, split_months
from tests.model.days import day_of
from tests.model.figures import periods

EVERY = st.sampled_from(("day", "month", "quarter", "year"))


@given(st.integers(-700_000, 2_900_000), st.integers(1, 3_000), EVERY)
def test_periods_are_those_of_the_model(start: int, days: int, every: Every) -> None:
    bounds = bounds_of(start, start + days, every)
    assert list(pairwise(bounds)) == periods(start, start + days, every)


@given(st.lists(st.integers(-1_000, 40_000), min_size=1, max_size=5))
def test_split_months_are_those_with_a_bound_inside(bounds: list[int]) -> None:
    assert split_months(bounds) == {month_of_day(day) for day in bounds if first_day_of_month(month_of_day(day)) != day}


@pytest.mark.parametrize("days", [0, -1])
def test_an_empty_window_has_no_periods(days: int) -> None:
    with pytest.raises(PeriodError, match="the window is empty"):
        bounds_of(100, 100 + days, "month")


def test_there_are_never_too_many() -> None:
    start = day_of("0001-01-01")
    assert len(bounds_of(start, start + PERIODS_MAX, "day")) == PERIODS_MAX + 1
    with pytest.raises(PeriodError, match="more than 40000 periods"):
        bounds_of(start, start + PERIODS_MAX + 1, "day")
    with pytest.raises(PeriodError, match="more than 40000 periods"):
        bounds_of(start, day_of("9999-12-30"), "month")
    assert len(bounds_of(start, day_of("9999-12-30"), "quarter")) == 9_999 * 4 + 1


def test_the_end_of_time_ends_a_period() -> None:
    assert bounds_of(day_of("9999-11-15"), day_of("9999-12-31"), "month")[1:] == [
        day_of("9999-12-01"),
        day_of("9999-12-31"),
    ]
