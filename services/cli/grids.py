"""Grids: cells in aligned lines, quickly also where there are many; in one, turned, or block below block."""

from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from typing import Final

from msgspec import Struct
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

BETWEEN: Final = "  "
"""What is between two columns."""


class Column(Struct, frozen=True):
    """A column: its header and its cells, one a row; numbers are to the right, words to the left.

    `before` are the cells of what is compared with, which stand below those of their row; `name` is its whole name.
    """

    header: str
    cells: list[str]
    is_words: bool = False
    before: Sequence[str] = ()
    name: str = ""


class Grid(Struct, frozen=True, dict=True):
    """Columns of texts, each as wide as its widest; the first `left` of them and those of words are to the left.

    Rows of `dim` are what others are compared with. A header may have two lines.
    """

    headers: list[str]
    is_left: list[bool]
    rows: list[list[str]]
    dim: bool = False

    @cached_property
    def widths(self) -> list[int]:
        """How many characters each column takes."""
        heads = [max(map(cell_len, header.split("\n"))) for header in self.headers]
        return [max(head, *map(cell_len, cells)) for head, cells in zip(heads, self._columns, strict=True)]

    @property
    def _columns(self) -> list[tuple[str, ...]]:
        return [*zip(*self.rows, strict=True)] if self.rows else [("",) for _ in self.headers]

    @property
    def width(self) -> int:
        """How many characters a line takes."""
        return sum(self.widths) + len(BETWEEN) * (len(self.widths) - 1)

    def print(self, console: Console) -> None:
        """Prints it; where it is wider than the console, with cells cut off."""
        if self.width > console.width:
            console.print(self._cut())
            return
        for line in self._header_lines():
            console.print(Text(line, style="bold"), no_wrap=True, overflow="ignore", crop=False)
        for number, row in enumerate(self.rows):
            line = self._line(row)
            if self.dim and number % 2 and console.is_terminal:
                console.print(Text(line, style="dim"), no_wrap=True, overflow="ignore", crop=False)
            else:
                console.file.write(f"{line}\n")  # a hundred times as quick as through the console

    def _header_lines(self) -> Iterator[str]:
        lines = [header.split("\n") for header in self.headers]
        height = max(map(len, lines))
        for place in range(-height, 0):
            yield self._line([one[place] if len(one) >= -place else "" for one in lines])

    def _line(self, cells: Sequence[str]) -> str:
        padded = (
            cell + " " * (width - cell_len(cell)) if left else " " * (width - cell_len(cell)) + cell
            for cell, width, left in zip(cells, self.widths, self.is_left, strict=True)
        )
        return BETWEEN.join(padded).rstrip()

    def _cut(self) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for header, left in zip(self.headers, self.is_left, strict=True):
            table.add_column(Text(header), justify="right", no_wrap=True, overflow="ellipsis", vertical="bottom")
            if left:
                table.columns[-1].justify = "left"
        for row in self.rows:
            table.add_row(*map(Text, row))
        return table


Part = Grid | Table | Text
"""What an answer is printed as, one below the other."""


def print_part(console: Console, part: Part) -> None:
    """Prints a part."""
    if isinstance(part, Grid):
        part.print(console)
    else:
        console.print(part)


def fitting_grid(
    headers: list[str], labels: list[list[str]], columns: Sequence[Column], then: str, width: int
) -> Grid | None:
    """All in one, if that fits, with headers of two lines where it does not otherwise."""
    for is_narrow in (False, True):
        grid = _grid(headers, labels, columns, then, is_narrow=is_narrow)
        if grid.width <= width:
            return grid
    return None


def _grid(
    headers: list[str], labels: list[list[str]], columns: Sequence[Column], then: str = "", *, is_narrow: bool = False
) -> Grid:
    """A row below the other, each with that of `then` below it if there is one; narrow with headers of two lines."""
    rows = []
    for index, label in enumerate(labels):
        rows.append([*label, *(one.cells[index] for one in columns)])
        if then:
            below = [*[""] * (len(label) - 1), f"  {then}"]
            rows.append([*below, *(one.before[index] for one in columns)])
    heads = [_in_two(one) if is_narrow else one.header for one in columns]
    return Grid([*headers, *heads], [*[True] * len(headers), *(one.is_words for one in columns)], rows, bool(then))


def _in_two(column: Column) -> str:
    """The header of a column, on two lines that are as short as can be if it is wider than the cells."""
    words = column.header.split()
    if len(column.header) <= max(map(len, [*column.cells, *column.before]), default=0) or len(words) < 2:
        return column.header
    halves = [(" ".join(words[:place]), " ".join(words[place:])) for place in range(1, len(words))]
    return "\n".join(min(halves, key=lambda pair: max(map(len, pair))))


def turned(name: str, groups: Sequence[str], columns: Sequence[Column], then: str) -> Grid:
    """Columns as rows: a figure a line, a group beside the other."""
    rows = []
    for one in columns:
        rows.append([one.name or one.header, *one.cells])
        if then:
            rows.append([f"  {then}", *one.before])
    return Grid([name, *groups], [True, *[False] * len(groups)], rows, bool(then))


def stacked(
    width: int,
    headers: list[str],
    labels: list[list[str]],
    columns: list[Column],
    then: str = "",
    once: Collection[int] = (),
) -> Iterator[Part]:
    """One grid if it fits, else as many columns as do beside the labels, then the next ones below with their title.

    Labels at the places `once` are told in the first block alone: they tell of a row, not which it is.
    """
    if grid := fitting_grid(headers, labels, columns, then, width):
        yield grid
        return
    later = [[one for place, one in enumerate(row) if place not in once] for row in (headers, *labels)]
    blocks = _blocks(width, [[headers, *labels], later], columns, then)
    for number, (block, grid) in enumerate(blocks, 1):
        told = ", ".join(one.header for one in block)
        yield Text(f"\n{number} of {len(blocks)}: {told}", style="bold", no_wrap=True, overflow="ellipsis")
        yield grid


def _blocks(
    width: int, beside: Sequence[list[list[str]]], columns: list[Column], then: str
) -> list[tuple[list[Column], Grid]]:
    """Columns put together as they fit `beside` the labels of the first block, and of later ones; one at least."""
    blocks: list[tuple[list[Column], Grid]] = []
    begun: list[Column] = []
    for one in columns:
        headers, *labels = beside[min(len(blocks), 1)]
        if begun and _grid(headers, labels, [*begun, one], then, is_narrow=True).width > width:
            blocks.append((begun, _grid(headers, labels, begun, then, is_narrow=True)))
            begun = []
        begun = [*begun, one]
    headers, *labels = beside[min(len(blocks), 1)]
    return [*blocks, (begun, _grid(headers, labels, begun, then, is_narrow=True))]
