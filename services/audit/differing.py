"""Differing: where the live projection says another thing than the replay, cell by cell."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

Cells = Mapping[str, Any]
"""What a cell is called -> what it says."""


class Difference(Struct, frozen=True, kw_only=True):
    """One cell: where it is kept, and what is live and what was replayed; None for a cell that is not there.

    Amounts are in annual_e4, in a row of figures as the figure has it; `partition` is None in an answer.
    """

    partition: int | None
    place: str
    cell: str
    live: int | str | None
    replayed: int | str | None


def differing(partition: int | None, place: str, live: Cells, replayed: Cells) -> Iterator[Difference]:
    """The cells that differ, those of the replay first."""
    for cell in [*replayed, *(one for one in live if one not in replayed)]:
        found, due = live.get(cell), replayed.get(cell)
        if found != due or type(found) is not type(due):
            yield Difference(partition=partition, place=place, cell=cell, live=found, replayed=due)


def flattened(row: Any, name: str = "") -> dict[str, Any]:
    """A row of an answer as cells: the names on the way to each, joined with points."""
    if not isinstance(row, Mapping):
        return {name: row}
    found: dict[str, Any] = {}
    for key, value in row.items():
        found |= flattened(value, f"{name}.{key}" if name else str(key))
    return found


def rows_by_name(rows: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The rows of an answer by what each is about: period or day, and group."""
    about = ("from", "until", "at", "group")
    return {
        " ".join(_said(row[name]) for name in about if name in row): {
            name: part for name, part in row.items() if name not in about
        }
        for row in rows
    }


def _said(part: Any) -> str:
    if not isinstance(part, Mapping):
        return str(part)
    return " ".join(f"{name}={'-' if value is None else value}" for name, value in part.items())


def as_text(data: bytes) -> str:
    """What is kept in bytes, for a person to read."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return f"0x{data.hex()}"


