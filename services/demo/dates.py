"""Days (since 1970-01-01) and moments (milliseconds since then, UTC) of the made-up company."""

import random
from datetime import date
from functools import lru_cache

import msgspec

from services.demo.chance import below, between, hit

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
MINUTE_MS = 60_000
SECOND_MS = 1_000
_EPOCH = date(1970, 1, 1).toordinal()


class Month(msgspec.Struct, frozen=True):
    """A calendar month: its days are [first, until); `horizon` is the end of the month after it."""

    index: int
    year: int
    number: int
    first: int
    until: int
    horizon: int


def day_of(year: int, month: int, day: int = 1) -> int:
    """The day number of a calendar date."""
    return date(year, month, day).toordinal() - _EPOCH


def month_at(start: date, index: int) -> Month:
    """The month `index` months after the one of `start`."""
    count = start.year * 12 + start.month - 1 + index
    firsts = [day_of((count + ahead) // 12, (count + ahead) % 12 + 1) for ahead in range(3)]
    return Month(index, count // 12, count % 12 + 1, *firsts)


@lru_cache(maxsize=8192)
def add_months(day: int, months: int) -> int:
    """The same day of the month, `months` later; the 29th to the 31st become the 28th."""
    at = date.fromordinal(day + _EPOCH)
    count = at.year * 12 + at.month - 1 + months
    return day_of(count // 12, count % 12 + 1, min(at.day, 28))


@lru_cache(maxsize=8192)
def iso_day(day: int) -> str:
    """`YYYY-MM-DD`."""
    return date.fromordinal(day + _EPOCH).isoformat()


def iso_time(moment_ms: int) -> str:
    """RFC 3339 in UTC, whole seconds: when something happened."""
    day, rest = divmod(moment_ms, DAY_MS)
    seconds = rest // SECOND_MS
    return f"{iso_day(day)}T{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}Z"


def iso_time_exact(moment_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds: when something arrived."""
    return f"{iso_time(moment_ms)[:-1]}.{moment_ms % SECOND_MS:03d}Z"


def working_hours(rng: random.Random, day: int) -> int:
    """A whole second of that day between 07:00 and 19:00."""
    return day * DAY_MS + 7 * HOUR_MS + below(rng, 12 * 3600) * SECOND_MS


def night(rng: random.Random, day: int) -> int:
    """A whole second of that day between 02:00 and 05:00, when the billing run collects."""
    return day * DAY_MS + 2 * HOUR_MS + below(rng, 3 * 3600) * SECOND_MS


def some_day(rng: random.Random, first: int, until: int) -> int:
    """A day in [first, until), seldom on a weekend."""
    day = between(rng, first, until - 1)
    if (day + 3) % 7 >= 5 and not hit(rng, 15):  # day 0 was a Thursday
        return between(rng, first, until - 1)
    return day
