"""Concentration: how much of the revenue hangs on the largest accounts."""

from collections.abc import Iterable

from msgspec import Struct

from events.money import Exact, ratio_text
from projections.groups import GroupsOf
from projections.records import Record


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
    records: Iterable[tuple[str, Record]], currency: str, day: int, groups_of: GroupsOf
) -> dict[str, Shares]:
    """The levels of accounts as a day begins, by value of the group."""
    found: dict[str, list[int]] = {}
    for account, record in records:
        levels: dict[str, int] = {}
        for cell, level in record.levels_before(day):
            if cell.currency == currency:
                for _, value in groups_of(account, cell):
                    levels[value] = levels.get(value, 0) + level
        for value, level in levels.items():
            if level > 0:
                found.setdefault(value, []).append(level)
    return {value: shares_of_levels(levels) for value, levels in found.items()}


def shares_of_levels(levels: Iterable[Exact]) -> Shares:
    """Shares of the levels of accounts, in any order."""
    return Shares(tuple(sorted(levels, reverse=True)))
