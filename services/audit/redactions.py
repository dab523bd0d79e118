"""Redactions checked: what had text taken out is in a note, every note holds, and so does what a checkpoint says."""

import sqlite3
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from events import block as blocks
from events.block import BlockDamaged
from events.checkpoint import Redactions
from events.redaction import Note, NotesDamaged, Redacted, notes_of
from services.audit.verifying.findings import Finding, Verified
from services.ledgers.port import Chains, LedgerError
from services.ledgers.redactable import notes_in

_UNREADABLE: Final = (sqlite3.Error, LedgerError, NotesDamaged)


def redactions_in(path: Path) -> Redactions:
    """How many notes of redactions a ledger file has, and the hash of the last; raises LedgerError."""
    rows = notes_in(path)
    return Redactions(len(rows), rows[-1][1]) if rows else Redactions()


async def redaction_findings(
    ledger: Chains, path: Path | None, verified: Sequence[Verified], pinned: Redactions | None
) -> list[Finding]:
    """What is wrong with the notes in a file (None: a ledger on Kafka, which has none), or with what they say."""
    try:
        rows = [] if path is None else notes_in(path)
        notes = notes_of(rows)
    except _UNREADABLE as error:
        return [_finding("notes that can be read", str(error), str(error))]
    noted = _latest(notes)
    findings: list[Finding] = []
    for (partition, height), some in groupby(noted, lambda one: (one.partition, one.height)):
        findings += await _differing(ledger, partition, height, list(some))
    findings += _unnoted(noted, verified)
    if pinned is not None and pinned.count:
        held = rows[pinned.count - 1][1] if pinned.count <= len(rows) else b""
        if held != pinned.hash:
            sentence = f"The checkpoint knows redaction note {pinned.count}, and the ledger has another or none."
            findings.append(_finding(pinned.hash.hex(), held.hex() or "no such note", sentence, "checkpoint"))
    return findings


def _latest(notes: Sequence[Note]) -> list[Redacted]:
    """What is noted last of each entry, in the order of the ledger."""
    last = {(one.partition, one.seq): one for note in notes for one in note.entries}
    return [last[place] for place in sorted(last)]


async def _differing(ledger: Chains, partition: int, height: int, noted: Sequence[Redacted]) -> list[Finding]:
    """The entries of a block that are not what the notes say of them."""
    findings = []
    async for stored in ledger.read(partition, height, height + 1):
        try:
            block = blocks.block_of(stored.data)
        except BlockDamaged:
            return []  # it was told
        for one in noted:
            index = one.seq - block.header.first_seq
            hashes = block.entries[index].hashes.hex() if 0 <= index < len(block.entries) else ""
            if hashes != one.hashes:
                where = f"Block {height} of partition {partition}, entry {one.seq}"
                sentence = f"{where}: a note says that text was taken out of it, and it is not what the note says."
                place = (partition, height, one.seq)
                findings.append(Finding(*place, "redaction", one.hashes, hashes or "none", sentence))
    return findings


def _unnoted(noted: Sequence[Redacted], verified: Sequence[Verified]) -> list[Finding]:
    """Entries that had text taken out, or so they say, and no note knows of it."""
    known = {(one.partition, one.seq) for one in noted}
    findings = []
    for one in [taken for part in verified for taken in part.taken if (taken.partition, taken.seq) not in known]:
        where = f"Block {one.height} of partition {one.partition}, entry {one.seq}"
        sentence = f"{where} (source {one.source!r}, id {one.id!r}): its event was changed, and no redaction is noted."
        place = (one.partition, one.height, one.seq)
        findings.append(Finding(*place, "redaction", "a note", "none", sentence, one.source, one.id))
    for part in verified:
        count = sum(one.partition == part.partition and one.height <= part.height for one in noted)
        if part.taken_count > max(count, len(part.taken)):
            sentence = f"Partition {part.partition} has {part.taken_count:,} changed events, and {count:,} are noted."
            findings.append(_finding(str(count), str(part.taken_count), sentence))
    return findings


def _finding(expected: str, found: str, sentence: str, check: str = "redaction") -> Finding:
    return Finding(0, None, None, check, expected, found, sentence if sentence.endswith(".") else f"{sentence}.")

