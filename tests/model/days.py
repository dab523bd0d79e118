"""The model's days, moments and events: plain dictionaries in, plain integers out."""

from datetime import UTC, date, datetime, timedelta
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
