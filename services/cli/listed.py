"""Tables of the catalogue for people: a row each, or triangles of cohorts."""

from collections.abc import Iterator
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from events.days import day_of_text, text_of_day
from projections.sales import BEFORE
from projections.tables import TABLES
from projections.voices import BAND_DAYS, BANDS_SINCE
from services import shown
from services.cli.grids import Column, Grid, Part, print_part, stacked
from services.cli.tables import (
    GROUP_WIDTH_MAX,
    HEADERS,
    WORDS,
    YEAR_BEFORE,
    as_of_lines,
    console_for_output,
    line,
    name_shown,
    notes_of_groups,
)
from services.cli.triangles import RUNNING, TRIANGLES, ages_shown, lines_of

if TYPE_CHECKING:
    from services.reports import Answer


def print_table(answer: "Answer") -> None:
    """Prints a table of the catalogue, what is to be said of it, and below it what it is as of."""
    console = console_for_output()
    groups = [*answer["rows"][0].get("group", {})] if answer["rows"] else []
    span = f"as {answer['at']} begins" if "at" in answer else f"from {answer['from']} until {answer['until']}"
    by = f" by {groups[0]}" if groups else ""
    line(console, Text(f"{answer['report'].title()}{by} {span}, {answer['currency']}", style="bold"))
    if "before" in answer:
        line(console, Text(f"{YEAR_BEFORE}: from {answer['before']['from']} until {answer['before']['until']}"))
    parts = _triangles if answer["report"] == "cohorts" else _listed
    for part in parts(console, answer, groups) if answer["rows"] else ():
        print_part(console, part)
    if not answer["rows"]:
        line(console, Text("nothing"))
    if "accounts" in {column.name for column in TABLES[answer["report"]].columns}:
        for note in notes_of_groups(groups[0] if groups else None, console.width):
            line(console, Text(note, style="dim"))
    if answer["report"] == BANDS_SINCE.name and answer["rows"]:
        then = text_of_day(day_of_text(answer["at"]) - BAND_DAYS)
        line(console, Text(f"bands, accounts and MRR as {then} began; churned since"))
    if answer["more"]:
        line(console, Text(f"and {shown.count(answer['more'])} more: --limit"))
    if "warning" in answer:
        line(console, Text(answer["warning"], style="bold yellow"))
    for told in as_of_lines(answer, console.width):
        line(console, Text(told, style="dim"))


def _listed(console: Console, answer: "Answer", groups: list[str]) -> Iterator[Part]:
    """The rows as they are, each with what it was a year before where that is told."""
    table, rows = TABLES[answer["report"]], answer["rows"]
    labels = [*takewhile(lambda column: column.unit in ("text", "day"), table.columns)]
    named = [
        [
            *[shown.clipped(row["group"][name] or shown.NOTHING, GROUP_WIDTH_MAX) for name in groups],
            *[_cell(row[one.name], one.unit, answer["currency"]) for one in labels],
        ]
        for row in rows
    ]
    before = "before" in answer

    def cells(name: str, unit: str) -> list[str]:
        return [_cell(row[name], unit, answer["currency"]) for row in rows]

    columns = [
        Column(
            HEADERS.get(one.name, name_shown(one.name)),
            cells(one.name, one.unit),
            one.unit in WORDS,
            cells(BEFORE + one.name, one.unit) if before else (),
        )
        for one in table.columns
        if one not in labels and not one.name.startswith(BEFORE)
    ]
    headers = [*groups, *[name_shown(column.name) for column in labels]]
    days = {place for place, one in enumerate(labels, len(groups)) if one.unit == "day"}
    yield from stacked(console.width, headers, named, columns, YEAR_BEFORE if before else "", days)


def _triangles(console: Console, answer: "Answer", groups: list[str]) -> Iterator[Part]:
    """Cohorts against the months since, as many of these as fit, for accounts and for MRR."""
    ages = all_ages = next(ages_shown(answer["rows"]))
    for one in TRIANGLES:
        for ages in ages_shown(answer["rows"]):
            rows = [
                [shown.clipped(cell, GROUP_WIDTH_MAX) for cell in cells]
                for cells in lines_of(one, answer["rows"], ages, answer["currency"])
            ]
            headers = [*groups, "cohort", one.header, *map(str, ages)]
            grid = Grid(headers, [place <= len(groups) for place in range(len(headers))], rows)
            if grid.width <= console.width:
                break
        yield Text(f"\n{one.title}, by months since, as each ends", style="bold")
        yield grid
    if any(row["ended"] == "no" for row in answer["rows"]):
        yield Text(f"{RUNNING} so far: the period has not ended", style="dim")
    if ages != all_ages:
        yield Text("not all months fit: --every quarter, or all of them with --format csv", style="dim")


def _cell(value: Any, unit: str, currency: str) -> str:
    """A cell of a table as people read it."""
    if value is None:
        return shown.NOTHING
    if unit == "minor":
        return shown.money(value, currency)
    if unit == "ratio":
        return shown.percent(value)
    if unit == "list":
        return shown.clipped(", ".join(value) or shown.NOTHING, GROUP_WIDTH_MAX)
    return shown.count(value) if unit == "count" else shown.clipped(str(value), GROUP_WIDTH_MAX)
