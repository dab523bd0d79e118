"""Cohorts: accounts by the month of their first revenue, and what is left of each as the months go by."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from events.days import month_of_day
from events.money import mrr_minor, ratio_text
from projections.columns import Asked, Row, Table, Told, columns, level_before
from projections.periods import first_day_of_period, next_period, period_name
from projections.satisfaction import Item


def _cohorts(told: Iterable[Told], asked: Asked) -> list[Row]:
    """By period of first revenue, one after another: how many of its accounts have revenue as it ends, and how much."""
    first: dict[int, list[list[Item]]] = {}
    for _, items, _ in told:
        own = [one for one in items if one[0][1] != "ahead" and one[0][2].currency == asked.currency]
        days = [day for (day, _, _, _), amount in own if amount > 0 and day < asked.day]
        if days:
            first.setdefault(first_day_of_period(min(days), asked.every), []).append(own)
    return [row for start, members in sorted(first.items()) for row in _cohort(start, members, asked)]


def _cohort(first: int, members: Sequence[list[Item]], asked: Asked) -> Iterator[Row]:
    begun: int | None = None
    for start, end in periods_since(first, asked):
        levels = [level_before(items, asked, end) for items in members]
        worth = sum(levels)
        begun = worth if begun is None else begun
        yield cohort_row(first, start, (len(members), sum(level > 0 for level in levels), worth, begun), asked)


def periods_since(first: int, asked: Asked) -> Iterator[tuple[int, int]]:
    """The periods from one on that begins on a day, each with its end or the day asked for."""
    start = first
    while start < asked.day:
        following = next_period(start, asked.every)
        yield start, min(asked.day, following)
        start = following


def cohort_row(first: int, start: int, sums: tuple[int, int, int, int], asked: Asked) -> Row:
    """The row of a cohort and a period, by their first days.

    `sums` are the accounts that began, those with revenue as the period ends, what they are worth then, and what they
    were as their first period ended.
    """
    size, active, worth, begun = sums
    return {
        "cohort": period_name(first, asked.every),
        "month": month_of_day(start) - month_of_day(first),
        "size": size,
        "accounts": active,
        "kept": ratio_text(active, size),
        "mrr_minor": mrr_minor(worth),
        "mrr_kept": ratio_text(worth, begun),
        "ended": "yes" if next_period(start, asked.every) <= asked.day else "no",
    }


COHORTS: Final = Table(
    "cohorts",
    "By month of first revenue: accounts and MRR that are still there after so many months. Month 0 is as the first"
    " period ends: kept is of all accounts that began in it (size), mrr_kept of the MRR as it ends. What has not ended"
    " is told as of the day.",
    columns(
        cohort="text", month="count", size="count", accounts="count",
        kept="ratio", mrr_minor="minor", mrr_kept="ratio", ended="text",
    ),
    _cohorts,
    is_whole=True,
    every=("month", "quarter", "year"),
)
