"""One day of one account: the level before and after, told as movements."""

from collections.abc import Callable, Iterable
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import astuple

from events.contracts import Cause
from events.timeline import Cell, Level

Movement = Literal["new", "reactivation", "expansion", "contraction", "churn", "transfer", "ahead"]
BRIDGE_MOVEMENTS: Final = ("new", "reactivation", "expansion", "contraction", "churn", "transfer")
"""The movements that add up to the level, in the order of a bridge."""


class Posting(Struct, frozen=True, array_like=True, gc=False):
    """What changed: `amount` annual_e4 on a cell from `day` on (days since 1970-01-01).

    `ahead` is no movement of the level: it is what is agreed and not yet in force, so that level plus
    ahead is the committed level. Reason and initiative are those of a churn, empty where nobody gave one.
    """

    day: int
    movement: Movement
    amount: int
    cell: Cell
    reason: str = ""
    initiative: str = ""


Causes = Callable[[str, int], Cause]
"""(contract id, day) -> why the contract is worth nothing on that day."""


def movements(day: int, before: Level, after: Level, causes: Causes, *, is_return: bool) -> list[Posting]:
    """The movements of a day; `is_return`: whether revenue after none would be a reactivation."""
    if not before:
        rise: Movement = "reactivation" if is_return else "new"
        return [Posting(day, rise, value, cell) for cell, value in after.items() if value]
    if not after:
        lost = [(cell, value) for cell, value in before.items() if value]
        return [Posting(day, "churn", -value, cell, *causes(cell.contract, day)) for cell, value in lost]
    changes = _changes(before, after)
    if len(changes) == 1:
        return [
            Posting(day, "expansion" if value > 0 else "contraction", value, cell) for cell, value in changes.items()
        ]
    currencies = {cell.currency for cell in changes}
    if len(currencies) < 2:
        return _changed(day, changes)
    postings: list[Posting] = []
    for currency in sorted(currencies):
        postings += _changed(day, {cell: value for cell, value in changes.items() if cell.currency == currency})
    return postings


def _changes(before: Level, after: Level) -> Level:
    changes: Level = {}
    for cell, value in after.items():
        change = value - before.get(cell, 0)
        if change:
            changes[cell] = change
    for cell, value in before.items():
        if value and cell not in after:
            changes[cell] = -value
    return changes


def _changed(day: int, changes: Level) -> list[Posting]:
    """Expansion, contraction and transfer of one currency; falls are negative."""
    net = sum(changes.values())
    sign = 1 if net > 0 else -1
    movement: Movement = "expansion" if net > 0 else "contraction"
    against = {cell: -sign * value for cell, value in changes.items() if sign * value < 0}
    if not against:
        return [Posting(day, movement, change, cell) for cell, change in changes.items()]
    along = {cell: sign * value for cell, value in changes.items() if sign * value > 0}
    left = _left_after_transfer(along, against)
    postings = [Posting(day, "transfer", changes[cell], cell) for cell in against]
    for cell, value in along.items():
        if left[cell] < value:
            postings.append(Posting(day, "transfer", sign * (value - left[cell]), cell))
        if left[cell]:
            postings.append(Posting(day, movement, sign * left[cell], cell))
    return postings


def _left_after_transfer(along: Level, against: Level) -> Level:
    """What remains of the changes along the net once those against it are used up: own line first, then in order."""
    left = dict(along)
    by_line = {(cell.contract, cell.line): cell for cell in along}
    unused = 0
    for cell, value in against.items():
        own = by_line.get((cell.contract, cell.line))
        used = 0 if own is None else min(left[own], value)
        if own is not None:
            left[own] -= used
        unused += value - used
    for cell in sorted(along, key=lambda cell: (cell.contract, cell.line)):
        used = min(left[cell], unused)
        left[cell] -= used
        unused -= used
    return left


def in_order(postings: Iterable[Posting]) -> list[Posting]:
    """Postings in the one order they are written in: day, movement, cell, cause."""
    return sorted(postings, key=_rank)


def _rank(posting: Posting) -> tuple[object, ...]:
    return (
        posting.day,
        posting.movement,
        astuple(posting.cell),
        posting.reason,
        posting.initiative,
        posting.amount,
    )
