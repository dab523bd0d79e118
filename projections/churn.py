"""Churn: what was lost in a window, by period, reason and initiative."""

from collections.abc import Iterable, Mapping
from typing import Final

from events.contracts import NO_CAUSE, Cause
from events.money import mrr_minor
from events.movements import Movement
from projections.columns import CAUSE_NAMES, Asked, Row, Table, Told, columns
from projections.periods import first_day_of_period, period_name

FALLING: Final = frozenset(("churn", "contraction"))

Lost = tuple[int, Movement, Cause]
"""(day or first day of a period, movement, cause)."""


def _churn(told: Iterable[Told], asked: Asked) -> list[Row]:
    """The falls of a window, the latest period first; an account counts on each day it lost anything."""
    sums: dict[Lost, tuple[int, int]] = {}
    for _, items, _ in told:
        own: dict[Lost, int] = {}
        for (day, movement, cell, cause), amount in items:
            if movement in FALLING and asked.start <= day < asked.day and cell.currency == asked.currency:
                key = (day, movement, cause or NO_CAUSE)
                own[key] = own.get(key, 0) + amount
        for (day, movement, cause), amount in own.items():
            if amount:
                place = (first_day_of_period(day, asked.every), movement, cause)
                accounts, lost = sums.get(place, (0, 0))
                sums[place] = (accounts + 1, lost + amount)
    return churn_rows(sums, asked)


def churn_rows(sums: Mapping[Lost, tuple[int, int]], asked: Asked) -> list[Row]:
    """The rows of falls, from how often accounts lost anything, and what that was worth, by first day of a period."""
    order = sorted(sums.items(), key=lambda one: (-one[0][0], one[0][1], one[1][1], one[0][2]))
    return [
        {
            "period": period_name(first, asked.every),
            "movement": movement,
            "reason": cause[0] or None,
            "initiative": cause[1] or None,
            "accounts": accounts,
            "mrr_minor": mrr_minor(lost),
        }
        for (first, movement, cause), (accounts, lost) in order
    ]


CHURN: Final = Table(
    "churn",
    "What was lost by month, reason and initiative: accounts that left, and revenue of those that stayed.",
    columns(
        period="text", movement="text", reason="text", initiative="text", accounts="count", mrr_minor="minor"
    ),
    _churn,
    is_window=True,
    every=("day", "month", "quarter", "year"),
    names=CAUSE_NAMES,
)
