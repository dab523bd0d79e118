"""Concentration: how much of the revenue hangs on the largest accounts."""

from collections.abc import Iterable

from msgspec import Struct

from events.money import Exact, ratio_text
from projections.groups import GroupsOf
from projections.retention import Held


class Shares(Struct, frozen=True):
    """What each account with revenue is worth in annual_e4, the largest first."""

    levels: tuple[Exact, ...] = ()

    def top(self, count: int) -> str | None:
        """The share of so many of the largest accounts; None where there is no revenue."""
        return ratio_text(sum(self.levels[:count]), sum(self.levels))

    def herfindahl(self) -> str | None:
        """The sum of the squares of all shares: 1 is one account alone, 1/n are n equal ones."""
        return ratio_text(sum([level * level for level in self.levels]), sum(self.levels) ** 2)


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
    return Shares(tuple(sorted(levels, reverse=True)))
