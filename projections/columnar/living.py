"""Living: for how many months accounts had revenue by group, and how often one was lost, from their columns."""

from typing import Final

import numpy as np

from events.days import month_of_day
from projections.columnar.arrays import MOVEMENTS, Columns
from projections.columnar.calendars import months_of_days
from projections.columnar.layers import Layers
from projections.columnar.numbering import Amounts, Places, begins, runs
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


def _lives(columns: Columns, choice: Choice, end: int) -> dict[str, Lives]:
    groups = columns.groups(choice.by)
    rows = np.flatnonzero(columns.asked(choice)[columns.cells] & (columns.days < end))
    if not len(rows):
        return {}
    pairs, days, amounts = groups.pairs[columns.cells[rows]], columns.days[rows], columns.amounts[rows]
    churned = np.where(columns.movements[rows] == _CHURN, amounts, 0)
    order, starts = runs((days, pairs))
    pairs, days = pairs[order][starts], days[order][starts]
    changes, lost = (np.add.reduceat(one[order], starts) for one in (amounts, churned))
    months = _activity(pairs, changes) * (month_of_day(end - 1) - months_of_days(days.astype(np.int64)) + 1)
    places = np.searchsorted(groups.firsts, pairs, side="right") - 1
    sums = []
    for one in (months, lost != 0):
        sums.append(of_groups := np.zeros(len(groups.firsts), dtype=np.int64))
        np.add.at(of_groups, places, one)
    told = zip(groups.values, *[one.tolist() for one in sums], strict=True)
    return {value: Lives(*counts) for value, *counts in told if any(counts)}


def _activity(pairs: Places, changes: Amounts) -> Amounts:
    """1 where a pair of a group and an account gains revenue, -1 where it loses all of it; in order of its days."""
    levels = np.cumsum(changes)
    is_first = begins(pairs)
    firsts = np.flatnonzero(is_first)
    levels -= np.repeat(levels[firsts] - changes[firsts], np.diff(firsts, append=len(pairs)))
    before = np.where(is_first, 0, levels - changes)
    return (levels > 0).astype(np.int64) - (before > 0)
