"""Costs: what winning and keeping customers costs in a window, every cost spread evenly over its days."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

from msgspec import Struct

from events.money import Exact
from events.notes import AnyNote, Cost
from events.timeline import Cell
from events.vocabulary import BOOK_SUBJECT
from projections.groups import GroupsOf
from projections.worth import Worth, as_it_is

COST_NAMES: Final = frozenset(("account", "campaign", "currency", "owner", "segment"))
"""What costs can be broken down by: no cost has a plan."""


class Costs(Struct, frozen=True):
    """Minor units of a window."""

    acquisition: Exact = 0
    retention: Exact = 0


FREE: Final = Costs()
"""Where nothing was spent."""


def part_within(cost: Cost, start: int, until: int) -> int:
    """What of a cost lies within the days `[start, until)`, in minor units.

    Up to each of its days the whole minor units that an even spread has reached are spent, so the parts of any windows
    side by side add up to the whole; a cost of no day is spent on the day it starts.
    """
    days = max(1, cost.until - cost.start)

    def spent(day: int) -> int:
        return cost.amount * min(max(day - cost.start, 0), days) // days

    return spent(until) - spent(start)


def costs_of(
    accounts: Iterable[tuple[str, Sequence[AnyNote]]],
    currency: str | None,
    start: int,
    until: int,
    groups_of: GroupsOf,
    worth: Worth = as_it_is,
) -> dict[str, Costs]:
    """The costs of a window by value of the group; a cost of the whole book belongs to no account.

    Those in one currency; None: those in any, by what each day of them is worth.
    """
    found: dict[str, dict[str, Exact]] = {}
    for account, notes in accounts:
        for note in notes:
            if type(note) is Cost and currency in (None, note.currency):
                first, end = max(start, note.start), min(until, max(note.until, note.start + 1))
                part = worth(note.currency, first, end, partial(part_within, note)) if first < end else 0
                cell = Cell(note.currency, "", "", "", "", _labels(note))
                for _, value in groups_of("" if account == BOOK_SUBJECT else account, cell):
                    sums = found.setdefault(value, {"acquisition": 0, "retention": 0})
                    sums[note.kind] += part
    return {value: Costs(**sums) for value, sums in found.items()}


def _labels(cost: Cost) -> tuple[tuple[str, str], ...]:
    named = (("campaign", cost.campaign), ("owner", cost.owner), ("segment", cost.segment))
    return tuple([(name, value) for name, value in named if value])
