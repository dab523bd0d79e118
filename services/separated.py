"""Answers as CSV: one row per period and group, minor units, names as in the JSON."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from projections.tables import TABLES

if TYPE_CHECKING:
    from services.reports import Answer

_PARTS = ("mrr_minor", "annual_e4", "accounts")


def csv_of(answer: "Answer", by: str | None) -> str:
    """A header and the rows; the parts of a bridge are joined with a point, as in `mrr_minor.opening`."""
    if answer["report"] in TABLES:
        return _table(answer)
    rows = [_row(answer, row, by) for row in answer["rows"]]
    return text_of(rows[0] if rows else (), [row.values() for row in rows])


def _table(answer: "Answer") -> str:
    """A table of the catalogue; the items of a list are joined with semicolons."""
    columns = [column.name for column in TABLES[answer["report"]].columns]
    groups = [*answer["rows"][0].get("group", {})] if answer["rows"] else []
    rows = [
        [*[row["group"][name] for name in groups], *[_flat(row[name]) for name in columns]] for row in answer["rows"]
    ]
    return text_of([*groups, *columns], rows)


def _flat(value: object) -> object:
    return ";".join(map(str, value)) if isinstance(value, list) else value


def text_of(header: Iterable[str], rows: Sequence[Iterable[object]]) -> str:
    """CSV (RFC 4180, with the line ends of Unix); None is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _row(answer: "Answer", row: Mapping[str, Any], by: str | None) -> dict[str, object]:
    cells: dict[str, object] = {name: row[name] for name in ("at", "from", "until") if name in row}
    if by is not None:
        cells[by] = row["group"][by]
    cells["currency"] = answer["currency"]
    for part in _PARTS:
        cells |= {f"{part}.{name}": value for name, value in row.get(part, {}).items()}
    before = {f"before.{name}": value for name, value in row.get("before", {}).get("figures", {}).items()}
    return {**cells, **row.get("figures", {}), **before}
