"""Triangles: a row for each cohort, a column for each month since it began, and in them what is kept, in percent."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from msgspec import Struct

from services import shown

YOUNG_MONTHS: Final = 3
"""The first months, in which most changes: they are never left out."""
RUNNING: Final = "*"
"""What marks a period that has not ended."""
_STEPS: Final = (3, 6, 12, 24, 60, 120, 600)


class Triangle(Struct, frozen=True):
    """What a triangle tells: its title, the header and the column of what 100 % is, and the column of what is kept."""

    title: str
    header: str
    begun: str
    kept: str


TRIANGLES: Final = (
    Triangle("accounts kept, % of those that began", "began", "size", "kept"),
    Triangle("MRR kept, % of that as the first period ends", "first end", "mrr_minor", "mrr_kept"),
)


def ages_shown(rows: Sequence[Mapping[str, Any]]) -> Iterator[list[int]]:
    """The months to show since the beginning of a cohort: all of them, then fewer and fewer of the later ones."""
    ages = sorted({row["month"] for row in rows})
    yield ages
    for step in _STEPS:
        yield [age for age in ages if age < YOUNG_MONTHS or age % step == 0]


def lines_of(
    of: Triangle, rows: Sequence[Mapping[str, Any]], ages: Sequence[int], currency: str
) -> Iterator[list[str]]:
    """For each cohort its group if it has one, its name, what 100 % is, and what is kept after so many months."""
    cohorts: dict[tuple[str, ...], dict[int, Mapping[str, Any]]] = {}
    for row in rows:
        groups = [value or shown.NOTHING for value in row.get("group", {}).values()]
        cohorts.setdefault((*groups, row["cohort"]), {})[row["month"]] = row
    for names, months in cohorts.items():
        begun = months[0][of.begun]
        told = shown.money(begun, currency) if of.begun == "mrr_minor" else shown.count(begun)
        yield [*names, told, *[_told(months[age], of.kept) if age in months else "" for age in ages]]


def _told(row: Mapping[str, Any], kept: str) -> str:
    return _percent(row[kept]) + ("" if row["ended"] == "yes" else RUNNING)


def _percent(ratio: str | None) -> str:
    """A ratio in whole percent, without the sign that the title has."""
    return shown.NOTHING if ratio is None else f"{(Decimal(ratio) * 100).quantize(Decimal(1), ROUND_HALF_UP):,}"
