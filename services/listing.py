"""Listing: tables of accounts and contracts in the JSON shape of the interfaces, live or replayed alike."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from events.contracts import NO_CAUSE
from events.days import text_of_day
from events.notes import AnyNote
from projections.columns import CAUSE_NAMES, Asked, Row, Table, Told
from projections.groups import value_of
from projections.records import Key
from projections.sales import Sales
from projections.satisfaction import Item
from projections.tables import LISTS, TABLES
from services.questions import Question, QuestionError, nearest, window_of
from services.rows import Answer, in_order
from services.selling import bounds_of_sales

ROWS_MAX = 100
"""How many rows are told where nobody says how many."""
WARNED_MAX = 6
"""Of how many groups a warning names."""


def question_of_labels(name: str, question: Question) -> Question:
    """The part of a question that is about labels of cells; raises QuestionError for what a table cannot be asked."""
    table = TABLES[name]
    if table.every and question.every not in table.every:
        raise QuestionError("every", f"{name} is not told by {question.every}{nearest(question.every, table.every)}")
    if question.by in table.names:
        raise QuestionError("by", f"{name} is told by {question.by} anyway: leave it out, or group by a label")
    return replace(question, where=tuple(pair for pair in question.where if pair[0] not in table.names))


def bounds_of_table(name: str, question: Question, newest_day: int) -> tuple[int, int]:
    """The window a table is of, or twice the day it is as of; raises QuestionError."""
    table = TABLES[name]
    if table.is_window:
        if question.at is not None:
            raise QuestionError("at", f"{name} is about a window: ask with from and until")
        bounds = window_of(question, newest_day)
        return bounds_of_sales(table, question, bounds) if isinstance(table, Sales) else bounds
    if question.start is not None or question.until is not None:
        raise QuestionError("from", f"{name} is about a day: ask with at or on")
    day = newest_day + 1 if question.at is None else question.at
    return day, day


def listed(
    name: str,
    accounts: Iterable[tuple[str, Iterable[Item], Sequence[AnyNote]]],
    question: Question,
    currency: str,
    bounds: tuple[int, int],
) -> Answer:
    """The part of an answer that a table is: its day or window, its rows, how many more there are, and a warning.

    Grouped, it has the rows of each value in turn, as many of each as are told of the whole, and of as many values.
    """
    table, (start, day) = LISTS[name], bounds
    asked = Asked(currency, day, start, question.every)
    fitting = _fitting(table, accounts, question, currency)
    if question.by is None:
        rows = table.rows(fitting, asked)
        return rows_told(name, rows, len(rows), question, bounds)
    grouped = ((value, table.rows(some, asked)) for value, some in _grouped(table, fitting, question.by))
    return groups_told(name, ((value, rows, len(rows)) for value, rows in grouped), question, bounds)


def groups_told(
    name: str, groups: Iterable[tuple[str, Sequence[Row], int]], question: Question, bounds: tuple[int, int]
) -> Answer:
    """The same from the groups in their order: the value of each, its rows, or the first of so many."""
    table = LISTS[name]
    told: list[Row] = []
    warned: dict[str, str] = {}
    count = 0
    for place, (value, rows, own) in enumerate(groups):
        count += own
        if warning := table.warned(rows):
            warned[value] = warning
        if place < question.limit:
            group = {"group": {question.by: value or None}}
            told += [{**group, **row} for row in _first(table, rows, question)]
    return _answer(table, told, count, bounds, _warning(warned))


def rows_told(name: str, rows: Sequence[Row], count: int, question: Question, bounds: tuple[int, int]) -> Answer:
    """The same from the rows, or the first of so many: as many as are told, and as its warning looks at."""
    table = LISTS[name]
    return _answer(table, _first(table, rows, question), count, bounds, table.warned(rows))


def _first(table: Table, rows: Sequence[Row], question: Question) -> list[Row]:
    return [*rows] if table.is_whole else [*rows[: question.limit]]


def _answer(table: Table, told: list[Row], count: int, bounds: tuple[int, int], warning: str | None) -> Answer:
    start, until = map(text_of_day, bounds)
    return {
        **({"from": start, "until": until} if table.is_window else {"at": until}),
        **({} if warning is None else {"warning": warning}),
        "rows": told,
        "more": count - len(told),
    }


def _grouped(table: Table, fitting: Iterable[Told], by: str) -> list[tuple[str, list[Told]]]:
    """What has each value of a name, in the order of groups."""
    groups: dict[str, list[Told]] = {}
    for account, items, notes in fitting:
        parts: dict[str, list[Item]] = {}
        for item in items:
            parts.setdefault(_value(table, by, account, item[0]), []).append(item)
        for value, own in parts.items():
            groups.setdefault(value, []).append((account, own, notes))
    return [(value, groups[value]) for value in in_order(groups)]


def _fitting(
    table: Table,
    accounts: Iterable[tuple[str, Iterable[Item], Sequence[AnyNote]]],
    question: Question,
    currency: str,
) -> Iterator[Told]:
    """The accounts with the postings that fit a question; those without any are left out."""
    for account, items, notes in accounts:
        own = [item for item in items if item[1] and item[0][2].currency == currency]
        for name, value in question.where:
            own = [item for item in own if _value(table, name, account, item[0]) == value]
        if own:
            yield account, own, notes


def _value(table: Table, name: str, account: str, key: Key) -> str:
    """The value that a posting has under a name, empty where it has none."""
    if name in table.names:
        return (key[3] or NO_CAUSE)[CAUSE_NAMES.index(name)]
    return value_of(name, account, key[2])


def _warning(warned: dict[str, str]) -> str | None:
    """What is to be said of some groups, and of which."""
    if not warned:
        return None
    more = f" and {len(warned) - WARNED_MAX} more" if len(warned) > WARNED_MAX else ""
    (warning, *_) = warned.values()
    return f"{warning}: {', '.join([value or '-' for value in warned][:WARNED_MAX])}{more}"
