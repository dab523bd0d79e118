"""Calendar days and moments as integers, so that no figure ever depends on a clock or a float."""

from calendar import monthrange
from datetime import UTC, date, datetime, tzinfo
from functools import lru_cache
from typing import Final

import msgspec

EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
DAY_MICROSECONDS: Final = 86_400_000_000
FIRST_DAY: Final = date(1, 1, 1).toordinal() - EPOCH_ORDINAL
"""The earliest day there is: a line without `from` is in force since then."""
LAST_DAY: Final = date(9999, 12, 31).toordinal() - EPOCH_ORDINAL
"""The end of time: what a contract leads to is its level on this day."""


def day_of_date(value: date) -> int:
    """Days since 1970-01-01 of a calendar date."""
    return value.toordinal() - EPOCH_ORDINAL


def date_of_day(day: int) -> date:
    """The calendar date of a day number."""
    return date.fromordinal(day + EPOCH_ORDINAL)


def text_of_day(day: int) -> str:
    """A day as `YYYY-MM-DD`."""
    return date_of_day(day).isoformat()


def moment_of(value: datetime) -> int:
    """Microseconds since the epoch of a time with an offset."""
    passed = value - EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds


def text_of_moment(moment: int) -> str:
    """A moment as RFC 3339 in UTC, with microseconds only where there are any."""
    seconds, micros = divmod(moment, 1_000_000)
    days, rest = divmod(seconds, 86_400)
    clock = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{text_of_day(days)}T{clock}{f'.{micros:06}' if micros else ''}Z"


def day_of_moment(moment: int, zone: tzinfo | None = None) -> int:
    """The day a moment falls on in a time zone (None: UTC); ValueError outside the years 1 to 9999."""
    if zone is None:
        return _existing(moment // DAY_MICROSECONDS)
    seconds, micros = divmod(moment, 1_000_000)
    days, rest = divmod(seconds, 86_400)
    at = datetime.fromordinal(_existing(days) + EPOCH_ORDINAL).replace(
        hour=rest // 3600, minute=rest // 60 % 60, second=rest % 60, microsecond=micros, tzinfo=UTC
    )
    try:
        return day_of_date(at.astimezone(zone).date())
    except OverflowError as error:
        raise ValueError("the moment lies outside the years 1 to 9999 in the reporting zone") from error


def _existing(day: int) -> int:
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(f"day {day} lies outside the years 1 to 9999")
    return day


def moment_of_text(text: str) -> int:
    """Microseconds since the epoch of an RFC 3339 time; ValueError if it is none or has no offset."""
    try:
        value = msgspec.convert(text, datetime)
    except msgspec.ValidationError as error:
        raise ValueError(f"{text!r} is not an RFC 3339 time such as 2024-01-31T09:30:00Z") from error
    if value.tzinfo is None:
        raise ValueError(f"{text!r} has no offset: end it with Z or +01:00")
    return moment_of(value)


@lru_cache(maxsize=65_536)
def day_of_text(text: str, zone: tzinfo | None = None) -> int:
    """The day that `YYYY-MM-DD` or an RFC 3339 time names; ValueError if there is no such day."""
    if len(text) == 10 and text[4] == "-" and text[7] == "-":
        return day_of_date(date.fromisoformat(text))
    return day_of_moment(moment_of_text(text), zone)


def month_of_day(day: int) -> int:
    """Months since January 1970 of a day."""
    at = date_of_day(day)
    return (at.year - 1970) * 12 + at.month - 1


@lru_cache(maxsize=4_096)
def first_day_of_month(month: int) -> int:
    """The first day of a month counted from January 1970."""
    return day_of_date(date(1970 + month // 12, month % 12 + 1, 1))


def whole_months(start: int, end: int) -> int:
    """Whole months from a day to a later one: 2024-01-31 to 2024-02-29 is 0, to 2024-03-31 is 2."""
    first, last = date_of_day(start), date_of_day(end)
    months = (last.year - first.year) * 12 + last.month - first.month
    return months if last.day >= first.day else months - 1


MONTH_PARTS: Final = 377_580
"""Parts of a month that any number of days is whole parts of, whether a month has 28, 29, 30 or 31 days."""


def day_months_later(day: int, months: int) -> int:
    """The day so many months later, or the last of its month if that has no such day: 31 January + 1 is 28 February."""
    at = date_of_day(day)
    month = (at.year - 1970) * 12 + at.month - 1 + months
    return min(first_day_of_month(month) + at.day, first_day_of_month(month + 1)) - 1


def calendar_parts(day: int) -> int:
    """How far a day lies after January 1970 begins, in MONTH_PARTS: each day is its part of the month it is in."""
    at = date_of_day(day)
    days = monthrange(at.year, at.month)[1]
    return ((at.year - 1970) * 12 + at.month - 1) * MONTH_PARTS + (at.day - 1) * MONTH_PARTS // days


def month_parts(start: int, day: int) -> int:
    """How far a day lies after an earlier one: whole months, and of the month begun its days; in MONTH_PARTS."""
    months = whole_months(start, day)
    begun, ends = day_months_later(start, months), day_months_later(start, months + 1)
    if day >= ends:  # 31 January to 28 February is a whole month
        months, begun, ends = months + 1, ends, day_months_later(start, months + 2)
    return months * MONTH_PARTS + (day - begun) * MONTH_PARTS // (ends - begun)
