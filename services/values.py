"""Values: whether anything was ever booked with what a question filters by, told where its answer says nothing."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from events.notes import AnyNote, Cost, notes_in_force
from events.vocabulary import BOOK_SUBJECT
from projections.columns import CAUSE_NAMES
from projections.costs import COST_NAMES
from projections.groups import value_of
from projections.pages import ACCOUNTS, NOTES, months_key
from services.evidence import SEPARATE_NAMES, Evidence, evidence_of
from services.questions import QuestionError, nearest
from services.rows import Answer
from services.views.port import Views

SPOKEN_FOR: Final = COST_NAMES - {"account", "currency"}
"""Names that costs have values under too."""
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


async def require_values(
    views: Views, partitions: Sequence[int], where: Iterable[tuple[str, str]], currencies: Sequence[str]
) -> None:
    """Raises QuestionError for a value that nothing in the views has; an empty one stands for none."""
    for name, value in where:
        if value:
            known = await _values_in(views, partitions, name, currencies)
            if value not in known:
                raise unknown_value(name, value, known)


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
