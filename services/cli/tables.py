"""Answers as tables for people: aligned, in decimal money, never wider than the terminal."""

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from events.days import day_of_text, text_of_day
from events.money import MINOR_DIGITS
from events.movements import BRIDGE_MOVEMENTS
from projections.figures import CATALOGUE
from projections.sales import BEFORE
from projections.tables import TABLES
from projections.voices import BAND_DAYS, BANDS_SINCE
from services import shown
from services.cli.triangles import TRIANGLES, ages_shown, lines_of

if TYPE_CHECKING:
    from services.reports import Answer

WIDTH: Final = 100
"""Characters a line may have where no terminal says otherwise."""
GROUP_WIDTH_MAX: Final = 24
WORDS: Final = frozenset(("text", "day", "list"))
"""Units of columns that are no numbers."""
RATES_TOLD_MAX: Final = 6
HEADERS: Final = {
    "reactivation": "react.",
    "contraction": "contr.",
    "scheduled_churn_minor": "sched. churn",
    "committed_mrr_minor": "committed",
    "committed_arr_minor": "comm. ARR",
    "customer_churn_rate": "cust. churn",
    "gross_mrr_churn_rate": "gross churn",
    "net_mrr_churn_rate": "net churn",
    "quick_ratio": "quick",
    "churned_minor": "churned MRR",
}
"""Columns whose own name is too long for a table, or that of another one beside it."""
_UPPER: Final = frozenset(
    ("mrr", "arr", "arpa", "asp", "nrr", "grr", "ltv", "cac", "crc", "nps", "csat", "fcr", "acv", "tcv"),
)


class Column(Struct, frozen=True):
    """A column: its header and its cells, one a row; numbers are to the right, words to the left."""

    header: str
    cells: list[str]
    is_words: bool = False


def print_answer(answer: "Answer", by: str | None) -> None:
    """Prints an answer with its title, and below it what it is as of."""
    console = console_for_output()
    columns = _bridge_columns if _is_bridge(answer) else _figure_columns
    labels = list(_labels(answer, by))
    if not _is_bridge(answer) and by is None:
        tables, note = [_one_by_one(answer)], ""
    else:
        tables, note = fitting(console, answer, labels, columns)
    _line(console, Text(_title(answer, by, note), style="bold"))
    for table in tables:
        console.print(table)
    for line in as_of_lines(answer, console.width):
        _line(console, Text(line, style="dim"))


def print_table(answer: "Answer") -> None:
    """Prints a table of the catalogue, what is to be said of it, and below it what it is as of."""
    console = console_for_output()
    groups = [*answer["rows"][0].get("group", {})] if answer["rows"] else []
    span = f"as {answer['at']} begins" if "at" in answer else f"from {answer['from']} until {answer['until']}"
    by = f" by {groups[0]}" if groups else ""
    _line(console, Text(f"{answer['report'].title()}{by} {span}, {answer['currency']}", style="bold"))
    parts = _triangles if answer["report"] == "cohorts" else _listed
    for part in parts(console, answer, groups) if answer["rows"] else ():
        console.print(part)
    if not answer["rows"]:
        _line(console, Text("nothing"))
    if "before" in answer:
        before = answer["before"]
        _line(console, Text(f"before: the same from {before['from']} until {before['until']}"))
    if answer["report"] == BANDS_SINCE.name and answer["rows"]:
        then = text_of_day(day_of_text(answer["at"]) - BAND_DAYS)
        _line(console, Text(f"bands, accounts and MRR as {then} began; churned since"))
    if answer["more"]:
        _line(console, Text(f"and {shown.count(answer['more'])} more: --limit"))
    if "warning" in answer:
        _line(console, Text(answer["warning"], style="bold yellow"))
    for line in as_of_lines(answer, console.width):
        _line(console, Text(line, style="dim"))


def _listed(console: Console, answer: "Answer", groups: list[str]) -> Iterator[Table]:
    """The rows as they are, one table below the other where they are too wide."""
    table, currency = TABLES[answer["report"]], answer["currency"]
    labels = [*takewhile(lambda column: column.unit in ("text", "day"), table.columns)]
    headers = [*groups, *[_name(column.name) for column in labels]]
    sides = 2 if "before" in answer else 1
    named = [
        [
            *[shown.clipped(row["group"][name] or shown.NOTHING, GROUP_WIDTH_MAX) for name in groups],
            *[_cell(row[one.name], one.unit, currency) for one in labels],
        ]
        for row in answer["rows"]
    ]
    columns = [
        Column(
            "before" if one.name.startswith(BEFORE) else HEADERS.get(one.name, _name(one.name)),
            [_cell(row[one.name], one.unit, currency) for row in answer["rows"]],
            one.unit in WORDS,
        )
        for one in table.columns
        if one not in labels
    ]
    yield from _stacked(console, headers, named, columns, sides)


def _triangles(console: Console, answer: "Answer", groups: list[str]) -> Iterator[Table | Text]:
    """Cohorts against the months since, as many of these as fit, for accounts and for MRR."""
    ages = all_ages = next(ages_shown(answer["rows"]))
    for one in TRIANGLES:
        for ages in ages_shown(answer["rows"]):
            table = new_table([*groups, "cohort"], [one.header, *map(str, ages)])
            for line in lines_of(one, answer["rows"], ages, answer["currency"]):
                table.add_row(*[Text(shown.clipped(cell, GROUP_WIDTH_MAX)) for cell in line])
            if _width(console, table) <= console.width:
                break
        yield Text(f"\n{one.title}, by months since, as each ends", style="bold")
        yield table
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


def _is_bridge(answer: "Answer") -> bool:
    return answer["report"] != "figures" and not any("figures" in row for row in answer["rows"])


def console_for_output() -> Console:
    """Standard output, as wide as its terminal; wide enough for a report where there is none."""
    is_terminal = sys.stdout.isatty()
    width = max(60, shutil.get_terminal_size((WIDTH, 24)).columns) if is_terminal else WIDTH
    return Console(file=sys.stdout, width=width, highlight=False, soft_wrap=False)


def new_table(labels: Sequence[str], columns: Sequence[str]) -> Table:
    """A table without frames: labels to the left, numbers to the right, nothing wrapped."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for label in labels:
        table.add_column(Text(label), no_wrap=True, overflow="ellipsis")
    for column in columns:
        table.add_column(Text(column), justify="right", no_wrap=True, overflow="ellipsis")
    return table


def _line(console: Console, text: Text) -> None:
    console.print(text, no_wrap=True, overflow="ellipsis")


def _title(answer: "Answer", by: str | None, scaled: str) -> str:
    rows, currency = answer["rows"], scaled or f", {answer['currency']}"
    name = "MRR bridge" if _is_bridge(answer) else "Figures"
    if answer["report"] == "replay":
        name = "MRR bridge replayed" if _is_bridge(answer) else "Figures replayed"
    grouped = f" by {by}" if by else ""
    currency += f" at {answer['convert']} rates" if "convert" in answer else ""
    if not rows:
        return f"{name}{grouped}{currency}: nothing in this period"
    if "at" in rows[0]:
        return f"{name}{grouped} as {rows[0]['at']} begins{currency}"
    return f"{name}{grouped} from {rows[0]['from']} until {rows[-1]['until']}{currency}"


def as_of_lines(answer: "Answer", width: int) -> list[str]:
    """What an answer reflects, for below it."""
    as_of = answer["as_of"]
    final = "final" if as_of["final"] else "not final: more may be recorded"
    parts = [f"as of {shown.heights(as_of['position'])}, {final}"]
    if as_of["newest_event"] is not None:
        parts.append(f"newest event {as_of['newest_event']}")
    if as_of["age_seconds"] is not None:
        parts.append(f"recorded {shown.age(as_of['age_seconds'])} ago")
    if "known_at" in as_of:
        parts.append(f"as known at {as_of['known_at']}")
    own = answer.get("recorded_policy", answer["policy"])
    recorded = f" instead of {own}" if own != answer["policy"] else ""
    lines = shown.wrapped([*parts, f"policy {answer['policy']}{recorded}"], width)
    return [*lines, *shown.wrapped(_rates_told(answer.get("rates", [])), width)]


def _rates_told(rates: Sequence[Mapping[str, str]]) -> list[str]:
    """Each rate that was used, once, with the day it holds from; of many only how many."""
    told = list(dict.fromkeys(f"1 {one['base']} = {one['rate']} {one['quote']} since {one['since']}" for one in rates))
    return told if len(told) <= RATES_TOLD_MAX else [f"{len(told)} rates; the JSON tells each"]


def _labels(answer: "Answer", by: str | None) -> Iterator[list[str]]:
    """What a row is about, in the columns `_label_headers` names."""
    for row in answer["rows"]:
        span = [shown.period(row["from"], row["until"])] if _is_bridge(answer) else []
        group = [] if by is None else [shown.clipped(str(row["group"][by] or "-"), GROUP_WIDTH_MAX)]
        yield [*span, *group]


def _label_headers(answer: "Answer") -> list[str]:
    span = ["period"] if _is_bridge(answer) else []
    return [*span, *[*answer["rows"][0].get("group", {})]] if answer["rows"] else span


def _bridge_columns(answer: "Answer", cut_digits: int, *, lean: bool) -> list[Column]:
    """The columns of a bridge; a lean one leaves out movements that there are none of."""
    columns: list[Column] = []
    for name in ("opening", *BRIDGE_MOVEMENTS, *(("fx",) if "convert" in answer else ()), "closing"):
        amounts: list[int] = [row["mrr_minor"][name] for row in answer["rows"]]
        if not lean or any(amounts) or name in ("opening", "closing"):
            cells = [shown.money(amount, answer["currency"], cut_digits) for amount in amounts]
            columns.append(Column(HEADERS.get(name, name), cells))
    if any("accounts" not in row for row in answer["rows"]):
        return columns
    accounts = [shown.count(row["accounts"]["closing"]) for row in answer["rows"]]
    return [*columns, Column("accounts", accounts)]


def _figure_columns(answer: "Answer", cut_digits: int, *, lean: bool) -> list[Column]:
    """The columns of figures by group; none is left out."""
    del lean
    names = [*answer["rows"][0]["figures"]] if answer["rows"] else []
    return [
        Column(
            HEADERS.get(name, _name(name)) if side is None else "before",
            [
                shown.figure(CATALOGUE[name], figures[name], answer["currency"], cut_digits)
                for row in answer["rows"]
                for figures in [(row[side] if side else row)["figures"]]
            ],
        )
        for name in names
        for side in ([None, "before"] if any("before" in row for row in answer["rows"]) else [None])
    ]


def _name(figure: str) -> str:
    words = figure.removesuffix("_minor").split("_")
    return " ".join(word.upper() if word in _UPPER else word for word in words)


def _one_by_one(answer: "Answer") -> Table:
    """Figures of the whole: one a line, with its name in the JSON."""
    is_compared = any("before" in row for row in answer["rows"])
    table = new_table(["figure"], [answer["currency"], *(["before"] if is_compared else [])])
    table.add_column(Text("name"), no_wrap=True, overflow="ellipsis", style="dim")
    for row in answer["rows"]:
        for name, value in row["figures"].items():
            before = [row["before"]["figures"][name]] if is_compared else []
            cells = [shown.figure(CATALOGUE[name], one, answer["currency"]) for one in (value, *before)]
            table.add_row(_name(name), *cells, name)
    return table


def fitting(
    console: Console,
    answer: "Answer",
    labels: list[list[str]],
    columns_of: Callable[..., list[Column]],
) -> tuple[list[Table], str]:
    """The fullest form that is not too wide, and what to say of it in the title.

    First all there is; then without empty movements; then in whole units, thousands, millions, as long as the
    largest has four digits; at last one table below the other.
    """
    headers = _label_headers(answer)
    for cut_digits, lean in _forms(answer):
        table = _table(headers, labels, columns_of(answer, cut_digits, lean=lean))
        if _width(console, table) <= console.width:
            return [table], _scaled(answer["currency"], cut_digits)
    sides = 2 if any("before" in row for row in answer["rows"]) else 1
    return list(_stacked(console, headers, labels, columns_of(answer, 0, lean=True), sides)), ""


def _forms(answer: "Answer") -> Iterator[tuple[int, bool]]:
    """How many digits to round away and whether to leave out empty movements, the fullest form first."""
    yield 0, False
    if not _is_bridge(answer):
        return
    yield 0, True
    digits = MINOR_DIGITS[answer["currency"]]
    largest = max((abs(amount) for row in answer["rows"] for amount in row["mrr_minor"].values()), default=0)
    for scale in shown.SCALES:
        if digits + scale and largest >= 10 ** (digits + scale + 3):
            yield digits + scale, True


def _width(console: Console, table: Table) -> int:
    """How wide a table would like to be."""
    return Measurement.get(console, console.options.update(width=10_000), table).maximum


def _scaled(currency: str, cut_digits: int) -> str:
    scale = shown.SCALES[cut_digits - MINOR_DIGITS[currency]] if cut_digits else ""
    return f", in {scale or 'whole '}{currency}" if cut_digits else ""


def _table(headers: list[str], labels: list[list[str]], columns: Sequence[Column]) -> Table:
    table = new_table(headers, [column.header for column in columns])
    for place, column in enumerate(columns, len(headers)):
        if column.is_words:
            table.columns[place].justify = "left"
    for index, label in enumerate(labels):
        table.add_row(*map(Text, label), *(Text(column.cells[index]) for column in columns))
    return table


def _stacked(
    console: Console, headers: list[str], labels: list[list[str]], columns: list[Column], sides: int = 1
) -> Iterator[Table]:
    """As many columns as fit beside the labels, then the next ones below; `sides` of them always beside each other."""
    begun: list[Column] = []
    for place in range(0, len(columns), sides):
        pair = columns[place : place + sides]
        if begun and _width(console, _table(headers, labels, [*begun, *pair])) > console.width:
            yield _table(headers, labels, begun)
            begun = []
        begun += pair
    yield _table(headers, labels, begun)
