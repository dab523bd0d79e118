"""Cohorts: accounts by the month of their first revenue, and what is left of each as the months go by."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from events.days import first_day_of_month, month_of_day, text_of_day
from events.money import mrr_minor, ratio_text
from projections.columns import Asked, Row, Table, Told, columns, level_before
from projections.satisfaction import Item


def _cohorts(told: Iterable[Told], asked: Asked) -> list[Row]:
    """By month of first revenue, month after month: how many of its accounts have revenue as it ends, and how much."""
    first: dict[int, list[list[Item]]] = {}
    last = month_of_day(asked.day - 1)
    for _, items, _ in told:
        own = [one for one in items if one[0][1] != "ahead" and one[0][2].currency == asked.currency]
        days = [day for (day, _, _), amount in own if amount > 0 and day < asked.day]
        if days:
            first.setdefault(month_of_day(min(days)), []).append(own)
    return [row for month, members in sorted(first.items()) for row in _cohort(month, last, members, asked)]


def _cohort(month: int, last: int, members: Sequence[list[Item]], asked: Asked) -> Iterator[Row]:
    start = 0
    for age in range(last - month + 1):
        end = min(asked.day, first_day_of_month(month + age + 1))
        levels = [level_before(items, asked, end) for items in members]
        active, worth = sum(level > 0 for level in levels), sum(levels)
        start = start if age else worth
        yield {
            "cohort": text_of_day(first_day_of_month(month))[:7],
            "month": age,
            "size": len(members),
            "accounts": active,
            "kept": ratio_text(active, len(members)),
            "mrr_minor": mrr_minor(worth),
            "mrr_kept": ratio_text(worth, start),
        }


COHORTS: Final = Table(
    "cohorts",
    "By month of first revenue: accounts and MRR that are still there after so many months.",
    columns(
        cohort="text", month="count", size="count", accounts="count",
        kept="ratio", mrr_minor="minor", mrr_kept="ratio",
    ),
    _cohorts,
    is_whole=True,
)
