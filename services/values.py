"""Values: whether the books have the currency and the values that a question asks for, told to whoever may mistype."""

import asyncio
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from events.block import block_of
from events.envelope import recorded_event_of
from events.facts import key_of
from events.notes import AnyNote, Cost, notes_in_force
from events.vocabulary import BOOK_SUBJECT, Event, EventRetracted
from projections.columns import CAUSE_NAMES
from projections.costs import COST_NAMES
from projections.groups import value_of
from projections.pages import ACCOUNTS, NOTES, months_key
from services.evidence import SEPARATE_NAMES, Evidence, evidence_of
from services.ledgers.port import Chains
from services.questions import Question, QuestionError, nearest
from services.rows import Answer
from services.views.port import Views

SPOKEN_FOR: Final = COST_NAMES - {"account", "currency"}
"""Names that costs have values under too."""
LINE_NAMES: Final = ("plan", "product")
"""Names that lines of contracts have values under, whether or not they cost anything."""
RETRACTION: Final = b"revledger.event.retracted"
_SPANS: Final = ("from", "until", "at", "period", "group", "cohort", "month", "band")


def says_nothing(rows: Iterable[Answer]) -> bool:
    """Whether rows hold nothing but zeros and nulls."""
    return not any(any(_numbers({name: one for name, one in row.items() if name not in _SPANS})) for row in rows)


def _numbers(part: Any) -> Iterator[bool]:
    """Of every number or text whether it tells anything."""
    if isinstance(part, dict):
        for name, one in part.items():
            if name not in _SPANS:
                yield from _numbers(one)
    else:
        yield bool(part) and part not in ("0.00000000", "-0.00000000")


def unknown_value(name: str, value: str, known: Iterable[str]) -> QuestionError:
    """What to say of a value that nothing has: the nearest that there are."""
    lists = f"`revledger report figures accounts --by {name}` lists those with revenue"
    hint = nearest(value, [one for one in known if one], lists)
    return QuestionError("where", f"nothing was ever booked with {name} {value!r}{hint}")


def require_currency(question: Question, known: Iterable[str]) -> None:
    """Raises QuestionError for a currency without revenue where others have some; any may be converted to."""
    currencies = {*known}
    if currencies and question.convert is None and question.currency not in (None, *currencies):
        hint = nearest(str(question.currency), currencies)
        raise QuestionError("currency", f"no revenue was ever booked in {question.currency}{hint}")


async def require_values(
    ledger: Chains,
    views: Views,
    partitions: Sequence[int],
    where: Iterable[tuple[str, str]],
    currencies: Sequence[str],
) -> None:
    """Raises QuestionError for a value that nothing in the views has, nor any line; an empty one stands for none."""
    for name, value in where:
        if value:
            known = await _values_in(views, partitions, name, currencies)
            if value not in known and not (name in LINE_NAMES and await _is_in_lines(ledger, partitions, name, value)):
                raise unknown_value(name, value, known)


async def _is_in_lines(ledger: Chains, partitions: Sequence[int], name: str, value: str) -> bool:
    """Whether events in force have a line with a value: those that cost nothing are posted nowhere.

    Reads the whole ledger, as nobody keeps what is worth nothing.
    """
    found = Lines(name, value)
    for partition in partitions:
        async for stored in ledger.read(partition):
            found.add(entry.event for entry in block_of(stored.data).entries)
    return found.are_there


class Lines:
    """Whether events have a line with a value, unless they were taken back."""

    def __init__(self, name: str, value: str) -> None:
        self._name, self._value = name, value
        # as JSON has it in UTF-8, in ASCII, and in any other way
        self._marks = (json.dumps(value, ensure_ascii=False).encode(), json.dumps(value).encode(), b"\\u")
        self._held: set[tuple[str, str]] = set()
        self._gone: set[tuple[str, str]] = set()

    def add(self, events: Iterable[bytes]) -> None:
        """Looks at some events of the ledger."""
        for raw in events:
            if RETRACTION in raw or (b'"lines"' in raw and any(mark in raw for mark in self._marks)):
                self._look(recorded_event_of(raw))

    def _look(self, event: Event) -> None:
        if isinstance(event, EventRetracted):
            self._gone.add((event.subject, key_of(event.data.source, event.data.id)))
            return
        lines = getattr(getattr(event, "data", None), "lines", None) or ()
        if any(getattr(one, self._name) == self._value for one in lines):
            self._held.add((event.subject, key_of(event.source, event.id)))

    @property
    def are_there(self) -> bool:
        """Whether any does."""
        return not self._held <= self._gone


async def _values_in(views: Views, partitions: Sequence[int], name: str, currencies: Sequence[str]) -> set[str]:
    """All values under a name: of accounts and contracts with postings, and of costs."""
    if name == "currency":
        return {*currencies}
    if name in (*SEPARATE_NAMES, *CAUSE_NAMES):
        evidence = await evidence_of(views, partitions, [ACCOUNTS, NOTES])
        return await asyncio.to_thread(lambda: {*_of_each_account(evidence, name)})
    keys = [months_key(currency, name) for currency in currencies]
    evidence = await evidence_of(views, partitions, keys + [NOTES] * (name in SPOKEN_FOR))
    return await asyncio.to_thread(lambda: {*_kept(evidence, name, currencies)})


def _of_each_account(evidence: Evidence, name: str) -> Iterator[str]:
    for account, _, record in evidence.everyone():
        if name == "account" and account != BOOK_SUBJECT:  # also where all that was said of it was taken back
            yield account
        for (_, _, cell, cause), _ in record.items():  # noqa: PERF102 - of a record, which is no dict
            yield cause[CAUSE_NAMES.index(name)] if cause and name in CAUSE_NAMES else value_of(name, account, cell)


def _kept(evidence: Evidence, name: str, currencies: Sequence[str]) -> Iterator[str]:
    for currency in currencies:
        for _, value, _ in evidence.months(currency, name):
            yield value
    if name in SPOKEN_FOR:
        for fields in evidence.hashes[NOTES]:
            yield from costs_with(name, ((account.decode(), notes_in_force(data)) for account, data in fields.items()))


def costs_with(name: str, noted: Iterable[tuple[str, Sequence[AnyNote]]]) -> Iterator[str]:
    """The values that costs have under a name."""
    for _, notes in noted:
        for note in notes:
            if type(note) is Cost:
                yield getattr(note, name)
