"""Rows of any columns for people: as a table if it fits, else one value a line, row after row."""

import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from services import shown
from services.cli.values import plain

ROWS_MAX: Final = 1_000
"""How many rows a person is shown."""
CELL_WIDTH_MAX: Final = 40


def print_rows(console: Console, names: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> None:
    """Prints the first rows there are, and says so if there are more."""
    first = list(itertools.islice(rows, ROWS_MAX))
    if len(first) == 1 and len(names) == 2 and names[0] == "explain_key":
        console.print(first[0][1], no_wrap=True, overflow="crop", markup=False)
        return
    texts = [[_text(value) for value in row] for row in first]
    table = _table(names, first, texts)
    if Measurement.get(console, console.options.update(width=10_000), table).maximum <= console.width:
        console.print(table)
    else:
        _print_one_by_one(console, names, texts)
    if next(rows, None) is None:
        count = "1 row" if len(first) == 1 else f"{len(first):,} rows"
    else:
        count = f"the first {ROWS_MAX:,} rows; --format csv and json write all of them"
    console.print(count, style="dim", highlight=False, markup=False)


def _table(names: Sequence[str], rows: Sequence[tuple[Any, ...]], texts: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for index, name in enumerate(names):
        is_number = all(isinstance(row[index], int | float) or row[index] is None for row in rows)
        table.add_column(Text(name), justify="right" if is_number else "left", no_wrap=True, overflow="ellipsis")
    for row in texts:
        table.add_row(*(Text(shown.clipped(text, CELL_WIDTH_MAX)) for text in row))
    return table


def _print_one_by_one(console: Console, names: Sequence[str], texts: Sequence[Sequence[str]]) -> None:
    """Each row as lines of a name and a value, which goes on below itself where it is long."""
    for number, row in enumerate(texts, 1):
        console.print(f"row {number:,}", style="bold", highlight=False)
        lines = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        lines.add_column(no_wrap=True, style="dim")
        lines.add_column(overflow="fold")
        for name, text in zip(names, row, strict=True):
            lines.add_row(Text(name), Text(text))
        console.print(lines)


def _text(value: object) -> str:
    value = plain(value)
    if value is None:
        return shown.NOTHING
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return ", ".join(f"{name}={_text(one)}" for name, one in value.items())
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else str(value)
