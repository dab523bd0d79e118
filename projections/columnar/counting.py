"""Counting: the sums of all accounts by group, period and kind, from their columns."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from msgspec import Struct

from events.days import FIRST_DAY
from projections.buckets import ROWS_MAX, Buckets
from projections.columnar.arrays import MOVEMENTS, NEVER, Columns
from projections.columnar.layers import Layers
from projections.columnar.numbering import Amounts, Codes, Places, begins, cuts
from projections.groups import Choice, is_annual
from projections.tally import ACTIVE, ANNUAL, COUNTED

_KINDS: Final = tuple(COUNTED)
"""The movements whose account-days are counted."""
_PLACES_OF_KINDS: Final = np.array([_KINDS.index(one) if one in _KINDS else -1 for one in MOVEMENTS], dtype=np.intp)
_DAY_BITS: Final = 23
"""Room for every day that there is."""


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


class _Posted(Struct, frozen=True):
    """Where the sums in a currency are: all of them, and those whose account-days are counted by account and day."""

    rows: Codes
    happened: Codes


def _posted(columns: Columns, currency: str) -> _Posted:
    fitting = columns.fitting(Choice(currency))
    rows = np.arange(len(columns.days)) if fitting is None else np.flatnonzero(fitting.take(columns.cells))
    kinds = _PLACES_OF_KINDS[columns.movements[rows]]
    happened = rows[kinds >= 0]
    order = np.lexsort((columns.days[happened], columns.accounts[columns.cells[happened]]))
    return _Posted(rows.astype(np.int32), happened[order].astype(np.int32))


class _Counting:
    """One question to some columns: of the sums that it is about the group, the period and the amount.

    Periods are numbered: before the first bound, between bounds, after the last.
    """

    def __init__(self, columns: Columns, choice: Choice, bounds: Sequence[int]) -> None:
        self._columns = columns
        self._bounds = np.array(bounds, dtype=np.int32)
        self._size = len(bounds) + 1
        self._groups = columns.groups(choice.by)
        self._fits = columns.asked(choice)
        currency = choice.currency
        posted = columns.known.once(f"posted {currency}", lambda: _posted(columns, currency))
        self._happened_rows = posted.happened[self._fits.take(columns.cells[posted.happened])]
        cells = columns.cells.take(posted.rows)
        kept = np.flatnonzero(self._fits.take(cells))
        self._rows, self._cells = posted.rows[kept], cells[kept]
        self._amounts = columns.amounts[self._rows]
        self._places = self._groups_of(self._cells) * self._size + self._periods()

    def parts(self) -> dict[str, list[dict[str, int]]]:
        """By value of the group what is counted in each period, nothing that is zero."""
        kinds = [*MOVEMENTS, ANNUAL, *[COUNTED[movement] for movement in _KINDS], ACTIVE]
        counts = np.concatenate([self._moved(), self._annual(), self._happened(), self._active()])
        found: dict[str, list[dict[str, int]]] = {}
        of_values = counts.reshape(len(kinds), len(self._groups.values), self._size)
        for kind, place, period in zip(*(one.tolist() for one in np.nonzero(of_values)), strict=True):
            value = self._groups.values[place]
            parts = found.setdefault(value, [{} for _ in range(self._size)])
            parts[period][kinds[kind]] = int(of_values[kind, place, period])
        return found

    def _periods(self) -> Places:
        """The period of each sum; they are in order of their days, but for those that lie ahead."""
        first_ahead = len(self._columns.days) - len(self._columns.ahead)
        ends = [*cuts(self._columns.days, self._bounds.tolist()), first_ahead]
        at = [0, *cuts(self._rows, [min(end, first_ahead) for end in ends])]
        dated = np.repeat(np.arange(self._size), np.diff(at))
        ahead = self._columns.ahead[self._rows[at[-1] :] - first_ahead]
        return np.concatenate([dated, np.searchsorted(self._bounds, ahead, side="right")])

    def _groups_of(self, cells: Places) -> Places:
        if len(self._groups.values) == 1:
            return np.zeros(len(cells), dtype=np.intp)
        return self._groups.places.take(self._groups.pairs.take(cells))

    def _moved(self) -> Amounts:
        """The amounts of each movement, then by group and period, as all that is counted."""
        kinds = self._columns.movements[self._rows].astype(np.intp)
        return self._summed(len(MOVEMENTS), kinds, self._places, self._amounts)

    def _annual(self) -> Amounts:
        """The amounts of contracts with a term of twelve months or longer."""
        codes, values = self._columns.known.sorter.values("term_months")
        is_long = np.array([bool(value) and is_annual((("term_months", value),)) for value in values], dtype=np.bool_)
        rows = np.flatnonzero(is_long.take(codes).take(self._cells))
        return self._summed(1, np.zeros(len(rows), dtype=np.intp), self._places[rows], self._amounts[rows])

    def _happened(self) -> Amounts:
        """How many accounts were new, came back or were lost, each on so many days."""
        rows = self._happened_rows
        days, pairs = self._columns.days[rows], self._groups.pairs[self._columns.cells[rows]]
        kinds = _PLACES_OF_KINDS[self._columns.movements[rows]]
        keys = ((pairs << _DAY_BITS) + (days - FIRST_DAY)) * len(_KINDS) + kinds
        order = np.argsort(keys, kind="stable")
        starts = np.flatnonzero(begins(keys[order]))
        is_moved = np.add.reduceat(self._columns.amounts[rows[order]], starts) != 0 if len(starts) else starts
        firsts = order[starts]
        groups = np.searchsorted(self._groups.firsts, pairs[firsts], side="right") - 1
        places = groups * self._size + np.searchsorted(self._bounds, days[firsts], side="right")
        return self._summed(len(_KINDS), kinds[firsts], places, is_moved.astype(np.int64))

    def _active(self) -> Amounts:
        """How many accounts have revenue as each period ends, less those as it begins."""
        firsts, cells = self._groups.firsts, np.flatnonzero(self._fits)
        pairs = self._groups.pairs[cells]
        ends = [np.zeros(len(firsts), dtype=np.int64)]
        for day in (*self._bounds.tolist(), NEVER):
            levels = np.zeros(len(self._groups.accounts), dtype=np.int64)
            np.add.at(levels, pairs, self._columns.levels_of_cells(day)[cells])
            ends.append(np.add.reduceat((levels > 0).astype(np.int64), firsts))
        counts = np.array(ends)
        return (counts[1:] - counts[:-1]).T.ravel()

    def _summed(self, kinds: int, kind: Places, places: Places, amounts: Amounts) -> Amounts:
        """Amounts added up by kind, group and period."""
        width = len(self._groups.firsts) * self._size
        sums = np.zeros(kinds * width, dtype=np.int64)
        np.add.at(sums, kind * width + places, amounts)
        return sums
