"""Buckets: sums sorted into the periods of a window, with all that lies before and after it."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from events.days import first_day_of_month
from projections.pages import Amount
from projections.periods import PeriodError


class Buckets(Struct, frozen=True):
    """Sums by kind: before the first bound, in each period between bounds, and after the last bound."""

    before: dict[str, int]
    within: list[dict[str, int]]
    after: dict[str, int]

    def less(self, parts: Iterable["Buckets"]) -> "Buckets":
        """What of these sums is in none of the parts."""
        rest = Buckets(dict(self.before), [dict(sums) for sums in self.within], dict(self.after))
        for part in parts:
            _subtract(rest.before, part.before)
            _subtract(rest.after, part.after)
            for sums, others in zip(rest.within, part.within, strict=True):
                _subtract(sums, others)
        return rest

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing but zeros up to the last bound."""
        return not any(any(sums.values()) for sums in (self.before, *self.within))


def empty_buckets(periods: int) -> Buckets:
    """Buckets with nothing in them."""
    return Buckets({}, [_NONE] * periods, {})


ROWS_MAX: Final = 400_000
"""The most rows of one answer, groups times periods."""

_NONE: Final[dict[str, int]] = {}
"""The sums of a period in which nothing happened, shared by all of them; never changed."""


def _own(within: list[dict[str, int]], index: int) -> dict[str, int]:
    if within[index] is _NONE:
        within[index] = {}
    return within[index]


def buckets_of(
    bounds: Sequence[int], months: Iterable[Amount], days: Iterable[Amount], split: frozenset[int]
) -> dict[str, Buckets]:
    """Buckets by value; the months in `split` are cut by a bound and come day by day in `days`."""
    found: dict[str, Buckets] = {}
    places: dict[int, int] = {}
    for month, kind, value, amount in months:
        if month in split:
            continue
        place = places.get(month)
        if place is None:
            place = places[month] = bisect_right(bounds, first_day_of_month(month))
        _add(found, bounds, place, kind, value, amount)
    for day, kind, value, amount in days:
        _add(found, bounds, bisect_right(bounds, day), kind, value, amount)
    return found


def _add(
    found: dict[str, Buckets], bounds: Sequence[int], place: int, kind: str, value: str, amount: int
) -> None:
    buckets = found.get(value)
    if buckets is None:
        if (len(found) + 1) * len(bounds) > ROWS_MAX:
            raise PeriodError(f"the answer has more than {ROWS_MAX} rows: ask for fewer periods, or with where")
        buckets = found[value] = empty_buckets(len(bounds) - 1)
    if place == 0:
        sums = buckets.before
    else:
        sums = buckets.after if place == len(bounds) else _own(buckets.within, place - 1)
    sums[kind] = sums.get(kind, 0) + amount


def _subtract(sums: dict[str, int], others: Mapping[str, int]) -> None:
    for kind, amount in others.items():
        sums[kind] = sums.get(kind, 0) - amount
