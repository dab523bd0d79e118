"""Valuing: whether anything in a ledger was ever booked with what a question filters by, from the ledger alone."""

from collections.abc import Iterable
from typing import Final

from events.vocabulary import BOOK_SUBJECT
from projections.columns import CAUSE_NAMES
from services.archive.tables import Tables
from services.audit.asking import Asked, asking
from services.audit.noting import notes_of
from services.audit.selecting import currencies_in, value_sql
from services.moments import known_now
from services.settings import Settings
from services.values import SPOKEN_FOR, costs_with, unknown_value

# What was taken back again was booked with nothing.
_BOOKED: Final = """
    SELECT DISTINCT value FROM (
        SELECT {value} AS value FROM postings
        GROUP BY account, currency, contract, line, plan, product, day, movement, value HAVING sum(amount_e4) <> 0
    ) WHERE value IS NOT NULL
"""


async def check_values(asked: Asked, where: Iterable[tuple[str, str]], settings: Settings | None = None) -> None:
    """Raises QuestionError for a value that nothing has, neither then nor by later events; empty stands for none."""
    left = [pair for pair in where if pair[1] and pair[1] not in await _booked(asked.tables, pair[0])]
    if not left:
        return
    known = await known_now(asked.ledger, range(asked.genesis.partitions))
    async with asking(asked.ledger, asked.genesis, known, settings) as now:
        for name, value in left if await currencies_in(now.tables) else ():
            values = await _booked(now.tables, name) | await _noted(now, name)
            if value not in values:
                raise unknown_value(name, value, values)


async def _booked(tables: Tables, name: str) -> set[str]:
    """The values under a name that postings have."""
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
