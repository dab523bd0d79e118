"""Buckets: sums sorted into the periods of a window, with all that lies before and after it."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from events.days import first_day_of_month
from projections.pages import Amount, Totals
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


def buckets_of(
    bounds: Sequence[int], months: Iterable[Totals], days: Iterable[Amount], split: frozenset[int]
) -> dict[str, Buckets]:
    """Buckets by value; the months in `split` are cut by a bound and come day by day in `days`."""
    sums: dict[tuple[int, str], dict[str, int]] = {}
    places: dict[int, int] = {}
    for month, value, totals in months:
        if month in split:
            continue
        place = places.get(month)
        if place is None:
            place = places[month] = bisect_right(bounds, first_day_of_month(month))
        own = sums.setdefault((place, value), {})
        for kind, amount in totals.items():
            own[kind] = own.get(kind, 0) + amount
    for day, kind, value, amount in days:
        own = sums.setdefault((bisect_right(bounds, day), value), {})
        own[kind] = own.get(kind, 0) + amount
    return _placed(sums, len(bounds) - 1)


def _placed(sums: Mapping[tuple[int, str], dict[str, int]], periods: int) -> dict[str, Buckets]:
    """Buckets by value, from the sums by place and value; places are numbered from what lies before all bounds."""
    found: dict[str, Buckets] = {}
    values = dict.fromkeys(value for _, value in sums)
    if len(values) * (periods + 1) > ROWS_MAX:
        raise PeriodError(f"the answer has more than {ROWS_MAX} rows: ask for fewer periods, or with where")
    for value in values:
        within = [sums.get((place, value), _NONE) for place in range(1, periods + 1)]
        found[value] = Buckets(sums.get((0, value), {}), within, sums.get((periods + 1, value), {}))
    return found


def _subtract(sums: dict[str, int], others: Mapping[str, int]) -> None:
    for kind, amount in others.items():
        sums[kind] = sums.get(kind, 0) - amount
