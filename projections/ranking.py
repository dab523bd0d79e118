"""Ranking: the first rows of tables of accounts, which of all the accounts in memory come first."""

from collections.abc import Callable, Mapping, Sequence
from heapq import nsmallest
from typing import Final

import numpy as np
from msgspec import Struct

from events.money import MRR_DIVISOR
from projections.columns import Row
from projections.groups import Choice
from projections.layers import Layers
from projections.numbering import Amounts, Places
from projections.periods import months_held
from projections.portfolio import account_rows, concentration_rows, year_before

WARNED_ROWS: Final = 4
"""So many rows of a table at least are made, which is as far as its warning looks."""


class First(Struct, frozen=True):
    """The first rows of a table, and how many there are in all."""

    rows: list[Row]
    count: int


def _concentration(layers: Layers, choice: Choice, day: int, limit: int) -> First:
    levels = layers.worth(choice, day)
    there = np.flatnonzero(levels > 0)
    told, levels = _named(layers, there), levels[there]
    largest = [(-int(levels[place]), told[place]) for place in _largest(told, levels, levels, limit)]
    return First(concentration_rows(largest, int(levels.sum())), len(told))


def _accounts(layers: Layers, choice: Choice, day: int, limit: int) -> First:
    before, now = layers.worth(choice, year_before(day)), layers.worth(choice, day)
    there = np.flatnonzero((before > 0) | (now > 0))
    told, before, now = _named(layers, there), before[there], now[there]
    largest = _largest(told, _minor(now), _minor(before), limit)
    so_far = _so_far(layers, choice, day, [int(there[one]) for one in largest])
    first = [(told[one], int(before[one]), int(now[one]), so_far[int(there[one])]) for one in largest]
    return First(account_rows(first), len(told))


FIRST: Final[Mapping[str, Callable[[Layers, Choice, int, int], First]]] = {
    "concentration": _concentration,
    "accounts": _accounts,
}
"""Table -> its first rows as a day begins, at least so many if there are."""


def _named(layers: Layers, places: Places) -> list[str]:
    """The accounts at some places."""
    names = layers.names()
    return [names[place] for place in places.tolist()]


def _so_far(layers: Layers, choice: Choice, day: int, places: Sequence[int]) -> dict[int, int]:
    """What the accounts at some places came to as a day begins, exact: it might outgrow 64 bits."""
    found = dict.fromkeys(places, 0)
    start = 0
    for one in layers.columns:
        is_asked = np.zeros(len(one.names), dtype=np.bool_)
        is_asked[[place - start for place in places if start <= place < start + len(one.names)]] = True
        cells, fitting = is_asked[one.accounts], one.fitting(choice)
        if fitting is not None:
            cells &= fitting
        some = np.flatnonzero(cells[one.cells[: int(np.searchsorted(one.days, day))]])
        of_each = (one.accounts[one.cells[some]], one.days[some], one.amounts[some])
        for account, at, amount in zip(*[part.tolist() for part in of_each], strict=True):
            found[start + account] += amount * months_held(at, day)
        start += len(one.names)
    return found


def _largest(names: Sequence[str], levels: Amounts, others: Amounts, limit: int) -> list[int]:
    """The places of the largest levels, so many and at least `WARNED_ROWS`, in order.

    Of equal levels the one with the larger other level comes first, and then the first by name.
    """
    count = max(limit, WARNED_ROWS)
    places = np.arange(len(levels))
    if len(places) > count:
        least = np.partition(levels, -count)[-count]
        above, equal = np.flatnonzero(levels > least), np.flatnonzero(levels == least)
        left = count - len(above)
        places = np.concatenate([above, equal[others[equal] >= np.partition(others[equal], -left)[-left]]])
    ranked = zip((-levels[places]).tolist(), (-others[places]).tolist(), places.tolist(), strict=True)
    first = nsmallest(count, ((level, other, names[place], place) for level, other, place in ranked))
    return [place for *_, place in first]


def _minor(levels: Amounts) -> Amounts:
    """As `mrr_minor`."""
    assert MRR_DIVISOR % 2 == 0, "so that half of it is whole"
    return (levels + MRR_DIVISOR // 2) // MRR_DIVISOR
