"""Calendars: of many days at once the same as of each."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from events import days
from projections import periods
from projections.columnar import calendars

DAYS = st.integers(days.FIRST_DAY, days.LAST_DAY - 40_000) | st.integers(19_000, 21_000)
PAIRS = st.lists(st.tuples(DAYS, st.integers(0, 40) | st.integers(0, 2_000)), min_size=1, max_size=50)


@given(PAIRS)
def test_many_days_at_once(pairs: list[tuple[int, int]]) -> None:
    starts, more = (np.array(one, dtype=np.int64) for one in zip(*pairs, strict=True))
    assert calendars.months_of_days(starts).tolist() == [days.month_of_day(day) for day, _ in pairs]
    assert calendars.calendar_parts_of(starts).tolist() == [days.calendar_parts(day) for day, _ in pairs]
    later = calendars.days_months_later(starts, more // 4)
    assert later.tolist() == [days.day_months_later(day, count // 4) for day, count in pairs]
    whole = calendars.whole_months_between(starts, starts + more)
    assert whole.tolist() == [days.whole_months(day, day + count) for day, count in pairs]
    parts = calendars.month_parts_between(starts, starts + more)
    assert parts.tolist() == [days.month_parts(day, day + count) for day, count in pairs]
    for every in ("day", "month", "quarter", "year"):
        found = calendars.first_days_of_periods(starts, every)
        assert found.tolist() == [periods.first_day_of_period(day, every) for day, _ in pairs]
    first = calendars.first_days_of_months(whole)
    assert first.tolist() == [days.first_day_of_month(month) for month in whole.tolist()]
