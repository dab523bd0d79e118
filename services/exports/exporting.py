"""Exporting: the journal of a ledger, as known at a moment, into one file that is there whole or not at all."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import Struct

from events.block import Genesis
from services.archive.reading import archived_tables
from services.archive.tables import Told
from services.audit.asking import NAMES, genesis_at, known_or_now
from services.exports.beancount_form import BeancountWriting
from services.exports.csv_form import CsvWriting
from services.exports.files import whole_file
from services.exports.forms import About, Form, Writing
from services.exports.journal import Journal, Window
from services.exports.parquet_form import ParquetWriting
from services.ledgers.port import Chains
from services.moments import Known
from services.questions import Question
from services.settings import Settings

_FORMS: Final[dict[Form, Callable[[Path, About], Writing]]] = {
    "csv": CsvWriting,
    "parquet": ParquetWriting,
    "beancount": BeancountWriting,
}

Wrote = Callable[[int, int], None]
"""Is told how many postings were written, and of how many."""


class Target(Struct, frozen=True):
    """Where an export goes, in which form, and whether a file that is there may be replaced."""

    path: Path
    form: Form
    force: bool = False


class Exported(Struct, frozen=True):
    """What was written, and what it reflects."""

    about: About
    postings: int
    bytes: int


async def exported(
    ledger: Chains,
    genesis: Genesis,
    question: Question,
    target: Target,
    settings: Settings,
    *,
    read: Told = lambda _: None,
    wrote: Wrote = lambda *_: None,
) -> Exported:
    """Writes all postings of the window, as known at the moment asked for; the same question gives the same bytes.

    `read` is told of entries read. Raises QuestionError, IsThere, OSError, ArchiveDamaged, ArchiveUnavailable,
    BlockDamaged, LedgerError.
    """
    known = await known_or_now(ledger, genesis, question.known_at)
    window = Window(question.start, question.until)
    about = _about(await genesis_at(ledger, genesis, known), known, question, window)
    with whole_file(target.path, force=target.force) as partial:
        async with archived_tables(settings, ledger, known.heights, NAMES, read) as tables:
            writing = await asyncio.to_thread(_FORMS[target.form], partial, about)
            try:
                count = await _write(Journal(tables, window), writing, wrote)
            finally:
                await asyncio.to_thread(writing.abandon)
        size = partial.stat().st_size
    return Exported(about, count, size)


async def _write(journal: Journal, writing: Writing, wrote: Wrote) -> int:
    spans = await journal.spans()
    await journal.opened(writing.open)
    count, total = 0, sum(span.postings for span in spans)
    for span in spans:
        count += await journal.lines(span, writing.add)
        wrote(count, total)
    totals = await journal.totals()
    await asyncio.to_thread(writing.close, totals)
    return count


def _about(genesis: Genesis, known: Known, question: Question, window: Window) -> About:
    return About(
        {str(partition): height for partition, height in known.heights.items()},
        known.final,
        genesis.policy.stamp,
        "" if question.known_at is None else question.known_at.text,
        window.texts(),
    )
