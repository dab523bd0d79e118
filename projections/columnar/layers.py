"""Layers: the columns of all accounts, old and large ones below, new and small ones above; each account in one."""

from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import accumulate
from typing import Final, TypeVar

from msgspec import Struct

from projections.columnar.arrays import TOTAL_MAX, Columns
from projections.columnar.assembly import Notes, columns_of, joined
from projections.columnar.deals import values, values_begun
from projections.columnar.heard import satisfaction
from projections.columnar.numbering import Vocabulary
from projections.columnar.reductions import discounts
from projections.concentration import NO_SHARES, Shares
from projections.discounts import UNDISCOUNTED, Discounts
from projections.groups import Choice
from projections.records import NOTHING, Record, TooLarge
from projections.retention import NOBODY, Retention
from projections.satisfaction import SILENCE, Satisfaction
from projections.terms import NONE, Values

TIMES_LARGER: Final = 4
"""How many times as many accounts a layer holds as the one above: so they are few, and an account is seldom moved."""
AT_ONCE: Final = 1_000
"""So many accounts are put together in some milliseconds, while somebody waits; more are `overdue` until `piled`."""

S = TypeVar("S", Retention, Shares, Satisfaction, Values, Discounts)


class Layers(Struct, frozen=True):
    """Columns of different accounts; never changed, so whoever reads them is not disturbed by what comes."""

    columns: tuple[Columns, ...] = ()

    @property
    def held(self) -> int:
        """How many accounts there are."""
        return sum(one.held for one in self.columns)

    def holds(self, name: str) -> bool:
        """Whether an account is there."""
        places = ((one, one.places.get(name)) for one in self.columns)
        return any(place is not None and one.holds[place] for one, place in places)

    @property
    def total(self) -> int:
        """All amounts whatever their signs; below `TOTAL_MAX`, but for layers of several partitions put together."""
        return sum(one.total for one in self.columns)

    def changed(
        self, records: Mapping[str, Record | None], vocabulary: Vocabulary, notes: Notes | None = None
    ) -> "Layers":
        """With the records that some accounts have now, None for those without one, and their notes.

        Small layers are put together. Raises TooLarge.
        """
        columns = [one.without(records) for one in self.columns]
        some = told(records, notes or {})
        if some:
            columns.append(columns_of(some, vocabulary, notes))
        if Layers(tuple(columns)).total >= TOTAL_MAX:
            raise TooLarge
        return Layers(_piled([one for one in columns if one.held], AT_ONCE))

    @property
    def overdue(self) -> bool:
        """Whether there are layers to be put together."""
        return max(_piles([one.held for one in self.columns]), default=1) > 1

    def piled(self) -> "Layers":
        """The same accounts in few layers."""
        return Layers(_piled(self.columns))

    def less(self, others: "Layers") -> "Layers":
        """The layers that others do not have, whichever accounts these hold for."""
        known = {id(one.known) for one in others.columns}
        return Layers(tuple(one for one in self.columns if id(one.known) not in known))

    def overtaken(self, names: Set[str], newer: "Layers") -> "Layers":
        """With some accounts as newer layers have them, which may hold others too."""
        own = [one.without(names) for one in self.columns]
        more = [one.without([name for name in one.names if name not in names]) for one in newer.columns]
        return Layers(tuple(one for one in (*own, *more) if one.held))

    def retention(self, choice: Choice, start: int, until: int) -> dict[str, Retention]:
        """As `retention_of`."""
        return _summed((one.retention(choice, start, until) for one in self.columns), NOBODY)

    def shares(self, choice: Choice, day: int) -> dict[str, Shares]:
        """As `shares_of`."""
        return _summed((one.shares(choice, day) for one in self.columns), NO_SHARES)

    def satisfaction(self, choice: Choice, start: int, until: int) -> dict[str, Satisfaction]:
        """As `satisfaction_of`."""
        return _summed((satisfaction(one, choice, start, until) for one in self.columns), SILENCE)

    def values(self, choice: Choice, day: int) -> dict[str, Values]:
        """As `values_of`; raises TooLarge."""
        return _summed((values(one, choice, day) for one in self.columns), NONE)

    def values_begun(self, choice: Choice, start: int, until: int) -> dict[str, Values]:
        """As `values_begun` of terms; raises TooLarge."""
        return _summed((values_begun(one, choice, start, until) for one in self.columns), NONE)

    def discounts(self, choice: Choice, start: int, until: int) -> dict[str, Discounts]:
        """As `discounts_of`, of layers of what is taken off; raises TooLarge."""
        return _summed((discounts(one, choice, start, until) for one in self.columns), UNDISCOUNTED)


def told(records: Mapping[str, Record | None], notes: Notes) -> dict[str, Record]:
    """The records of the accounts that something was posted to, or that said something."""
    held = ((account, record or NOTHING) for account, record in records.items())
    return {account: record for account, record in held if record.count or notes.get(account)}


def _piled(columns: Sequence[Columns], held_max: int | None = None) -> tuple[Columns, ...]:
    """Columns so that each holds many more accounts than the next; none of more than some are put together."""
    ends = accumulate(counts := _piles([one.held for one in columns], held_max))
    piles = (columns[end - count : end] for count, end in zip(counts, ends, strict=True))
    return tuple(joined(pile) if len(pile) > 1 else pile[0] for pile in piles)


def _piles(held: Iterable[int], held_max: int | None = None) -> list[int]:
    """How many layers to put together each time, given how many accounts they hold for."""
    piles: list[tuple[int, int]] = []
    for above in held:
        piles.append((1, above))
        while len(piles) > 1 and piles[-1][1] * TIMES_LARGER > piles[-2][1]:
            counts, sums = zip(*piles[-2:], strict=True)
            if held_max is not None and sum(sums) > held_max:
                break
            piles[-2:] = [(sum(counts), sum(sums))]
    return [count for count, _ in piles]


def _summed(parts: Iterable[Mapping[str, S]], nothing: S) -> dict[str, S]:
    """What parts have under each value, added up."""
    found: dict[str, S] = {}
    for part in parts:
        for value, one in part.items():
            found[value] = found.get(value, nothing).plus(one)
    return found
