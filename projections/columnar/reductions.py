"""Reductions: what discounts take off all accounts, in columns of their own, as if it were what they are worth.

Where a discount begins stands what it takes off, where it ends the same as a fall, and so on a day all together.
"""

from collections.abc import Iterable
from fractions import Fraction
from typing import Final

import msgspec
import numpy as np

from events.days import LAST_DAY, MONTH_PARTS, calendar_parts
from events.facts import Fact
from events.money import MRR_DIVISOR
from events.stated import spans_of
from projections.columnar.arrays import Columns
from projections.columnar.calendars import calendar_parts_of
from projections.columnar.deals import Worth, worth_by
from projections.columnar.numbering import cuts
from projections.discounts import Discounts
from projections.groups import Choice, spread_of
from projections.records import NOTHING, Posted, Record, merged

_ENCODE: Final = msgspec.msgpack.Encoder().encode


def reductions_of(facts: Iterable[Fact]) -> Record:
    """What discounts take off an account, from facts whose lines are worth that."""
    posted: list[Posted] = []
    for start, end, level in spans_of(facts):
        for cell, amount in level.items():
            raw = _ENCODE(cell)
            posted.append((start, "transfer", amount, spread_of(raw), raw, None))
            if end <= LAST_DAY:
                posted.append((end, "transfer", -amount, spread_of(raw), raw, None))
    return merged(NOTHING, posted)


def discounts(columns: Columns, choice: Choice, start: int, until: int) -> dict[str, Discounts]:
    """As `discounts_of`, of the accounts held, without what comes to nothing; raises TooLarge."""
    codes, values = columns.known.sorter.values_or_none(choice.by)
    cells = np.flatnonzero(columns.asked(choice))
    levels = np.zeros(len(values), dtype=np.int64)
    np.add.at(levels, codes[cells], columns.levels_of_cells(until)[cells])
    spent = _spent(columns, start, until)
    parts = Worth(spent.high[cells], spent.low[cells]).added(codes[cells].astype(np.intp), len(values)).whole()
    return {
        value: Discounts(level, Fraction(part, MRR_DIVISOR * MONTH_PARTS))
        for value, level, part in zip(values, levels.tolist(), parts, strict=True)
        if level or part
    }


def _spent(columns: Columns, start: int, until: int) -> Worth:
    """What was taken off each cell over the days of a window, in annual_e4 times MONTH_PARTS."""
    first, end = cuts(columns.days, [start, until])
    lasting = calendar_parts(until) - calendar_parts_of(columns.days[first:end].astype(np.int64))
    levels = columns.levels_of_cells(start)
    amounts = np.concatenate([columns.amounts[first:end], levels])
    places = np.concatenate([columns.cells[first:end], np.arange(len(levels))])
    whole = np.full(len(levels), calendar_parts(until) - calendar_parts(start), dtype=np.int64)
    return worth_by(places, amounts, np.concatenate([lasting, whole]), len(levels), columns.total)
