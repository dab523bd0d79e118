"""Rows of answers: bridges and figures in the JSON shape of the interfaces, from the sums of each group."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from events.days import text_of_day
from projections.basis import Basis, Details, Figure
from projections.bridge import BridgeRow, bridge_rows
from projections.buckets import Buckets, empty_buckets
from projections.conversion import ConvertedRow
from projections.figures import FALLS
from services.questions import Question

Answer = dict[str, Any]
"""An answer in the JSON shape of the interfaces, or a row of one."""


def _group(question: Question, value: str) -> Answer:
    return {} if question.by is None else {"group": {question.by: value or None}}


def in_order(groups: Iterable[str]) -> list[str]:
    """Groups by value, those without one last."""
    return sorted(groups, key=lambda value: (not value, value))


def span_of(bounds: Sequence[int]) -> Answer:
    """What a row is about: a day, or a window."""
    if len(bounds) == 1:
        return {"at": text_of_day(bounds[0])}
    return {"from": text_of_day(bounds[0]), "until": text_of_day(bounds[1])}


def rows_of_bridge(found: dict[str, Buckets], question: Question, bounds: Sequence[int]) -> list[Answer]:
    """The bridge of every period and group, from the sums of each group."""
    found = _nonempty(found, question, len(bounds) - 1)
    return rows_of_periods({value: bridge_rows(bounds, buckets) for value, buckets in found.items()}, question)


def rows_of_periods(
    rows_of: Mapping[str, Sequence[BridgeRow | ConvertedRow]], question: Question
) -> list[Answer]:
    """The periods of every group, the groups of a period one after the other; exact amounts unless converted."""
    return [
        {
            "from": text_of_day(row.start),
            "until": text_of_day(row.until),
            **_group(question, value),
            "mrr_minor": row.mrr_minor,
            **({"annual_e4": row.annual_e4} if isinstance(row, BridgeRow) else {}),
            "accounts": row.accounts,
        }
        for period in range(max(map(len, rows_of.values()), default=0))
        for value in in_order(rows_of)
        for row in [rows_of[value][period]]
    ]


def _nonempty(
    found: dict[str, Buckets], question: Question, periods: int, ahead: Iterable[str] = ()
) -> dict[str, Buckets]:
    """The groups that hold or move anything up to the last bound, or later if it is one of the kinds `ahead`."""
    if question.by is None:
        return found or {"": empty_buckets(periods)}
    return {
        value: buckets
        for value, buckets in found.items()
        if not buckets.is_empty or any(buckets.after.get(kind) for kind in ahead)
    }


def rows_of_figures(
    found: dict[str, Buckets],
    details: Details,
    question: Question,
    bounds: Sequence[int],
    chosen: Sequence[Figure],
) -> list[Answer]:
    """The figures of every group, from its sums and what its accounts were looked at for."""
    empty = dict.fromkeys(details.groups if question.by is not None else (), empty_buckets(len(bounds) - 1))
    found = {**empty, **_nonempty(found, question, len(bounds) - 1, FALLS)}
    bases = {value: basis_of_buckets(buckets, details, value) for value, buckets in found.items()}
    return rows_of_bases(bases, question, bounds, chosen)


def rows_of_bases(
    bases: Mapping[str, Basis], question: Question, bounds: Sequence[int], chosen: Sequence[Figure]
) -> list[Answer]:
    """The figures of every group, from what they are computed from."""
    span = span_of(bounds)
    return [
        {**span, **_group(question, value), "figures": {one.name: one.value(bases[value]) for one in chosen}}
        for value in in_order(bases)
    ]


def basis_of_buckets(buckets: Buckets, details: Details, group: str) -> Basis:
    """What the figures of one group and currency are computed from."""
    if not buckets.within:
        return details.basis(group, buckets.before, buckets.after, {})
    (within,) = buckets.within
    before = {kind: buckets.before.get(kind, 0) + within.get(kind, 0) for kind in {*buckets.before, *within}}
    return details.basis(group, before, buckets.after, within, buckets.before)
