"""Expectations of a journal: bridges, restatements, figures and what loading reports, read and written."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal, NotRequired, TypedDict, TypeGuard

from tests.journals.lexing import (
    Line,
    Options,
    UnreadableError,
    amount,
    choice,
    day,
    located,
    moment,
    options_read,
    pair_read,
    text_of,
)

MOVEMENTS = ("opening", "new", "reactivation", "expansion", "contraction", "churn", "transfer", "fx", "closing")
CONVERSIONS = ("closing", "constant")
ACCOUNTS = ("opening", "new", "reactivated", "churned", "closing")
LOADED = ("accepted", "duplicates", "refused", "unmatched")
MONTHS: Mapping[str, int] = {"month": 1, "quarter": 3, "year": 12}
UNKNOWN = "?"
"""The value of a figure that `--update` shall fill in."""
NOW = "now"
"""The moment of all that is in the ledger."""
NOTHING = "-"
"""The group of what carries no such attribute (null in JSON)."""

Value = int | str | None
Row = TypedDict(
    "Row",
    {
        "from": str,
        "until": str,
        "group": NotRequired[dict[str, str | None]],
        "mrr_minor": dict[str, int],
        "accounts": NotRequired[dict[str, int]],
    },
)
"""A row of a bridge as in the JSON of the reports; a movement that is absent is 0."""
Bridge = TypedDict(
    "Bridge",
    {
        "report": Literal["bridge", "restate"],
        "from": str,
        "until": str,
        "every": str,
        "currency": str,
        "by": NotRequired[str],
        "where": dict[str, str],
        "known_at": NotRequired[str],
        "between": NotRequired[tuple[str, str]],
        "convert": NotRequired[str],
        "rows": list[Row],
    },
)
"""A bridge and what it must say; a restatement is one of changes `between` two moments, by the event that did them."""
Figure = TypedDict(
    "Figure",
    {
        "report": Literal["figure"],
        "figure": str,
        "at": NotRequired[str],
        "from": NotRequired[str],
        "until": NotRequired[str],
        "currency": NotRequired[str],
        "where": dict[str, str],
        "known_at": NotRequired[str],
        "convert": NotRequired[str],
        "value": Value,
    },
)
"""A figure and what it must be: minor units or a count as int, a ratio as decimal string, or null."""


class Loaded(TypedDict):
    """What `revledger load` must print, for the counts named."""

    report: Literal["loaded"]
    counts: dict[str, int]


Expectation = Bridge | Figure | Loaded


def is_table(expectation: Expectation) -> TypeGuard[Bridge]:
    """Whether it is a table below a line: a bridge or a restatement."""
    return "rows" in expectation


def expectation_read(path: Path, head: Line, table: Sequence[Line]) -> Expectation:
    """One expectation with the table below it; raises JournalError."""
    keyword, *words = head.words
    with located(path, head):
        if keyword == "bridge":
            bridge = _bridge_head(words)
        elif keyword == "restate":
            bridge = _restate_head(words)
        elif table:
            raise UnreadableError(f"{keyword!r} has no lines below it")
        else:
            return _figure(words) if keyword == "figure" else _loaded(words)
    columns = _columns(path, bridge, table[0]) if table else ()
    for line in table[1:]:
        with located(path, line):
            bridge["rows"].append(_row(bridge, columns, line.words))
    return bridge


def periods(bridge: Bridge) -> list[tuple[str, str]]:
    """The periods of a bridge, each `[from, until)`, the first and last cut to its window."""
    until = date.fromisoformat(bridge["until"])
    start = date.fromisoformat(bridge["from"])
    found: list[tuple[str, str]] = []
    while start < until:
        end = min(_next_period(start, bridge["every"]), until)
        found.append((start.isoformat(), end.isoformat()))
        start = end
    return found


def period_label(first_day: str, every: str) -> str:
    """How a reader names the period of a day: 2024-01-05, 2024-01, 2024-Q1 or 2024."""
    if every == "quarter":
        return f"{first_day[:4]}-Q{(int(first_day[5:7]) + 2) // 3}"
    return first_day[: {"day": 10, "month": 7, "year": 4}[every]]


def table_written(bridge: Bridge, columns: Sequence[str], comments: Mapping[str, str]) -> list[str]:
    """The rows of a bridge as lines of a journal, figures flush right; comments by period and group."""
    labels = ["period", bridge["by"]] if "by" in bridge else ["period"]
    cells = [[*labels, *columns]]
    cells += [
        [*row_labels(bridge, row), *(str(cell(row, column)) for column in columns)] for row in bridge["rows"]
    ]
    widths = [max(len(line[index]) for line in cells) for index in range(len(cells[0]))]
    written = []
    for line in cells:
        left = [word.ljust(width) for word, width in zip(line, widths, strict=True)][: len(labels)]
        right = [word.rjust(width) for word, width in zip(line, widths, strict=True)][len(labels) :]
        comment = comments.get(" ".join(line[: len(labels)]), "")
        written.append("    " + "  ".join([*left, *right, *([comment] if comment else [])]).rstrip())
    return written


def row_labels(bridge: Bridge, row: Row) -> list[str]:
    """The words a row begins with: its period and, in a bridge by something, its group."""
    label = period_label(row["from"], bridge["every"])
    if "by" not in bridge:
        return [label]
    group = row.get("group", {}).get(bridge["by"])
    return [label, NOTHING if group is None else quoted(group)]


def quoted(word: str) -> str:
    """A word as a journal writes it."""
    return f'"{word}"' if not word or any(mark in word for mark in " \t;") else word


def cell(row: Row, column: str) -> int:
    """The number under a column; what a row does not name is 0."""
    if column.startswith("accounts."):
        return row.get("accounts", {}).get(column.removeprefix("accounts."), 0)
    return row["mrr_minor"].get(column, 0)


def _next_period(start: date, every: str) -> date:
    if every == "day":
        return start + timedelta(days=1)
    months = MONTHS[every]
    index = (start.year * 12 + start.month - 1) // months * months + months
    return date(index // 12, index % 12 + 1, 1)


def _every(text: str) -> str:
    if text != "day" and text not in MONTHS:
        raise UnreadableError(f"{text!r} is no period: write {choice(['day', *MONTHS])}")
    return text


def _conversion(text: str) -> str:
    if text not in CONVERSIONS:
        raise UnreadableError(f"{text!r} is no way to convert: write {choice(CONVERSIONS)}")
    return text


_BRIDGE: Options = {
    "every": ("every", _every),
    "in": ("currency", text_of),
    "by": ("by", text_of),
    "known-at": ("known_at", moment),
    "converted": ("convert", _conversion),
}
_FIGURE: Options = {
    "at": ("at", day),
    "in": ("currency", text_of),
    "known-at": ("known_at", moment),
    "converted": ("convert", _conversion),
}


def _bridge_head(words: Sequence[str]) -> Bridge:
    window, rest = _window_taken(words)
    where, rest = _where_taken(rest)
    options = options_read(rest, _BRIDGE)
    if not window or "every" not in options or "currency" not in options:
        raise UnreadableError("write bridge DAY .. DAY every PERIOD in CURRENCY [by NAME] [where NAME=VALUE]")
    bridge: Bridge = {
        "report": "bridge",
        "from": window["from"],
        "until": window["until"],
        "every": str(options["every"]),
        "currency": str(options["currency"]),
        "where": where,
        "rows": [],
    }
    if "by" in options:
        bridge["by"] = str(options["by"])
    if "known_at" in options:
        bridge["known_at"] = str(options["known_at"])
    if "convert" in options:
        bridge["convert"] = str(options["convert"])
    return bridge


def _restate_head(words: Sequence[str]) -> Bridge:
    """A restatement as a bridge by event."""
    taken = list(words)
    start = taken.index("between") if "between" in taken else len(taken)
    moments = taken[start + 1 : start + 3]
    bridge = _bridge_head(taken[:start] + taken[start + 3 :])
    if len(moments) < 2 or {"by", "known_at", "convert"} & bridge.keys():
        raise UnreadableError("write restate DAY .. DAY every PERIOD between TIME TIME|now in CURRENCY")
    earlier, later = (word if word == NOW else moment(word) for word in moments)
    return {**bridge, "report": "restate", "by": "event", "between": (earlier, later)}


def _figure(words: Sequence[str]) -> Figure:
    if len(words) < 4 or words[-2] != "=":
        raise UnreadableError("write figure NAME at DAY or DAY .. DAY, in CURRENCY, and = VALUE at the end")
    window, rest = _window_taken(words[1:-2])
    where, rest = _where_taken(rest)
    options = options_read(rest, _FIGURE)
    if bool(window) == ("at" in options):
        raise UnreadableError("a figure is either at DAY or over DAY .. DAY")
    figure: Figure = {"report": "figure", "figure": words[0], "where": where, "value": None}
    if window:
        figure["from"], figure["until"] = window["from"], window["until"]
    else:
        figure["at"] = str(options["at"])
    if "currency" in options:
        figure["currency"] = str(options["currency"])
    if "known_at" in options:
        figure["known_at"] = str(options["known_at"])
    if "convert" in options:
        figure["convert"] = str(options["convert"])
    figure["value"] = _value(words[0], words[-1])
    return figure


def _loaded(words: Sequence[str]) -> Loaded:
    counts = options_read(words, {name: (name, amount) for name in LOADED})
    if not counts:
        raise UnreadableError(f"write loaded and the counts: {choice(LOADED)}, each with its number")
    return {"report": "loaded", "counts": {name: int(str(count)) for name, count in counts.items()}}


def _window_taken(words: Sequence[str]) -> tuple[dict[str, str], Sequence[str]]:
    if len(words) < 3 or words[1] != "..":
        return {}, words
    window = {"from": day(words[0]), "until": day(words[2])}
    if window["from"] >= window["until"]:
        raise UnreadableError(
            f"the window {words[0]} .. {words[2]} is empty: its end must lie after its start"
        )
    return window, words[3:]


def _where_taken(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    rest = list(words)
    if "where" not in rest:
        return {}, rest
    start = rest.index("where")
    end = start + 1
    while end < len(rest) and "=" in rest[end]:
        end += 1
    if end == start + 1:
        raise UnreadableError("'where' needs NAME=VALUE after it")
    where = dict(pair_read(word) for word in rest[start + 1 : end])
    return where, rest[:start] + rest[end:]


def _value(figure: str, text: str) -> Value:
    if text == "null":
        return None
    if text == UNKNOWN:
        return UNKNOWN
    if figure.endswith("_minor") or figure == "accounts":
        return amount(text)
    try:
        Decimal(text)
    except InvalidOperation:
        raise UnreadableError(f"{text!r} is no ratio: write a decimal such as 0.75, or null") from None
    return text


def _columns(path: Path, bridge: Bridge, header: Line) -> tuple[str, ...]:
    labels = ("period", bridge["by"]) if "by" in bridge else ("period",)
    columns = header.words[len(labels) :]
    known = (*MOVEMENTS, *(f"accounts.{name}" for name in ACCOUNTS))
    with located(path, header):
        if header.words[: len(labels)] != labels:
            raise UnreadableError(f"the table begins with the columns {' '.join(labels)}")
        for column in columns:
            if column not in known:
                raise UnreadableError(f"unknown column {column!r}: expected {choice(known)}")
        if len(set(columns)) < len(columns):
            raise UnreadableError("a column is given twice")
    return columns


def _row(bridge: Bridge, columns: Sequence[str], words: Sequence[str]) -> Row:
    labels = 2 if "by" in bridge else 1
    if len(words) != labels + len(columns):
        raise UnreadableError(f"the row has {len(words)} words, its header has {labels + len(columns)}")
    found = [span for span in periods(bridge) if period_label(span[0], bridge["every"]) == words[0]]
    if not found:
        window = f"{bridge['from']} and {bridge['until']}"
        raise UnreadableError(f"{words[0]!r} is no {bridge['every']} between {window}")
    row: Row = {"from": found[0][0], "until": found[0][1], "mrr_minor": {}}
    if "by" in bridge:
        row["group"] = {bridge["by"]: None if words[1] == NOTHING else words[1]}
    accounts: dict[str, int] = {}
    for column, word in zip(columns, words[labels:], strict=True):
        if column.startswith("accounts."):
            accounts[column.removeprefix("accounts.")] = amount(word)
        else:
            row["mrr_minor"][column] = amount(word)
    if accounts:
        row["accounts"] = accounts
    return row
