"""Layers: the columns of all accounts, old and large ones below, new and small ones above; each account in one."""

from collections.abc import Iterable, Mapping
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

S = TypeVar("S", Retention, Shares, Satisfaction, Values, Discounts)


class Layers(Struct, frozen=True):
    """Columns of different accounts; never changed, so whoever reads them is not disturbed by what comes."""

    columns: tuple[Columns, ...] = ()

    @property
    def held(self) -> int:
        """How many accounts there are."""
        return sum(one.held for one in self.columns)

    @property
    def total(self) -> int:
        """All amounts whatever their signs; below `TOTAL_MAX`, but for layers of several partitions put together."""
        return sum(one.total for one in self.columns)

    def changed(
        self, records: Mapping[str, Record | None], vocabulary: Vocabulary, notes: Notes | None = None
    ) -> "Layers":
        """With the records that some accounts have now, None for those without one, and their notes.

        Raises TooLarge.
        """
        columns = [one.without(records) for one in self.columns]
        some = told(records, notes or {})
        if some:
            columns.append(columns_of(some, vocabulary, notes))
        if Layers(tuple(columns)).total >= TOTAL_MAX:
            raise TooLarge
        return Layers(_piled([one for one in columns if one.held]))

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


def _piled(columns: Iterable[Columns]) -> tuple[Columns, ...]:
    """Columns so that each holds many more accounts than the next."""
    piled: list[Columns] = []
    for above in columns:
        piled.append(above)
        while len(piled) > 1 and piled[-1].held * TIMES_LARGER > piled[-2].held:
            piled[-2:] = [joined(piled[-2:])]
    return tuple(piled)


def _summed(parts: Iterable[Mapping[str, S]], nothing: S) -> dict[str, S]:
    """What parts have under each value, added up."""
    found: dict[str, S] = {}
    for part in parts:
        for value, one in part.items():
            found[value] = found.get(value, nothing).plus(one)
    return found
