"""Listing: tables of accounts and contracts in the JSON shape of the interfaces, live or replayed alike."""

from collections.abc import Iterable, Sequence

from events.days import text_of_day
from events.notes import AnyNote
from projections.columns import Asked, Row, Told
from projections.groups import selected_groups
from projections.satisfaction import Item
from projections.tables import TABLES
from services.questions import Question
from services.rows import Answer

ROWS_MAX = 100
"""How many rows are told where nobody says how many."""


def listed(
    name: str,
    accounts: Iterable[tuple[str, Iterable[Item], Sequence[AnyNote]]],
    question: Question,
    currency: str,
    day: int,
) -> Answer:
    """The part of an answer that a table is: its day, its first rows, how many more there are, and a warning."""
    rows = TABLES[name].rows(_fitting(accounts, question, currency), Asked(currency, day))
    return rows_told(name, rows, len(rows), question, day)


def rows_told(name: str, rows: Sequence[Row], count: int, question: Question, day: int) -> Answer:
    """The same from the rows, or the first of so many: as many as are told, and as its warning looks at."""
    table = TABLES[name]
    warning = table.warned(rows)
    told = rows if table.is_whole else rows[: question.limit]
    return {
        "at": text_of_day(day),
        **({} if warning is None else {"warning": warning}),
        "rows": told,
        "more": count - len(told),
    }


def _fitting(
    accounts: Iterable[tuple[str, Iterable[Item], Sequence[AnyNote]]], question: Question, currency: str
) -> Iterable[Told]:
    """The accounts with the postings that fit a question; those without any are left out."""
    groups = selected_groups(None, dict(question.where))
    for account, items, notes in accounts:
        own = [item for item in items if item[1] and item[0][2].currency == currency]
        if question.where:
            own = [item for item in own if groups(account, item[0][2])]
        if own:
            yield account, own, notes
