"""Noting: the notes of accounts, and what is kept of contracts, worked out anew from the events of the ledger."""

from collections.abc import Iterator
from datetime import tzinfo
from typing import Any, Final

from events.facts import Fact
from events.notes import NOTED_TYPES, AnyNote, noted, noted_after, notes_told
from events.policy import Counted, Policy
from events.stated import RETRACTION, STATED_TYPES, facts_in_force, stated, takes_off
from events.timeline import Cell
from events.upcasting import UPCASTERS
from events.vocabulary import BOOK_SUBJECT
from projections.pages import NOTES, STATED
from projections.records import cause_of
from projections.satisfaction import Item
from services.archive.tables import Tables
from services.audit.asking import Asked
from services.audit.differing import Difference, as_text, differing
from services.audit.holding import Hashes
from services.audit.selecting import quoted
from services.policies import rules_of

_EVENTS: Final = """
    SELECT account, event FROM entries WHERE type IN ({types}){within} ORDER BY partition, seq
"""
_STATEMENTS: Final = f"""
    SELECT account, seq, event FROM entries WHERE account <> {quoted(BOOK_SUBJECT)}
        AND type IN ({", ".join(map(quoted, (*STATED_TYPES, RETRACTION, *UPCASTERS)))}){{within}}
    ORDER BY partition, seq
"""  # noqa: S608 - the names are ours
# What was posted to each account, by day, movement, cell and cause.
_ITEMS: Final = """
    SELECT account, date_diff('day', DATE '1970-01-01', day) AS number, movement, currency, contract, line, plan,
        product, owner, campaign, channel, coalesce(CAST(term_months AS VARCHAR), ''), attributes,
        reason, initiative, sum(amount_e4)
    FROM postings WHERE {within} GROUP BY ALL ORDER BY account
"""
_TYPES: Final = ", ".join(map(quoted, (*NOTED_TYPES, *UPCASTERS)))
_LABELS: Final = ("owner", "campaign", "channel", "term_months")


async def notes_of(tables: Tables, zone: tzinfo | None) -> dict[str, list[AnyNote]]:
    """The notes in force of every account that has any; raises Refused for an event that no zone has a day for."""

    def told(rows: Iterator[tuple[Any, ...]]) -> dict[str, list[AnyNote]]:
        return notes_told((account, noted(event, zone)) for account, event in rows)

    return await tables.streamed(_EVENTS.format(types=_TYPES, within=""), told)


async def notes_compared(asked: Asked, hashes: Hashes, partition: int, within: str) -> list[Difference]:
    """Where the notes of accounts differ from those of the events `within`; takes what it compares out of `hashes`."""

    def told(rows: Iterator[tuple[Any, ...]]) -> dict[str, str]:
        found: dict[str, list[bytes]] = {}
        for account, event in rows:
            if note := noted(event, asked.zone):
                found.setdefault(account, []).append(note)
        return {repr(account): noted_after(None, some).hex() for account, some in found.items()}

    due = await asked.tables.streamed(_EVENTS.format(types=_TYPES, within=f" AND {within}"), told)
    live = {repr(as_text(account)): notes.hex() for account, notes in hashes.pop(NOTES, {}).items()}
    return [*differing(partition, NOTES, live, due)]


async def stated_of(tables: Tables, policy: Policy, counted: Counted = "net") -> dict[str, list[Fact]]:
    """The facts in force of every account that ever had a discount; the lines of these are worth what it takes off.

    What all discounts take off, or those that are `counted`.
    """
    rules = rules_of(policy)

    def told(rows: Iterator[tuple[Any, ...]]) -> dict[str, list[Fact]]:
        found, _ = _stated(rows, rules.zone)
        notes = {account: noted_after(None, some) for account, some in found.items()}
        return {account: facts for account, some in notes.items() if (facts := facts_in_force(some, rules, counted))}

    return await tables.streamed(_STATEMENTS.format(within=""), told)


async def stated_compared(asked: Asked, hashes: Hashes, partition: int, within: str) -> list[Difference]:
    """Where what is kept of contracts differs from what the events `within` say; nothing is without a discount."""

    def told(rows: Iterator[tuple[Any, ...]]) -> dict[str, list[bytes]]:
        found, has_discounts = _stated(rows, asked.zone)
        return {"": [], **found} if has_discounts else {}

    found = await asked.tables.streamed(_STATEMENTS.format(within=f" AND {within}"), told)
    due = {repr(account): noted_after(None, some).hex() for account, some in found.items()}
    live = {repr(as_text(account)): notes.hex() for account, notes in hashes.pop(STATED, {}).items()}
    return [*differing(partition, STATED, live, due)]


def _stated(rows: Iterator[tuple[Any, ...]], zone: tzinfo | None) -> tuple[dict[str, list[bytes]], bool]:
    """What events say about contracts, by account; and whether any has a discount."""
    found: dict[str, list[bytes]] = {}
    has_discounts = False
    for account, seq, event in rows:
        has_discounts = has_discounts or takes_off(event, zone)
        if note := stated(event, seq):
            found.setdefault(account, []).append(note)
    return found, has_discounts


async def items_of(
    tables: Tables, currency: str | None, accounts: frozenset[str] | None = None
) -> dict[str, list[Item]]:
    """What was posted to accounts in a currency, or any, all or some of them: sums by day, movement, cell and cause."""

    def told(rows: Iterator[tuple[Any, ...]]) -> dict[str, list[Item]]:
        found: dict[str, list[Item]] = {}
        for account, day, movement, *cell, reason, initiative, amount in rows:
            if accounts is None or account in accounts:
                key = (day, movement, _cell(*cell), cause_of(reason, initiative))
                found.setdefault(account, []).append((key, int(amount)))
        return found

    within = "true" if currency is None else f"currency = {quoted(currency)}"
    return await tables.streamed(_ITEMS.format(within=within), told)


def _cell(currency: str, contract: str, line: str, plan: str, product: str, *labels: Any) -> Cell:
    *own, attributes = labels
    named = {**attributes, **{name: value for name, value in zip(_LABELS, own, strict=True) if value}}
    return Cell(currency, contract, line, plan, product, tuple(sorted(named.items())))
