"""Concentration: how much of the revenue hangs on the largest accounts."""

from collections.abc import Iterable
from heapq import nlargest
from typing import Final

from msgspec import Struct

from events.money import Exact, ratio_text
from projections.groups import GroupsOf
from projections.retention import Held

LARGEST_MAX: Final = 10
"""How many of the largest accounts are told apart."""


class Shares(Struct, frozen=True):
    """What accounts with revenue are worth in annual_e4: each of the largest in order, and all of them added up.

    `squares` is the sum of the squares of what each is worth.
    """

    largest: tuple[Exact, ...] = ()
    total: Exact = 0
    squares: Exact = 0

    def top(self, count: int) -> str | None:
        """The share of so many of the largest accounts, up to `LARGEST_MAX`; None where there is no revenue."""
        return ratio_text(sum(self.largest[:count]), self.total)

    def herfindahl(self) -> str | None:
        """The sum of the squares of all shares: 1 is one account alone, 1/n are n equal ones."""
        return ratio_text(self.squares, self.total**2)

    def plus(self, other: "Shares") -> "Shares":
        """Shares of these accounts and of others."""
        largest = nlargest(LARGEST_MAX, (*self.largest, *other.largest))
        return Shares(tuple(largest), self.total + other.total, self.squares + other.squares)


NO_SHARES = Shares()
"""Where no account has revenue."""


def shares_of(
    records: Iterable[tuple[str, Held]], currency: str | None, day: int, groups_of: GroupsOf
) -> dict[str, Shares]:
    """The levels of accounts as a day begins, by value of the group; `currency` None: of all cells, converted."""
    found: dict[str, list[Exact]] = {}
    for account, record in records:
        levels: dict[str, Exact] = {}
        for cell, level in record.levels_before(day):
            if currency in (None, cell.currency):
                for _, value in groups_of(account, cell):
                    levels[value] = levels.get(value, 0) + level
        for value, level in levels.items():
            if level > 0:
                found.setdefault(value, []).append(level)
    return {value: shares_of_levels(levels) for value, levels in found.items()}


def shares_of_levels(levels: Iterable[Exact]) -> Shares:
    """Shares of the levels of accounts, in any order."""
    every = list(levels)
    return Shares(tuple(nlargest(LARGEST_MAX, every)), sum(every), sum([level * level for level in every]))
