"""Comparing: figures beside those of the period before, or of a year before."""

from collections.abc import Sequence
from typing import Final

from events.days import MONTH_PARTS, day_months_later, month_parts
from projections.basis import Details, Figure
from services.questions import Question
from services.rows import Answer, in_order, span_of

YEAR_MONTHS: Final = 12


def bounds_before(question: Question, bounds: Sequence[int]) -> list[int] | None:
    """The day or window to compare with, None where nothing is compared.

    Before a window lies another of as many months, or of as many days if it is not of whole months; before a day lies
    that of the month before.
    """
    if question.compare is None:
        return None
    if question.compare == "year":
        return [day_months_later(day, -YEAR_MONTHS) for day in bounds]
    if len(bounds) == 1:
        return [day_months_later(bounds[0], -1)]
    start, until = bounds
    months, rest = divmod(month_parts(start, until), MONTH_PARTS)
    return [start - (until - start) if rest else day_months_later(start, -months), start]


def rows_compared(
    now: tuple[Sequence[int], Sequence[Answer]], then: tuple[Sequence[int], Sequence[Answer]], chosen: Sequence[Figure]
) -> list[Answer]:
    """Rows with what they were before, both with their bounds; a group that one side lacks has nothing there."""
    nothing = {figure.name: figure.value(Details().basis("", {}, {}, {})) for figure in chosen}
    sides = [(span_of(bounds), {_group(row): row for row in rows}) for bounds, rows in (now, then)]
    found: list[Answer] = []
    for group in in_order({*sides[0][1], *sides[1][1]}):
        (span, own), (span_then, earlier) = [(span, rows.get(group)) for span, rows in sides]
        named = (own or earlier or {}).get("group")
        found.append(
            {
                **span,
                **({} if named is None else {"group": named}),
                "figures": nothing if own is None else own["figures"],
                "before": {**span_then, "figures": nothing if earlier is None else earlier["figures"]},
            }
        )
    return found


def _group(row: Answer) -> str:
    return "".join(str(value or "") for value in row.get("group", {}).values())
