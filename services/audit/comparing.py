"""Comparing: the live projection against a replay of the ledger, at the very same position, cell by cell."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
from msgspec import Struct

from events.block import Block, Genesis
from projections.groups import CONTRACT_NAMES
from projections.pages import ACCOUNTS, BOOK, BOOK_COUNTS, FORMAT
from services.archive.chunks import block_at
from services.archive.tables import SENT, Told
from services.audit.asking import Asked, asking
from services.audit.comparing_answers import Answers, answers_compared, live_answers
from services.audit.comparing_pages import Pages, pages_compared, rates_compared
from services.audit.comparing_records import kept_records, records_compared
from services.audit.differing import Difference, as_text, differing
from services.audit.holding import Held, held_views
from services.audit.noting import notes_compared, stated_compared
from services.ledgers.port import Chains
from services.moments import Known
from services.questions import Question
from services.settings import Settings
from services.views.port import Position, Views

_BOOK: Final = """
    SELECT count(*), coalesce(sum(unmatched), 0), coalesce(sum(postings), 0),
        coalesce(max(epoch_us(time)) FILTER ({sent}), 0)
    FROM entries WHERE {within}
"""
_NAMES: Final = """
    SELECT DISTINCT currency, '' FROM postings WHERE {within}
    UNION SELECT DISTINCT currency, unnest(map_keys(attributes)) FROM postings WHERE {within}
"""
_STANDING: Final = ("", "plan", "product", *CONTRACT_NAMES)


class Comparison(Struct, frozen=True):
    """What was compared at which position and under which policy, and every difference; `compared` counts by kind."""

    heights: Mapping[int, int]
    policy: str
    compared: Mapping[str, int]
    differences: Sequence[Difference]


class Hearing(Struct, frozen=True):
    """Who hears how far it is: entries of the ledger that were read, and in words what is compared."""

    told: Told = lambda _: None
    said: Callable[[str], None] = lambda _: None


async def comparison(
    ledger: Chains,
    genesis: Genesis,
    views: Views,
    question: Question,
    settings: Settings | None = None,
    hearing: Hearing | None = None,
) -> Comparison:
    """The live projection held still, and all that it keeps compared; also its answers to a question.

    In each currency of the books, if the question names none: bridge and figures of its window and groups.
    Raises NoProjection, ViewsUnavailable, QuestionError, ArchiveDamaged, ArchiveUnavailable, BlockDamaged, LedgerError.
    """
    hearing = hearing or Hearing()
    held = await held_views(views, range(genesis.partitions))
    astray = [one for partition, at in held.positions.items() for one in await _astray(ledger, partition, at)]
    if astray:
        return Comparison(held.heights, genesis.policy.stamp, {}, astray)
    live = await live_answers(ledger, genesis, held, question)
    with tempfile.TemporaryDirectory(prefix="revledger-comparing-", ignore_cleanup_errors=True) as scratch:
        records = {
            partition: kept_records(hashes.pop(ACCOUNTS, {}), Path(scratch) / f"{partition}.arrow")
            for partition, hashes in held.hashes.items()
        }
        known = Known(held.heights)
        async with asking(ledger, genesis, known, settings, hearing.told) as asked:
            return await _compared(asked, known, held, records, live, hearing)


async def _compared(
    asked: Asked, known: Known, held: Held, records: Mapping[int, pa.Table], live: Answers, hearing: Hearing
) -> Comparison:
    found: list[Difference] = []
    pages, accounts = Pages(), 0
    for partition, height in known.heights.items():
        within = f"partition = {partition} AND height <= {height}"
        found += await _book_compared(asked, held, partition, within)
        hearing.said("accounts")
        more, count = await records_compared(asked.tables, records[partition], partition, within)
        found, accounts = found + more, accounts + count
        found += await notes_compared(asked, held.hashes[partition], partition, within)
        found += await stated_compared(asked, held.hashes[partition], partition, within)
        found += await rates_compared(asked.tables, held.hashes[partition], partition, within)
        found += await pages_compared(asked.tables, held.hashes[partition], partition, within, pages, hearing.said)
    hearing.said("figures")
    more, figures = await answers_compared(asked, known, live)
    counts = {"accounts": accounts, "pages": pages.pages, "cells": pages.cells, "figures": figures}
    return Comparison(held.heights, asked.genesis.policy.stamp, counts, found + more)


async def _astray(ledger: Chains, partition: int, at: Position) -> list[Difference]:
    """Whether the views of a partition stand where the ledger has no such block: then nothing else can be compared."""
    if not at.next_height:
        return []
    height, tail = at.next_height - 1, await ledger.tail(partition)
    if tail is None or tail.height < height:
        ends = "the ledger has no block" if tail is None else f"the ledger ends with block {tail.height}"
        return [_difference(partition, "position", "height", height, ends)]
    block = await block_at(ledger, partition, height)
    if block.hash != at.last_hash:
        return [_difference(partition, "position", f"hash of block {height}", at.last_hash.hex(), block.hash.hex())]
    return [*differing(partition, "position", _position(at), _due(block))]


def _position(at: Position) -> dict[str, int]:
    return {"last_seq": at.last_seq, "recorded_at": at.recorded_at}


def _due(block: Block) -> dict[str, int]:
    return {"last_seq": block.next_seq - 1, "recorded_at": block.header.recorded_at}


async def _book_compared(asked: Asked, held: Held, partition: int, within: str) -> list[Difference]:
    """Where the counts of the whole book differ, the names in use, or the time of the newest event."""
    ((*counts, newest),) = await asked.tables.rows(_BOOK.format(within=within, sent=SENT))
    names = await asked.tables.rows(_NAMES.format(within=within))
    due: dict[str, Any] = dict(zip(BOOK_COUNTS, map(int, counts), strict=True)) | {"format": FORMAT}
    for currency, carried in names:
        due |= {f"names|{currency}|{name}": 1 for name in (*_STANDING, carried)}
    live = {as_text(field): _number(value) for field, value in held.hashes[partition].pop(BOOK, {}).items()}
    at = held.positions[partition]
    if not at.next_height:
        due = {}
    moved = differing(partition, "position", {"newest_event_at": at.newest_event_at}, {"newest_event_at": int(newest)})
    return [*differing(partition, BOOK, live, due), *moved]


def _number(value: bytes) -> int | str:
    text = as_text(value)
    return int(text) if text.isascii() and text.isdigit() and str(int(text)) == text else text


def _difference(partition: int, place: str, cell: str, live: int | str, replayed: int | str) -> Difference:
    return Difference(partition=partition, place=place, cell=cell, live=live, replayed=replayed)


def document(of: Comparison) -> dict[str, Any]:
    """A comparison as JSON has it."""
    return {
        "report": "check",
        "equal": not of.differences,
        "policy": of.policy,
        "position": {str(partition): height for partition, height in of.heights.items()},
        "compared": of.compared,
        "differences_count": len(of.differences),
        "differences": msgspec.to_builtins(of.differences),
    }
