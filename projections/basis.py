"""The basis: what figures are computed from, and what a figure is."""

from collections.abc import Callable, Iterable, Mapping, Set
from fractions import Fraction
from typing import Literal

from msgspec import Struct

from events.money import Exact
from projections.bridge import level_of
from projections.concentration import NO_SHARES, Shares, shares_of
from projections.costs import FREE, Costs
from projections.discounts import UNDISCOUNTED, Discounts
from projections.groups import GroupsOf
from projections.lives import UNLIVED, Lives
from projections.retention import NOBODY, Held, Retention, retention_of
from projections.satisfaction import SILENCE, Satisfaction
from projections.terms import NONE, Values

Source = Literal["retention", "shares", "answers", "weights", "costs", "contracts", "begun", "discounts", "lives"]
"""What the sums of a window do not tell: each account has to be looked at, for `lives` all months before.

`weights` are what answers are weighed by: without them answers are about no money."""


class Basis(Struct, frozen=True):
    """What figures are computed from, for one group and currency; amounts in annual_e4, falls negative.

    Amounts are integers, or fractions where they were converted to the currency; numbers of accounts are integers.

    `before`: sums by kind of all days before the end of the window (or before the day asked for);
    `after`: those of that day and later ones; `within`: those of the window; `opened`: those before it.
    `are_costs_named`: whether costs say of themselves what they are broken down by; else all are without a value.
    `months` is the length of the window, `margin` what is left of revenue once it is served, of 1.
    """

    before: Mapping[str, Exact]
    after: Mapping[str, Exact]
    within: Mapping[str, Exact]
    opened: Mapping[str, Exact] = {}
    retention: Retention = NOBODY
    shares: Shares = NO_SHARES
    answers: Satisfaction = SILENCE
    costs: Costs = FREE
    contracts: Values = NONE
    begun: Values = NONE
    discounts: Discounts = UNDISCOUNTED
    months: Fraction = Fraction(0)
    margin: Fraction = Fraction(1)
    lives: Lives = UNLIVED
    are_costs_named: bool = True

    @property
    def opening(self) -> Exact:
        """The level at the start of the window."""
        return level_of(self.opened)

    @property
    def level(self) -> Exact:
        """The level at the end."""
        return level_of(self.before)

    @property
    def accounts(self) -> int:
        """Accounts with revenue at the end."""
        return int(self.before.get("active", 0))

    def moved(self, *movements: str) -> Exact:
        """The sum of some movements within the window."""
        return sum(self.within.get(movement, 0) for movement in movements)


Value = int | str | None
"""Minor units or a number as an integer, a ratio as a decimal string, None where there is no answer."""

Unit = Literal["minor", "accounts", "ratio", "index", "points", "months", "times"]


class Figure(Struct, frozen=True):
    """One row of the catalogue; `needs` tells what it is about: a day, or a window.

    `worked` is the formula over the parts in braces, each a row of `projections.parts`; empty for a figure that no
    sums over accounts make up. `reads` is what it takes besides sums. `adds_up`: whether groups come to the whole, but
    for rounding: always, where accounts have one value each, or never.
    """

    name: str
    unit: Unit
    needs: Literal["day", "window"]
    definition: str
    formula: str
    worked: str
    value: Callable[[Basis], Value]
    reads: tuple[Source, ...] = ()
    adds_up: Literal["always", "accounts", "never"] = "never"


class Details(Struct, frozen=True):
    """What each account was looked at for, by group; and what is the same for all groups."""

    retention: Mapping[str, Retention] = {}
    shares: Mapping[str, Shares] = {}
    answers: Mapping[str, Satisfaction] = {}
    costs: Mapping[str, Costs] = {}
    contracts: Mapping[str, Values] = {}
    begun: Mapping[str, Values] = {}
    discounts: Mapping[str, Discounts] = {}
    months: Fraction = Fraction(0)
    margin: Fraction = Fraction(1)
    lives: Mapping[str, Lives] = {}
    are_costs_named: bool = True

    @property
    def groups(self) -> set[str]:
        """The groups that answers, costs, contracts or discounts belong to, whether or not they hold revenue now."""
        spent = [group for group, costs in self.costs.items() if costs != FREE]
        off = [group for group, one in self.discounts.items() if one != UNDISCOUNTED]
        return {*self.answers, *spent, *self.contracts, *self.begun, *off}

    def basis(
        self,
        group: str,
        before: Mapping[str, Exact],
        after: Mapping[str, Exact],
        within: Mapping[str, Exact],
        opened: Mapping[str, Exact] = {},
    ) -> Basis:
        """The basis of one group, from its sums and the details."""
        return Basis(
            before,
            after,
            within,
            opened,
            self.retention.get(group, NOBODY),
            self.shares.get(group, NO_SHARES),
            self.answers.get(group, SILENCE),
            self.costs.get(group, FREE),
            self.contracts.get(group, NONE),
            self.begun.get(group, NONE),
            self.discounts.get(group, UNDISCOUNTED),
            self.months,
            self.margin,
            self.lives.get(group, UNLIVED),
            self.are_costs_named,
        )


def details_of(
    records: Callable[[], Iterable[tuple[str, Held]]],
    currency: str | None,
    ends: tuple[int, int],
    groups: GroupsOf,
    sources: Set[Source],
) -> Details:
    """What every account is looked at for, between two days; `currency` None: of cells in any, converted."""
    start, end = ends
    return Details(
        retention_of(records(), currency, start, end, groups) if "retention" in sources else {},
        shares_of(records(), currency, end, groups) if "shares" in sources else {},
    )
