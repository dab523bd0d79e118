"""Unusual days: what moved on a day, held against the days of the same kind before it, in whole numbers.

A first of a month is held against firsts of months, any other day against the same day of the week: by how contracts
begin and end, those are what differs from day to day. What moved then is scaled by what the book was worth, so that
a book that grows is no alarm. The middle of those amounts is the median. Their spread is the larger of one and a half
times the median absolute deviation (which is the standard deviation where amounts are as chance has it) and of how
far the ninth decile lies above the median. Where the median is nothing, because a book loses an account only now and
then, it is at least the median of the days on which anything moved, of whatever kind: one ordinary loss is no alarm.
A few wild days in the past move none of them.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from msgspec import Struct

from events.days import date_of_day

FIRST: Final = 7
"""The kind of a first of a month; other days have that of their weekday, Monday is 0."""
SAME_MAX: Final = 52
"""With so many days of its kind at most a day is compared, the latest ones."""
SAME_MIN: Final = 8
"""With fewer nothing is said."""
LOOK_DAYS: Final = 7 * SAME_MAX + 40
"""So far back those are looked for: some weekdays were firsts of months."""


class Day(Struct, frozen=True):
    """What moved on a day, whichever way, above 0; and what the book was worth as it began. Both in annual_e4."""

    day: int
    amount: int
    opening: int


class Unusual(Struct, frozen=True):
    """A day on which more moved than is usual, in annual_e4: `usual` is the median of so many `days`, scaled."""

    amount: int
    usual: int
    limit: int
    days: int


@lru_cache(maxsize=4_096)
def kind_of(day: int) -> int:
    """Which days a day is compared with."""
    date = date_of_day(day)
    return FIRST if date.day == 1 else date.weekday()


def unusual(past: Sequence[Day], now: Day, deviations: int) -> Unusual | None:
    """A day that lies so many times their spread above the days of its kind before it; None if it does not."""
    kind = kind_of(now.day)
    known = [one for one in past if one.day < now.day and one.opening > 0]
    same = [one for one in known if kind_of(one.day) == kind][-SAME_MAX:]
    if len(same) < SAME_MIN or now.opening <= 0:
        return None
    amounts = _scaled(same, now)
    usual = _median(amounts)
    deviation = _median(sorted(abs(one - usual) for one in amounts))
    ninth = amounts[-(-9 * len(amounts) // 10) - 1]
    moved = [] if usual else _scaled([one for one in known if one.amount], now)
    limit = usual + deviations * max(deviation * 3 // 2, ninth - usual, _median(moved) if moved else 0)
    return Unusual(now.amount, usual, limit, len(same)) if now.amount > limit else None


def _scaled(days: Sequence[Day], now: Day) -> list[int]:
    """Their amounts in order, as if the book had been worth what it is now."""
    return sorted(one.amount * now.opening // one.opening for one in days)


def _median(amounts: Sequence[int]) -> int:
    """The lower of the two in the middle, where there are two."""
    return amounts[(len(amounts) - 1) // 2]
