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
    start, begun = first, 0
    while start < asked.day:
        following = next_period(start, asked.every)
        levels = [level_before(items, asked, min(asked.day, following)) for items in members]
        active, worth = sum(level > 0 for level in levels), sum(levels)
        begun = worth if start == first else begun
        yield {
            "cohort": period_name(first, asked.every),
            "month": month_of_day(start) - month_of_day(first),
            "size": len(members),
            "accounts": active,
            "kept": ratio_text(active, len(members)),
            "mrr_minor": mrr_minor(worth),
            "mrr_kept": ratio_text(worth, begun),
        }
        start = following


COHORTS: Final = Table(
    "cohorts",
    "By month of first revenue: accounts and MRR that are still there after so many months. Month 0 is as the first"
    " period ends: kept is of all accounts that began in it (size), mrr_kept of the MRR as it ends.",
    columns(
        cohort="text", month="count", size="count", accounts="count",
        kept="ratio", mrr_minor="minor", mrr_kept="ratio",
    ),
    _cohorts,
    is_whole=True,
    every=("month", "quarter", "year"),
)
