"""Living: for how many months accounts had revenue by group, and how often one was lost, from their columns."""

from typing import Final

import numpy as np
from msgspec import Struct

from events.days import month_of_day
from projections.columnar.arrays import MOVEMENTS, Columns
from projections.columnar.calendars import months_of_days
from projections.columnar.layers import Layers
from projections.columnar.numbering import Amounts, Codes, Flags, Places, begins
from projections.groups import Choice
from projections.lives import UNLIVED, Lives

_CHURN: Final = MOVEMENTS.index("churn")


def lives(layers: Layers, choice: Choice, end: int) -> dict[str, Lives]:
    """As `lives_of` the tallies of all accounts, without what comes to nothing."""
    found: dict[str, Lives] = {}
    for columns in layers.columns:
        for value, some in _lives(columns, choice, end).items():
            found[value] = found.get(value, UNLIVED).plus(some)
    return found


class _Posted(Struct, frozen=True):
    """All sums that have come about, account by account and there day by day."""

    cells: Codes
    days: Codes
    amounts: Amounts
    churns: Flags


def _posted(columns: Columns) -> _Posted:
    end = len(columns.days) - len(columns.ahead)
    cells = columns.cells[:end]
    order = np.lexsort((columns.days[:end], columns.accounts[cells]))
    churns = columns.movements[order] == _CHURN
    return _Posted(cells[order].astype(np.int32), columns.days[order], columns.amounts[order], churns)


def _lives(columns: Columns, choice: Choice, end: int) -> dict[str, Lives]:
    groups = columns.groups(choice.by)
    posted = columns.known.once("lived", lambda: _posted(columns))
    rows = np.flatnonzero(columns.asked(choice).take(posted.cells) & (posted.days < end))
    cells = posted.cells.take(rows)
    pairs = groups.pairs.take(cells)
    is_torn = groups.torn(len(columns.names)).take(columns.accounts.take(cells))
    torn = np.flatnonzero(is_torn)
    whole = np.flatnonzero(~is_torn) if len(torn) else slice(None)
    months, losses = np.zeros((2, len(groups.values)), dtype=np.int64)
    for some in (whole, torn[np.argsort(pairs[torn], kind="stable")]):
        own = rows[some]
        lived = _lived(pairs[some], posted.days.take(own), posted.amounts.take(own), posted.churns.take(own), end)
        for sums, counts in zip((months, losses), lived.counts, strict=True):
            np.add.at(sums, groups.places.take(lived.pairs), counts)
    told = zip(groups.values, months.tolist(), losses.tolist(), strict=True)
    return {value: Lives(*counts) for value, *counts in told if any(counts)}


class _Lived(Struct, frozen=True):
    """By day and pair of a group and an account the months lived more until the end, or fewer, and whether it left."""

    pairs: Places
    counts: tuple[Amounts, Amounts]


def _lived(pairs: Places, days: Codes, amounts: Amounts, churns: Flags, end: int) -> _Lived:
    """Of sums that are given pair by pair, and there day by day."""
    if not len(pairs):
        return _Lived(pairs, (amounts, amounts))
    starts = np.flatnonzero(begins(pairs) | begins(days))
    changes, churned = (np.add.reduceat(one, starts) for one in (amounts, np.where(churns, amounts, 0)))
    pairs, days = pairs[starts], days[starts]
    left = month_of_day(end - 1) - months_of_days(days.astype(np.int64)) + 1
    return _Lived(pairs, (_activity(pairs, changes) * left, (churned != 0).astype(np.int64)))


def _activity(pairs: Places, changes: Amounts) -> Amounts:
    """1 where a pair of a group and an account gains revenue, -1 where it loses all of it; in order of its days."""
    levels = np.cumsum(changes)
    is_first = begins(pairs)
    firsts = np.flatnonzero(is_first)
    levels -= np.repeat(levels[firsts] - changes[firsts], np.diff(firsts, append=len(pairs)))
    before = np.where(is_first, 0, levels - changes)
    return (levels > 0).astype(np.int64) - (before > 0)
