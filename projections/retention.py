"""Retention: what became of the accounts that had revenue at the start of a window, account by account."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from msgspec import Struct

from events.money import Exact
from events.timeline import Cell
from projections.groups import GroupsOf
from projections.records import Key


class Held(Protocol):
    """What an account holds: a record, or a converted one."""

    def items(self) -> Iterator[tuple[Key, Exact]]:
        """Amounts by day, movement, cell and cause."""
        ...

    def levels_before(self, day: int) -> Iterator[tuple[Cell, Exact]]:
        """What the cells are worth as a day begins."""
        ...


class Retention(Struct, frozen=True):
    """Sums over opening accounts in annual_e4: `kept` caps each account at its opening level."""

    opening: Exact = 0
    closing: Exact = 0
    kept: Exact = 0
    accounts: int = 0
    lost: int = 0

    def plus(self, other: "Retention") -> "Retention":
        """Sums over these accounts and others."""
        return Retention(
            self.opening + other.opening,
            self.closing + other.closing,
            self.kept + other.kept,
            self.accounts + other.accounts,
            self.lost + other.lost,
        )


def retention_of(
    records: Iterable[tuple[str, Held]], currency: str | None, start: int, until: int, groups_of: GroupsOf
) -> dict[str, Retention]:
    """Retention by value of the group, exact for any window; levels are those before `start` and `until`.

    `currency` None: of cells in any, which are converted then.
    """
    found: dict[str, Retention] = {}
    for account, record in records:
        for value, (opening, closing) in _levels(account, record, currency, start, until, groups_of).items():
            if opening > 0:
                one = Retention(opening, closing, min(opening, closing), 1, int(closing <= 0))
                found[value] = found.get(value, NOBODY).plus(one)
    return found


NOBODY = Retention()
"""Retention where no account had revenue at the start."""


def _levels(
    account: str, record: Held, currency: str | None, start: int, until: int, groups_of: GroupsOf
) -> dict[str, tuple[Exact, Exact]]:
    levels: dict[str, tuple[Exact, Exact]] = {}
    for (day, movement, cell, _), amount in record.items():
        if day >= until or movement == "ahead" or currency not in (None, cell.currency):
            continue
        for _, value in groups_of(account, cell):
            opening, closing = levels.get(value, (0, 0))
            levels[value] = (opening + amount if day < start else opening, closing + amount)
    return levels
