"""Answers as tables for people: aligned, in decimal money, never wider than the terminal."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from events.days import day_months_later, day_of_text, text_of_day
from events.money import MINOR_DIGITS
from events.movements import BRIDGE_MOVEMENTS
from projections.figures import CATALOGUE
from projections.groups import CONTRACT_NAMES
from services import shown
from services.cli.grids import Column, Part, fitting_grid, print_part, stacked, turned

if TYPE_CHECKING:
    from services.reports import Answer

WIDTH: Final = 100
"""Characters a line may have where neither COLUMNS nor a terminal says otherwise."""
WIDTH_MIN: Final = 60
GROUP_WIDTH_MAX: Final = 24
SHARED: Final = frozenset(("contract", "plan", "product", *CONTRACT_NAMES))
"""Names that an account may have several values of at a time."""
MONTHS: Final = 12
YEAR_BEFORE: Final = "year before"
"""What the numbers of a year before are called."""
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


def print_answer(answer: "Answer", by: str | None) -> None:
    """Prints an answer with its title, and below it what it is as of."""
    console = console_for_output()
    columns = _bridge_columns if _is_bridge(answer) else _figure_columns
    labels = list(_labels(answer, by))
    parts: Sequence[Part]
    if not _is_bridge(answer) and by is None:
        parts, note = [_one_by_one(answer)], ""
    else:
        parts, note = fitting(console, answer, labels, columns)
    line(console, Text(_title(answer, by, note), style="bold"))
    if then := _then(answer):
        line(console, Text(f"{then}: {_span(answer['rows'][0]['before'])}"))
    for part in parts:
        print_part(console, part)
    counts = any("accounts" in row or "accounts" in row.get("figures", {}) for row in answer["rows"])
    notes = [*(notes_of_groups(by, console.width) if counts else ()), *_notes_of_day(answer)]
    for told in [*notes, *as_of_lines(answer, console.width)]:
        line(console, Text(told, style="dim"))


def _notes_of_day(answer: "Answer") -> list[str]:
    """Where the figures are that a day has not, if it is told with all it has."""
    named = {name for row in answer["rows"] if "at" in row for name in row.get("figures", {})}
    of_a_day = {name for name, one in CATALOGUE.items() if one.needs == "day"}
    told = "NRR, churn rates, CAC and others are of a window: ask with --from and --until"
    return [told] if named == of_a_day else []


def notes_of_groups(by: str | None, width: int) -> list[str]:
    """What is to be known of accounts that are counted by a name, if they may be counted more than once."""
    if by not in SHARED:
        return []
    parts = [f"accounts: one with more than one {by} counts under each", "so they may add up to more than there are"]
    return shown.wrapped(parts, width, ", ")


def _is_bridge(answer: "Answer") -> bool:
    return answer["report"] != "figures" and not any("figures" in row for row in answer["rows"])


def console_for_output() -> Console:
    """Standard output, as wide as COLUMNS says or its terminal is; wide enough for a report where neither is."""
    is_told = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit()
    width = max(WIDTH_MIN, shutil.get_terminal_size((WIDTH, 24)).columns) if is_told else WIDTH
    return Console(file=sys.stdout, width=width, highlight=False, soft_wrap=False)


def new_table(labels: Sequence[str], columns: Sequence[str]) -> Table:
    """A table without frames: labels to the left, numbers to the right, nothing wrapped."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for label in labels:
        table.add_column(Text(label), no_wrap=True, overflow="ellipsis")
    for column in columns:
        table.add_column(Text(column), justify="right", no_wrap=True, overflow="ellipsis")
    return table


def line(console: Console, text: Text) -> None:
    """Prints a line, cut off where it is too long."""
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
    return f"{name}{grouped} {_span({**rows[0], **_end(rows[-1])})}{currency}"


def _end(row: Mapping[str, Any]) -> dict[str, str]:
    return {"until": row["until"]} if "until" in row else {}


def _span(row: Mapping[str, Any]) -> str:
    """The day or the window of a row."""
    return f"as {row['at']} begins" if "at" in row else f"from {row['from']} until {row['until']}"


def _then(answer: "Answer") -> str:
    """What figures are compared with, by name; empty where they are not."""
    if not any("before" in row for row in answer["rows"]):
        return ""
    own = answer["rows"][0]
    name = "at" if "at" in own else "from"
    if own["before"][name] == text_of_day(day_months_later(day_of_text(own[name]), -MONTHS)):
        return YEAR_BEFORE
    return "month before" if name == "at" else "period before"


def as_of_lines(answer: "Answer", width: int) -> list[str]:
    """What an answer reflects, for below it."""
    as_of = answer["as_of"]
    final = "final" if as_of["final"] else "not final: more may be recorded"
    parts = [f"as of {shown.heights(as_of['position'])}, {final}"]
    if max(as_of["position"].values()) < 0:
        parts = [f"as of {shown.NOTHING_BOOKED}"]
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


def label_headers(answer: "Answer") -> list[str]:
    """What the columns are called that say what a row is about."""
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
    then = [row["before"] for row in answer["rows"]] if _then(answer) else []

    def cells(name: str, side: Sequence[Mapping[str, Any]]) -> list[str]:
        return [shown.figure(CATALOGUE[name], one["figures"][name], answer["currency"], cut_digits) for one in side]

    return [
        Column(
            HEADERS.get(name, name_shown(name)),
            cells(name, answer["rows"]),
            before=cells(name, then),
            name=name_shown(name),
        )
        for name in names
    ]


def name_shown(figure: str) -> str:
    """A name of the JSON in words."""
    words = figure.removesuffix("_minor").split("_")
    return " ".join(word.upper() if word in _UPPER else word for word in words)


def _one_by_one(answer: "Answer") -> Table:
    """Figures of the whole: one a line, with its name in the JSON."""
    then = _then(answer)
    table = new_table(["figure"], [answer["currency"], *([then] if then else [])])
    table.add_column(Text("name"), no_wrap=True, overflow="ellipsis", style="dim")
    for row in answer["rows"]:
        for name, value in row["figures"].items():
            before = [row["before"]["figures"][name]] if then else []
            cells = [shown.figure(CATALOGUE[name], one, answer["currency"]) for one in (value, *before)]
            table.add_row(name_shown(name), *cells, name)
    return table


def fitting(
    console: Console,
    answer: "Answer",
    labels: list[list[str]],
    columns_of: Callable[..., list[Column]],
) -> tuple[Sequence[Part], str]:
    """The fullest form that is not too wide, and what to say of it in the title.

    First all there is; then without empty movements; then in whole units, thousands, millions, as long as the
    largest has four digits; then figures one below the other, if all groups fit beside each other; at last one table
    below the other.
    """
    headers, then = label_headers(answer), _then(answer)
    for cut_digits, lean in _forms(answer):
        columns = columns_of(answer, cut_digits, lean=lean)
        if grid := fitting_grid(headers, labels, columns, then, console.width):
            return [grid], _scaled(answer["currency"], cut_digits)
    columns = columns_of(answer, 0, lean=True)
    if not _is_bridge(answer):
        grid = turned("figure", [one for label in labels for one in label], columns, then)
        if grid.width <= console.width:
            return [grid], ""
    return [*stacked(console.width, headers, labels, columns, then)], ""


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


def _scaled(currency: str, cut_digits: int) -> str:
    scale = shown.SCALES[cut_digits - MINOR_DIGITS[currency]] if cut_digits else ""
    return f", in {scale or 'whole '}{currency}" if cut_digits else ""
