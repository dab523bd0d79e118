"""Counting: the sums of all accounts by group, period and kind, from their columns."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from projections.buckets import ROWS_MAX, Buckets
from projections.columnar.arrays import MOVEMENTS, NEVER, Columns
from projections.columnar.layers import Layers
from projections.columnar.numbering import Amounts, Codes, Kinds, Places, cuts, firsts_of, runs
from projections.groups import Choice, is_annual
from projections.tally import ACTIVE, ANNUAL, COUNTED

_KINDS: Final = tuple(COUNTED)
"""The movements whose account-days are counted."""
_KINDS_OF_MOVEMENTS: Final = np.array(
    [_KINDS.index(one) if one in _KINDS else -1 for one in MOVEMENTS], dtype=np.int8
)
_MOST: Final = 3
"""A currency with one in so many sums is not picked out of all: the others are looked at, too, and left out."""

Counts = NDArray[np.int64]
"""Kind x group x period."""


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


class _Happened(Struct, frozen=True):
    """Sums whose account-days are counted: of each its cell, day, kind and amount."""

    cells: Places
    days: Codes
    kinds: Kinds
    amounts: Amounts


class _Posted(Struct, frozen=True):
    """Where the sums in a currency are, None: everywhere; and those whose account-days are counted.

    `single` are the only ones of their kind on a day of an account, in order of days; `several` the others, one
    account, day and kind after the other, which begin at `starts`.
    """

    rows: Codes | None
    single: _Happened
    several: _Happened
    starts: Places


def _posted(columns: Columns, currency: str) -> _Posted:
    fitting = columns.fitting(Choice(currency))
    rows = np.arange(len(columns.days)) if fitting is None else np.flatnonzero(fitting.take(columns.cells))
    kinds = _KINDS_OF_MOVEMENTS[columns.movements]
    happened = rows[(kinds[rows] >= 0) & (columns.amounts[rows] != 0)]
    accounts = columns.accounts[columns.cells[happened]]
    order, starts = runs((columns.movements[happened], columns.days[happened], accounts))
    lengths = np.diff(starts, append=len(order))
    is_single = np.repeat(lengths == 1, lengths)
    counts = lengths[lengths > 1]
    single, several = (
        _Happened(columns.cells[some], columns.days[some], kinds[some], columns.amounts[some])
        for some in (np.sort(happened[order[is_single]]), happened[order[~is_single]])
    )
    is_most = len(rows) * _MOST > len(columns.days)
    return _Posted(None if is_most else rows.astype(np.int32), single, several, firsts_of(counts))


def _is_long(columns: Columns) -> Places:
    """1 for cells of contracts with a term of twelve months or longer, else 0."""
    codes, values = columns.known.sorter.values("term_months")
    is_long = [bool(value) and is_annual((("term_months", value),)) for value in values]
    return np.array(is_long, dtype=np.intp).take(codes)


class _Counting:
    """One question to some columns: of the sums that it is about the group, the period and the amount.

    Periods are numbered: before the first bound, between bounds, after the last. So are groups; cells that do not fit
    are in one behind the others, which is left out at the end.
    """

    def __init__(self, columns: Columns, choice: Choice, bounds: Sequence[int]) -> None:
        self._columns = columns
        self._bounds = np.array(bounds, dtype=np.int32)
        self._size = len(bounds) + 1
        self._groups = columns.groups(choice.by)
        self._fits = columns.asked(choice)
        currency = choice.currency
        self._posted = columns.known.once(f"posted {currency}", lambda: _posted(columns, currency))
        self._count = len(self._groups.values)
        places = 0 if self._count == 1 else self._groups.places.take(self._groups.pairs)
        self._places = np.where(self._fits, places, self._count)

    def parts(self) -> dict[str, list[dict[str, int]]]:
        """By value of the group what is counted in each period, nothing that is zero."""
        kinds = [*MOVEMENTS, ANNUAL, *[COUNTED[movement] for movement in _KINDS], ACTIVE]
        counts = np.concatenate([*self._moved(), self._happened(), self._active()])
        found: dict[str, list[dict[str, int]]] = {}
        for kind, place, period in zip(*(one.tolist() for one in np.nonzero(counts)), strict=True):
            value = self._groups.values[place]
            parts = found.setdefault(value, [{} for _ in range(self._size)])
            parts[period][kinds[kind]] = int(counts[kind, place, period])
        return found

    def _cut(self, rows: Codes | None) -> tuple[list[slice], list[slice]]:
        """Where some rows of each period are, if not all; first of those that have come about, then of those ahead."""
        days, ahead = self._columns.days, self._columns.ahead
        bounds, first_ahead = self._bounds.tolist(), len(days) - len(ahead)
        dated = [min(end, first_ahead) for end in cuts(days, bounds)]
        later = [first_ahead + end for end in cuts(ahead, bounds)]
        ends = [0, *dated, first_ahead, *later, len(days)]
        slices = [slice(*one) for one in pairwise(ends if rows is None else cuts(rows, ends))]
        return slices[: self._size], slices[self._size :]

    def _moved(self) -> tuple[Counts, Counts]:
        """The amounts of each movement by group and period, and those with a term of twelve months or longer."""
        columns, rows, width = self._columns, self._posted.rows, len(MOVEMENTS)
        cells, movements, amounts = columns.cells, columns.movements, columns.amounts
        if rows is not None:
            cells, movements, amounts = cells.take(rows), movements.take(rows), amounts.take(rows)
        is_long = columns.known.once("long", lambda: _is_long(columns))
        codes = ((self._places * 2 + is_long) * width).take(cells)
        codes += movements
        sums = np.zeros((self._size, (self._count + 1) * 2 * width), dtype=np.int64)
        for slices in self._cut(rows):
            for own, some in zip(sums, slices, strict=True):
                np.add.at(own, codes[some], amounts[some])
        by_term = sums.reshape(self._size, self._count + 1, 2, width)[:, :-1]
        return by_term.sum(axis=2).T, by_term[:, :, 1].sum(axis=2).T[np.newaxis]

    def _happened(self) -> Counts:
        """How many accounts were new, came back or were lost, each on so many days."""
        single, width = self._posted.single, len(_KINDS)
        codes = (self._places * width).take(single.cells)
        codes += single.kinds
        ends = [0, *cuts(single.days, self._bounds.tolist()), len(codes)]
        size = (self._count + 1) * width
        sums = np.array([np.bincount(codes[first:end], minlength=size) for first, end in pairwise(ends)])
        for periods, codes in self._happened_together():
            sums += np.bincount(periods * size + codes, minlength=sums.size).reshape(sums.shape)
        return sums.reshape(self._size, self._count + 1, width)[:, :-1].T

    def _happened_together(self) -> Iterator[tuple[Places, Places]]:
        """The same of several sums each that do not come to nothing together: the period, and what they count under."""
        several, starts = self._posted.several, self._posted.starts
        if not len(starts):
            return
        places = self._places.take(several.cells)
        fits = places < self._count
        amounts = np.where(fits, several.amounts, 0)
        first, last = np.minimum.reduceat(places, starts), np.maximum.reduceat(np.where(fits, places, -1), starts)
        in_one = np.flatnonzero((first == last) & (np.add.reduceat(amounts, starts) != 0))
        yield self._coded(starts[in_one], first[in_one])
        lengths = np.diff(starts, append=len(places))
        some = np.flatnonzero(np.repeat(first < last, lengths) & fits)
        order, firsts = runs((places[some], np.repeat(np.arange(len(starts)), lengths)[some]))
        if len(firsts):
            in_many = some[order[firsts[np.add.reduceat(amounts[some[order]], firsts) != 0]]]
            yield self._coded(in_many, places[in_many])

    def _coded(self, rows: Places, places: Places) -> tuple[Places, Places]:
        """The periods of some of several sums, and what they count under in their groups."""
        several = self._posted.several
        periods = self._bounds.searchsorted(several.days[rows], side="right")
        return periods, places * len(_KINDS) + several.kinds[rows]

    def _active(self) -> Counts:
        """How many accounts have revenue as each period ends, less those as it begins."""
        firsts, cells = self._groups.firsts, np.flatnonzero(self._fits)
        pairs = self._groups.pairs.take(cells)
        ends = [np.zeros(len(firsts), dtype=np.int64)]
        for day in (*self._bounds.tolist(), NEVER):
            levels = np.zeros(len(self._groups.accounts), dtype=np.int64)
            np.add.at(levels, pairs, self._columns.levels_of_cells(day).take(cells))
            ends.append(np.add.reduceat((levels > 0).astype(np.int64), firsts))
        counts = np.array(ends)
        return (counts[1:] - counts[:-1]).T[np.newaxis]
