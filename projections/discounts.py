"""Discounts: what they take off list prices, as a day begins and over the days of a window."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Final

from msgspec import Struct

from events.days import MONTH_PARTS, calendar_parts
from events.facts import Fact
from events.money import MRR_DIVISOR
from events.stated import spans_of
from projections.groups import GroupsOf


class Discounts(Struct, frozen=True):
    """List value less net value: `level` as the window ends, in annual_e4, and over its days, in minor units."""

    level: int = 0
    spent: Fraction = Fraction(0)

    def plus(self, other: "Discounts") -> "Discounts":
        """Those of these accounts and others."""
        return Discounts(self.level + other.level, self.spent + other.spent)


UNDISCOUNTED: Final = Discounts()
"""Where nothing is taken off."""


def discounts_of(
    accounts: Iterable[tuple[str, Sequence[Fact]]], currency: str, start: int, until: int, groups_of: GroupsOf
) -> dict[str, Discounts]:
    """What discounts take off by value of the group, from facts whose lines are worth that; on a day: start = until.

    A discount of 10 a month takes off 10 in every calendar month, each day its part: the windows side by side add up.
    """
    levels: dict[str, int] = {}
    parts: dict[str, int] = {}
    for account, facts in accounts:
        for first, end, level in spans_of(facts):
            first_within, end_within = max(first, start), min(end, until)
            days = calendar_parts(end_within) - calendar_parts(first_within) if first_within < end_within else 0
            is_last = first < until <= end
            if days or is_last:
                for cell, amount in level.items():
                    for _, value in groups_of(account, cell) if cell.currency == currency else ():
                        levels[value] = levels.get(value, 0) + amount * is_last
                        parts[value] = parts.get(value, 0) + amount * days
    return {
        value: Discounts(level, Fraction(parts[value], MRR_DIVISOR * MONTH_PARTS)) for value, level in levels.items()
    }
