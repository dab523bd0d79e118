"""Redacting: free text taken out of events that were booked, refused or archived; what stays is their hashes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Final

import msgspec
from msgspec import Struct

from events import block as blocks
from events.block import Block, BlockDamaged, Entry, Genesis
from events.days import day_of_moment, moment_of
from events.envelope import recorded_event_of
from events.freetext import FREE_FIELDS, NONCE_BYTES, has_nonce, texts_of
from events.redaction import Note, Redacted, note_bytes, redacted, redacted_entry
from events.vocabulary import EVENT_TYPES, Event
from services import clock
from services.audit.opening import chains_read
from services.audit.verifying.ledger import rule_of
from services.audit.verifying.state import remove as remove_state
from services.compose import ACCOUNTS_FILE, LEDGER_FILE, holding
from services.ledgers.port import Chains, StoredBlock
from services.ledgers.redactable import RedactableFile, redactable_file
from services.policies import zone_of
from services.settings import Settings
from services.writer import stored

NOTE_ENTRIES: Final = 1_000
"""From how many entries on a note is written: memory and the log of the file grow with it."""
NOTE_BYTES: Final = 32 * 1024 * 1024
TOLD_MAX: Final = 1_000
"""How many of the entries are told one by one."""
_SUFFIXES: Final = ("", "-wal", "-shm")


class Wanted(Struct, frozen=True):
    """Which events: the one of a source and id, all of an account, or all that happened before a day."""

    key: tuple[str, str] | None = None
    account: str | None = None
    before: int | None = None


class Taken(Struct, frozen=True):
    """An event that text was taken out of; `salted`: its hash tells nothing to whoever guesses the text."""

    partition: int
    height: int
    seq: int
    source: str
    id: str
    account: str
    characters: dict[str, int]
    salted: bool


class Report(Struct):
    """What was taken: the first of the entries, and how many there were in all; `accounts`: all there are."""

    taken: list[Taken] = []
    accounts: set[str] = set()
    taken_count: int = 0
    unsalted_count: int = 0
    notes_count: int = 0

    def add(self, taken: Taken) -> None:
        """Counts an entry in."""
        self.taken_count += 1
        self.unsalted_count += not taken.salted
        if len(self.taken) < TOLD_MAX:
            self.taken.append(taken)


class _Named(Struct, gc=False):
    type: str
    source: str
    id: str
    subject: str


_NAMED: Final = msgspec.json.Decoder(_Named)
_FREE_TYPES: Final = frozenset(name for name, kind in EVENT_TYPES.items() if kind in FREE_FIELDS)


async def redact_ledger(
    settings: Settings, wanted: Wanted, *, dry_run: bool, told: Callable[[int], None] = lambda _: None
) -> tuple[Report, list[Note]]:
    """Takes the text out of the ledger in the data directory, or only says of which events; and all notes there are.

    What is killed in the midst has redacted some of the blocks, each whole and noted; the same again does the rest.
    Raises DataInUse, NoLedger, LedgerError, BlockDamaged, NotesDamaged, TextRemains.
    """
    report = Report()
    async with holding(settings.data), chains_read(settings) as ledger:
        if dry_run:
            async for _, some in _found(ledger, await _genesis(ledger), wanted, report.accounts, told):
                for one in some:
                    report.add(one)
            return report, []
        async with redactable_file(settings.data / LEDGER_FILE) as file:
            await file.do(file.notes)  # damaged ones are told before anything is added to them
            genesis = await _genesis(ledger)
            pending = _Pending(file)
            async for block, some in _found(ledger, genesis, wanted, report.accounts, told):
                await file.do(pending.add, block, some)
                for one in some:
                    report.add(one)
            await file.do(pending.write)
            await asyncio.to_thread(_forget_caches, settings.data)
            await file.do(file.scrub)
            notes = await file.do(file.notes)
    report.notes_count = len(notes)
    return report, notes


async def _genesis(ledger: Chains) -> Genesis:
    genesis, _ = await rule_of(ledger)
    if genesis is None:
        raise BlockDamaged("block 0 of partition 0 cannot be read")
    return genesis


async def _found(
    ledger: Chains, genesis: Genesis, wanted: Wanted, accounts: set[str], told: Callable[[int], None]
) -> AsyncIterator[tuple[Block, list[Taken]]]:
    """The blocks that hold what is wanted, checked, and the entries in question; notes all accounts it meets."""
    done = 0
    zone = zone_of(genesis.policy)

    def is_wanted(event: Event) -> bool:
        if wanted.key is not None:
            return (event.source, event.id) == wanted.key
        if wanted.account is not None:
            return event.subject == wanted.account
        return wanted.before is not None and day_of_moment(moment_of(event.time), zone) < wanted.before

    for partition in range(genesis.partitions):
        async for one in ledger.read(partition):
            block = blocks.block_of(one.data)
            named = [_NAMED.decode(entry.event) for entry in block.entries]
            accounts.update([one.subject for one in named])
            some = list(_taken_in(block, named, is_wanted))
            if some:
                blocks.check_entries(block)
                yield block, some
            done += one.entries
            told(done)


def _taken_in(block: Block, named: Sequence[_Named], is_wanted: Callable[[Event], bool]) -> Iterator[Taken]:
    header = block.header
    for seq, (entry, one) in enumerate(zip(block.entries, named, strict=True), header.first_seq):
        if one.type not in _FREE_TYPES:
            continue
        event = recorded_event_of(entry.event)
        texts = texts_of(event)
        if texts and is_wanted(event):
            characters = {name: len(text) for name, text in texts.items()}
            names = (event.source, event.id, event.subject)
            yield Taken(header.partition, header.height, seq, *names, characters, has_nonce(entry.event))


class _Pending:
    """Blocks with text taken out that are to be kept, with one note for all of them."""

    def __init__(self, file: RedactableFile) -> None:
        self._file = file
        self._blocks: list[StoredBlock] = []
        self._entries: list[Redacted] = []
        self._bytes = 0

    def add(self, block: Block, some: Sequence[Taken]) -> None:
        """Takes the text out of some entries of a block."""
        header, entries = block.header, list(block.entries)
        for one in some:
            entry = self._redacted(entries[one.seq - header.first_seq])
            entries[one.seq - header.first_seq] = entry
            self._entries.append(redacted(header.partition, header.height, one.seq, entry))
        data = blocks.data_of(blocks.header_bytes(block.data), entries)
        changed = blocks.block_of(data)
        blocks.check_entries(changed)
        assert changed.hash == block.hash, "the header stays as it is"
        self._blocks.append(stored(changed))
        self._bytes += len(data)
        if len(self._entries) >= NOTE_ENTRIES or self._bytes >= NOTE_BYTES:
            self.write()

    def write(self) -> None:
        """Keeps what is pending; the blocks and their note, or neither."""
        if not self._blocks:
            return
        count, prev = self._file.last_hash()
        self._file.replace(self._blocks, note_bytes(count + 1, clock.now(), prev, self._entries))
        self._blocks, self._entries, self._bytes = [], [], 0

    def _redacted(self, entry: Entry) -> Entry:
        return redacted_entry(entry, recorded_event_of(entry.event), token_hex(NONCE_BYTES))


def _forget_caches(data: Path) -> None:
    """What was worked out from the texts, digests of them: the writer and `verify` work it out again."""
    for suffix in _SUFFIXES:
        (data / f"{ACCOUNTS_FILE}{suffix}").unlink(missing_ok=True)
    for path in [*data.glob("verify-*.db"), *data.glob("verify-*.ids")]:
        remove_state(path.with_suffix(".db"))
