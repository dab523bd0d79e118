"""Discounts: what they take off list prices, as a day begins and over the days of a window."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import partial
from typing import Final

from msgspec import Struct

from events.days import MONTH_PARTS, calendar_parts
from events.facts import Fact
from events.money import MRR_DIVISOR, Exact
from events.stated import spans_of
from projections.groups import GroupsOf
from projections.worth import Worth, as_it_is, worth_on


class Discounts(Struct, frozen=True):
    """List value less net value: `level` as the window ends, in annual_e4, and over its days, in minor units."""

    level: Exact = 0
    spent: Fraction = Fraction(0)

    def plus(self, other: "Discounts") -> "Discounts":
        """Those of these accounts and others."""
        return Discounts(self.level + other.level, self.spent + other.spent)


UNDISCOUNTED: Final = Discounts()
"""Where nothing is taken off."""


def discounts_of(
    accounts: Iterable[tuple[str, Sequence[Fact]]],
    currency: str | None,
    start: int,
    until: int,
    groups_of: GroupsOf,
    worth: Worth = as_it_is,
) -> dict[str, Discounts]:
    """What discounts take off by value of the group, from facts whose lines are worth that; on a day: start = until.

    A discount of 10 a month takes off 10 in every calendar month, each day its part: the windows side by side add up.
    Those in one currency; None: those in any, by what each day of them is worth, and the level by the last one.
    """
    levels: dict[str, Exact] = {}
    parts: dict[str, Exact] = {}
    for account, facts in accounts:
        for first, end, level in spans_of(facts):
            first_within, end_within = max(first, start), min(end, until)
            is_within, is_last = first_within < end_within, first < until <= end
            for cell, amount in level.items() if is_within or is_last else ():
                if groups := [value for _, value in groups_of(account, cell) if currency in (None, cell.currency)]:
                    of_days = partial(_of_days, amount)
                    spent = worth(cell.currency, first_within, end_within, of_days) if is_within else 0
                    last = worth_on(worth, cell.currency, until - 1, amount) if is_last else 0
                    for value in groups:
                        levels[value] = levels.get(value, 0) + last
                        parts[value] = parts.get(value, 0) + spent
    return {
        value: Discounts(level, Fraction(parts[value], MRR_DIVISOR * MONTH_PARTS)) for value, level in levels.items()
    }


def _of_days(amount: int, start: int, until: int) -> int:
    return amount * (calendar_parts(until) - calendar_parts(start))
