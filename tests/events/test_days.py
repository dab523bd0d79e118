"""Days and moments as integers, against the calendar of the standard library."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import days as d

ZONES = ("Asia/Seoul", "America/St_Johns", "Europe/London", "Pacific/Apia", "America/Sao_Paulo")
DATES = st.dates()
MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31))  # noqa: DTZ001 - made aware where it is used


def test_the_ends_of_the_calendar() -> None:
    assert d.date_of_day(d.FIRST_DAY) == date.min
    assert d.date_of_day(d.LAST_DAY) == date.max
    assert d.day_of_date(date(1970, 1, 1)) == 0


@given(DATES)
def test_a_day_is_the_days_since_1970(value: date) -> None:
    day = d.day_of_date(value)
    assert day == (value - date(1970, 1, 1)).days
    assert d.date_of_day(day) == value
    assert d.text_of_day(day) == value.isoformat()
    assert d.day_of_text(value.isoformat()) == day


@given(MOMENTS, st.integers(-14 * 60, 14 * 60))
def test_a_moment_is_the_microseconds_since_1970(naive: datetime, offset_minutes: int) -> None:
    value = naive.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    moment = d.moment_of(value)
    assert moment == (value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert d.moment_of_text(value.isoformat()) == moment
    assert d.moment_of_text(d.text_of_moment(moment)) == moment
    assert datetime.fromisoformat(d.text_of_moment(moment)) == value


@given(MOMENTS, st.sampled_from(ZONES))
def test_the_day_of_a_moment_in_a_zone(naive: datetime, name: str) -> None:
    value = naive.replace(tzinfo=UTC)
    moment = d.moment_of(value)
    assert d.day_of_moment(moment) == d.day_of_date(value.date())
    zone = ZoneInfo(name)
    assert d.day_of_moment(moment, zone) == d.day_of_date(value.astimezone(zone).date())
    assert d.day_of_text(value.isoformat(), zone) == d.day_of_moment(moment, zone)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("1970-01-01", 0),
        ("2024-02-29", 19782),
        ("2024-02-29T00:00:00Z", 19782),
        ("2024-02-29T23:59:59.999999Z", 19782),
        ("2024-03-01T08:59:59+09:00", 19782),
        ("2024-02-28T20:30:00-03:30", 19782),
        ("0001-01-01", d.FIRST_DAY),
        ("9999-12-31", d.LAST_DAY),
        ("9999-12-31T23:59:59Z", d.LAST_DAY),
    ],
)
def test_days_by_their_text(text: str, day: int) -> None:
    assert d.day_of_text(text) == day


@pytest.mark.parametrize(
    "text",
    [
        *("2023-02-29", "2024-00-01", "2024-01-00", "2024-1-1", "20240101", "2024-W01-1", "2024-001", ""),
        *("tomorrow", "2024-01-01T00:00:00", "2024-01-01T25:00:00Z", "2024-01-01T00:00Z", "\uff12024-01-01"),
        *("9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00", "+024-01-01", " 024-01-01"),
    ],
)
def test_what_is_no_day(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        d.day_of_text(text)


@pytest.mark.parametrize(
    ("text", "hours"), [("9999-12-31T23:00:00Z", 9), ("0001-01-01T01:00:00Z", -9), ("9999-12-31T23:00:00-09:00", 0)]
)
def test_a_day_outside_the_calendar_of_the_zone_is_none(text: str, hours: int) -> None:
    with pytest.raises(ValueError, match="outside the years"):
        d.day_of_moment(d.moment_of_text(text), timezone(timedelta(hours=hours)))


def test_the_text_of_a_moment_has_microseconds_only_if_there_are_any() -> None:
    assert d.text_of_moment(0) == "1970-01-01T00:00:00Z"
    assert d.text_of_moment(-1) == "1969-12-31T23:59:59.999999Z"
    assert d.text_of_moment(1_000_000) == "1970-01-01T00:00:01Z"


@given(DATES)
def test_months_count_from_january_1970(value: date) -> None:
    month = d.month_of_day(d.day_of_date(value))
    assert d.date_of_day(d.first_day_of_month(month)) == value.replace(day=1)
    assert month == (value.year - 1970) * 12 + value.month - 1


@pytest.mark.parametrize(
    ("start", "end", "months"),
    [
        ("2024-01-31", "2024-02-29", 0),
        ("2024-01-31", "2024-03-31", 2),
        ("2024-01-01", "2025-01-01", 12),
        ("2024-01-01", "2024-12-31", 11),
        ("2024-02-29", "2025-02-28", 11),
        ("2024-01-15", "2024-01-15", 0),
    ],
)
def test_whole_months(start: str, end: str, months: int) -> None:
    assert d.whole_months(d.day_of_text(start), d.day_of_text(end)) == months


@given(st.dates(date(1990, 1, 1), date(2030, 1, 1)), st.integers(0, 2_000))
def test_a_month_counts_when_its_day_of_the_month_is_reached(start: date, length_days: int) -> None:
    end = start + timedelta(days=length_days)
    months = [(start.year * 12 + start.month + n, start.day) for n in range(1, 100)]
    reached = sum(1 for month in months if month <= (end.year * 12 + end.month, end.day))
    assert d.whole_months(d.day_of_date(start), d.day_of_date(end)) == reached


@given(st.integers(d.FIRST_DAY, d.LAST_DAY - 1))
def test_every_day_is_its_part_of_its_month(day: int) -> None:
    """And the days of a month are one month, to the end of time."""
    begun = d.calendar_parts(d.first_day_of_month(d.month_of_day(day)))
    assert begun == d.month_of_day(day) * d.MONTH_PARTS
    assert begun <= d.calendar_parts(day) < d.calendar_parts(day + 1) <= begun + d.MONTH_PARTS
