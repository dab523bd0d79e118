"""Valuing: whether a ledger has the currency and the values that a question asks for, from the ledger alone."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from events.vocabulary import BOOK_SUBJECT
from projections.columns import CAUSE_NAMES
from services.archive.tables import Tables
from services.audit.asking import Asked, asking
from services.audit.noting import notes_of
from services.audit.selecting import currencies_in, value_sql
from services.moments import known_now
from services.questions import Question
from services.settings import Settings
from services.values import LINE_NAMES, SPOKEN_FOR, Lines, costs_with, require_currency, unknown_value

# What was taken back again was booked with nothing.
_BOOKED: Final = """
    SELECT DISTINCT value FROM (
        SELECT {value} AS value FROM postings
        GROUP BY account, currency, contract, line, plan, product, day, movement, value HAVING sum(amount_e4) <> 0
    ) WHERE value IS NOT NULL
"""
_SAID: Final = "SELECT event FROM entries"


async def check_values(asked: Asked, where: Iterable[tuple[str, str]], settings: Settings | None = None) -> None:
    """Raises QuestionError for a value that nothing has, neither then nor by later events; empty stands for none."""
    left = [pair for pair in where if pair[1] and pair[1] not in await _booked(asked.tables, pair[0])]
    if not left:
        return
    known = await known_now(asked.ledger, range(asked.genesis.partitions))
    async with asking(asked.ledger, asked.genesis, known, settings) as now:
        for name, value in left if await currencies_in(now.tables) else ():
            values = await _booked(now.tables, name) | await _noted(now, name)
            if value not in values and not (name in LINE_NAMES and await _is_in_lines(now.tables, name, value)):
                raise unknown_value(name, value, values)


async def _is_in_lines(tables: Tables, name: str, value: str) -> bool:
    """Whether events in force have a line with a value, also one that costs nothing."""

    def look(rows: Iterator[tuple[Any, ...]]) -> bool:
        found = Lines(name, value)
        found.add(event for (event,) in rows)
        return found.are_there

    return await tables.streamed(_SAID, look)


async def check_currency(asked: Asked, question: Question, settings: Settings | None = None) -> None:
    """Raises QuestionError for a currency without revenue, then and by later events, where others have some."""
    if question.convert is not None or question.currency in (None, *await currencies_in(asked.tables)):
        return
    known = await known_now(asked.ledger, range(asked.genesis.partitions))
    async with asking(asked.ledger, asked.genesis, known, settings, names=("postings",)) as now:
        require_currency(question, await currencies_in(now.tables))


async def _booked(tables: Tables, name: str) -> set[str]:
    """The values under a name that postings have; currencies also if all of one was taken back, as everywhere."""
    if name == "currency":
        return {*await currencies_in(tables)}
    found = name if name in CAUSE_NAMES else value_sql(name)
    return {row[0] for row in await tables.rows(_BOOKED.format(value=found))}


async def _noted(asked: Asked, name: str) -> set[str]:
    """The values under a name that costs have; the accounts of which anything was ever noted."""
    if name not in (*SPOKEN_FOR, "account"):
        return set()
    notes = await notes_of(asked.tables, asked.zone)
    if name == "account":
        return notes.keys() - {BOOK_SUBJECT}
    return {*costs_with(name, notes.items())}
