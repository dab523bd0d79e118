"""Counting: the sums of all accounts by group, period and kind, from their columns."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from projections.buckets import ROWS_MAX, Buckets
from projections.columnar.arrays import MOVEMENTS, NEVER, Columns
from projections.columnar.layers import Layers
from projections.columnar.numbering import Amounts, Codes, Places, begins
from projections.groups import Choice, is_annual
from projections.tally import ACTIVE, ANNUAL, COUNTED

_KINDS: Final = tuple(COUNTED)
"""The movements whose account-days are counted."""


def has_room(layers: Layers, choice: Choice, bounds: Sequence[int]) -> bool:
    """Whether an answer has few enough groups and periods to be counted so."""
    return all(len(one.groups(choice.by).values) * len(bounds) <= ROWS_MAX for one in layers.columns)


def counted(layers: Layers, choice: Choice, bounds: Sequence[int]) -> dict[str, Buckets]:
    """As `buckets_of` the tallies of all accounts, without what comes to nothing."""
    found: dict[str, Buckets] = {}
    for columns in layers.columns:
        for value, parts in _Counting(columns, choice, bounds).parts().items():
            buckets = found.get(value)
            if buckets is None:
                buckets = found[value] = Buckets({}, [{} for _ in bounds[1:]], {})
            for sums, more in zip((buckets.before, *buckets.within, buckets.after), parts, strict=True):
                _add(sums, more)
    return found


def _add(sums: dict[str, int], more: Mapping[str, int]) -> None:
    for kind, amount in more.items():
        sums[kind] = sums.get(kind, 0) + amount


class _Counting:
    """One question to some columns: of the sums that it is about the group, the period and the amount.

    Periods are numbered: before the first bound, between bounds, after the last.
    """

    def __init__(self, columns: Columns, choice: Choice, bounds: Sequence[int]) -> None:
        self._columns = columns
        self._bounds = np.array(bounds, dtype=np.int32)
        self._groups = columns.groups(choice.by)
        self._fitting = columns.fitting(choice)
        fits = columns.holds[columns.accounts]
        if self._fitting is not None:
            fits &= self._fitting
        self._rows = np.flatnonzero(fits[columns.cells])
        self._cells = columns.cells[self._rows]
        self._amounts = columns.amounts[self._rows]
        self._days = columns.days[self._rows]
        first_ahead = len(columns.days) - len(columns.ahead)
        is_ahead = self._rows >= first_ahead
        self._days[is_ahead] = columns.ahead[self._rows[is_ahead] - first_ahead]

    def parts(self) -> dict[str, list[dict[str, int]]]:
        """By value of the group what is counted in each period, nothing that is zero."""
        kinds = [*MOVEMENTS, ANNUAL, *[COUNTED[movement] for movement in _KINDS], ACTIVE]
        counts = np.concatenate([self._moved(), self._annual(), self._happened(), self._active()])
        found: dict[str, list[dict[str, int]]] = {}
        periods = len(self._bounds) + 1
        of_values = counts.reshape(len(kinds), len(self._groups.values), periods)
        for kind, place, period in zip(*(one.tolist() for one in np.nonzero(of_values)), strict=True):
            value = self._groups.values[place]
            parts = found.setdefault(value, [{} for _ in range(periods)])
            parts[period][kinds[kind]] = int(of_values[kind, place, period])
        return found

    def _moved(self) -> Amounts:
        """The amounts of each movement, then by group and period, as all that is counted."""
        kinds = self._columns.movements[self._rows].astype(np.intp)
        return self._summed(len(MOVEMENTS), kinds, self._pairs(self._cells), self._days, self._amounts)

    def _annual(self) -> Amounts:
        """The amounts of contracts with a term of twelve months or longer."""
        codes, values = self._columns.known.sorter.values("term_months")
        is_long = np.array([bool(value) and is_annual((("term_months", value),)) for value in values], dtype=np.bool_)
        rows = is_long[codes][self._cells]
        pairs = self._pairs(self._cells[rows])
        return self._summed(1, np.zeros(len(pairs), dtype=np.intp), pairs, self._days[rows], self._amounts[rows])

    def _happened(self) -> Amounts:
        """How many accounts were new, came back or were lost, each on so many days."""
        places = np.array([_KINDS.index(one) if one in _KINDS else -1 for one in MOVEMENTS], dtype=np.intp)
        kinds = places[self._columns.movements[self._rows]]
        rows = np.flatnonzero(kinds >= 0)
        kinds, pairs, days = kinds[rows], self._pairs(self._cells[rows]), self._days[rows]
        order = np.lexsort((kinds, days, pairs))
        kinds, pairs, days = kinds[order], pairs[order], days[order]
        starts = np.flatnonzero(begins(kinds) | begins(days) | begins(pairs))
        if not len(starts):
            return self._summed(len(_KINDS), kinds, pairs, days, self._amounts[rows])
        is_moved = np.add.reduceat(self._amounts[rows][order], starts) != 0
        of_days = (kinds[starts], pairs[starts], days[starts])
        return self._summed(len(_KINDS), *of_days, is_moved.astype(np.int64))

    def _active(self) -> Amounts:
        """How many accounts have revenue as each period ends, less those as it begins."""
        groups = self._groups
        ends = [np.zeros(len(groups.firsts), dtype=np.int64)]
        for day in (*self._bounds.tolist(), NEVER):
            levels = self._columns.levels(day, groups, self._fitting)
            is_active = (levels > 0) & self._columns.holds[groups.accounts]
            ends.append(np.add.reduceat(is_active.astype(np.int64), groups.firsts))
        counts = np.array(ends)
        return (counts[1:] - counts[:-1]).T.ravel()

    def _pairs(self, cells: Places) -> Places:
        return self._groups.pairs[cells]

    def _summed(self, kinds: int, kind: Places, pairs: Places, days: Codes, amounts: Amounts) -> Amounts:
        """Amounts added up by kind, group and period."""
        groups = np.searchsorted(self._groups.firsts, pairs, side="right") - 1
        periods = np.searchsorted(self._bounds, days, side="right")
        size = len(self._bounds) + 1
        places = (kind * len(self._groups.firsts) + groups) * size + periods
        sums = np.zeros(kinds * len(self._groups.firsts) * size, dtype=np.int64)
        np.add.at(sums, places, amounts)
        return sums
