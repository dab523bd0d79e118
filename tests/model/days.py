"""The model's days, moments and events: plain dictionaries in, plain integers out."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

Event = dict[str, Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
END_OF_TIME = 10**9


def moment(text: str) -> int:
    """An RFC 3339 time as microseconds since the epoch."""
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)


def day_of(text: str) -> int:
    """A date, or the UTC day of an RFC 3339 time, as days since the epoch."""
    if len(text) == len("2024-01-01"):
        return (date.fromisoformat(text) - EPOCH.date()).days
    return moment(text) // (24 * 3600 * 10**6)


def date_of(day: int) -> date:
    """The calendar date of a day number."""
    return EPOCH.date() + timedelta(days=day)


def effective_day(event: Event) -> int:
    """The day a fact takes effect: `effective_at`, or else the day of its `time`."""
    return day_of(event["data"].get("effective_at") or event["time"])


def whole_months(start: int, end: int) -> int:
    """Months that fit between two days: one only counts when its day of the month is reached."""
    first, last = date_of(start), date_of(end)
    months = (last.year - first.year) * 12 + last.month - first.month
    return months - 1 if last.day < first.day else months


def months_later(day: int, months: int) -> int:
    """The same day of a later month, or the last one it has."""
    at = date_of(day)
    index = at.year * 12 + at.month - 1 + months
    for number in range(at.day, 0, -1):
        try:
            return (date(index // 12, index % 12 + 1, number) - EPOCH.date()).days
        except ValueError:
            continue
    raise AssertionError("every month has a first day")


def months_between(start: int, until: int) -> Fraction:
    """Whole months, and of the one begun as much as its days are of its length."""
    months = 0
    while months_later(start, months + 1) <= until:
        months += 1
    begun, ends = months_later(start, months), months_later(start, months + 1)
    return months + Fraction(until - begun, ends - begun)
