"""Lives: for how many months accounts had revenue, and how often one was lost."""

from collections.abc import Iterable
from itertools import chain
from typing import Final

from msgspec import Struct

from events.days import first_day_of_month
from projections.pages import Amount, Totals
from projections.periods import months_held
from projections.tally import ACTIVE, COUNTED

_LOST: Final = COUNTED["churn"]


class Lives(Struct, frozen=True):
    """Of all accounts up to a day: the months that ended with revenue, the last one as the day begins, and the losses.

    An account that came back and was lost again is lost twice.
    """

    months: int = 0
    lost: int = 0

    def plus(self, other: "Lives") -> "Lives":
        """Those of these accounts and others."""
        return Lives(self.months + other.months, self.lost + other.lost)

    def less(self, other: "Lives") -> "Lives":
        """Those of these accounts without some of them."""
        return Lives(self.months - other.months, self.lost - other.lost)


UNLIVED: Final = Lives()
"""Of no account."""


def lives_of(end: int, months: Iterable[Totals], days: Iterable[Amount], split: frozenset[int]) -> dict[str, Lives]:
    """Lives by value up to a day, from sums as `buckets_of` takes them."""
    found: dict[str, Lives] = {}
    whole = (
        (first_day_of_month(month), kind, value, count)
        for month, value, totals in months
        if month not in split
        for kind, count in totals.items()
    )
    for day, kind, value, count in chain(whole, days):
        if day < end and kind in (ACTIVE, _LOST):
            more = Lives(count * months_held(day, end)) if kind == ACTIVE else Lives(lost=count)
            found[value] = found.get(value, UNLIVED).plus(more)
    return found
