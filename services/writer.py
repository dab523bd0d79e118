"""The writer: takes events in batches, books them, and acknowledges what the ledger holds durably."""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import tzinfo

from events import block as blocks
from events.account import Duplicate, book
from events.block import Block, Genesis
from events.envelope import event_of
from events.facts import key_of
from events.policy import Policy
from events.refusals import Refused
from events.vocabulary import Event
from services import clock
from services.accounts import Accounts, Reached
from services.batch import (
    BLOCK_BYTES_MAX,
    BLOCK_ENTRIES_MAX,
    NO_SOURCES,
    PROGRESS_EVENTS,
    Batch,
    ClockRunsBackwards,
    Outcome,
    Place,
    Queued,
    Submitted,
)
from services.ledgers.port import HeightTaken, Ledger, StoredBlock

__all__ = [
    "BLOCK_BYTES_MAX",
    "BLOCK_ENTRIES_MAX",
    "PROGRESS_EVENTS",
    "BooksDiffer",
    "ClockRunsBackwards",
    "KeepRefused",
    "Outcome",
    "Place",
    "Queued",
    "Submitted",
    "Writer",
    "first_block",
    "stored",
]

KeepRefused = Callable[[Sequence[Outcome]], Awaitable[None]]
"""Keeps the refused ones among the outcomes of a call."""


class BooksDiffer(Exception):
    """Booking an entry again gave other postings than the ledger holds."""


_log = logging.getLogger("revledger")
CATCHING_UP_KEEP_EVERY = 100_000
"""Entries booked again between two writes of the accounts' file: it is quicker to write much at once."""


class Writer:
    """The one writer of a partition in this process; calls are booked in the order they come.

    `find_places`: whether outcomes tell heights (else -1); that of a duplicate takes a look into the ledger.
    """

    def __init__(
        self,
        ledger: Ledger,
        accounts: Accounts,
        policy: Policy,
        zone: tzinfo | None,
        *,
        partition: int = 0,
        partitions: int = 1,
        keep_every: int = 10_000,
        find_places: bool = True,
    ) -> None:
        self._ledger = ledger
        self._accounts = accounts
        self._policy = policy
        self._zone = zone
        self._keep_every = keep_every
        self._find_places = find_places
        self._partition = partition
        self._partitions = partitions
        self._head: Block | None = None
        self._behind = True
        self._unkept = 0
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Brings the accounts up to the ledger; an empty ledger begins with the first event."""
        async with self._turn:
            await self._catch_up()

    async def begin(self) -> None:
        """Starts, and gives an empty ledger its first block at once, which fixes what the others hold to."""
        async with self._turn:
            await self._catch_up()
            while self._head is None:
                with suppress(HeightTaken):
                    await self._ledger.append([stored(self._genesis([]))])
                await self._catch_up()

    @property
    def head(self) -> Block | None:
        """The last block of the ledger that the accounts reflect."""
        return self._head

    async def write(
        self,
        items: Sequence[Submitted],
        sources: Mapping[str, int] = NO_SOURCES,
        keep_refused: KeepRefused | None = None,
    ) -> list[Outcome]:
        """Books events and returns once they are durable; refusals are outcomes, not errors.

        `sources`: for every input the events were read from, the offset to read next; it is written into the
        ledger with them, and by itself where something was refused or `PROGRESS_EVENTS` brought nothing to book.
        `keep_refused` is given the outcomes before the ledger notes that, whenever one is a refusal, and again if
        the call has to be tried again.

        Raises:
            LedgerError: the ledger could not be written; no event of the call is acknowledged.
            ClockRunsBackwards: a given recorded time lies before the one already in the ledger.
        """
        if not items and not sources:
            return []
        events = [item.event or _decoded(item.raw) for item in items]
        async with self._turn:
            while True:
                if self._behind:
                    await self._catch_up()
                try:
                    outcomes = await self._book(items, events, sources, keep_refused)
                except HeightTaken:
                    continue
                await self._keep_if_due(self._keep_every)
                return outcomes

    async def close(self) -> None:
        """Keeps the accounts and lets go of them."""
        async with self._turn:
            if not self._behind and self._unkept:
                await self._keep()
            self._accounts.close()

    async def _book(
        self,
        items: Sequence[Submitted],
        events: Sequence[Event | Refused],
        sources: Mapping[str, int],
        keep_refused: KeepRefused | None,
    ) -> list[Outcome]:
        names = {event.subject for event in events if isinstance(event, Event)}
        accounts = self._accounts.get_many(names)
        begun = [] if self._head else [self._genesis(items)]
        head = self._head or begun[0]
        keys = [key_of(event.source, event.id) for event in events if isinstance(event, Event)]
        batch = Batch(head, self._policy.stamp, self._partition, accounts, self._accounts.owners(keys))
        try:
            for item, event in zip(items, events, strict=True):
                batch.add(item, event, self._zone)
            is_kept = keep_refused is not None and any(outcome.status == "refused" for outcome in batch.outcomes)
            if keep_refused is not None and is_kept:
                await keep_refused(batch.outcomes)
            # What was kept is not to be read, and kept, again.
            sealed = batch.sealed(sources, progress_events=1 if is_kept else PROGRESS_EVENTS)
            if sealed:
                await self._ledger.append([stored(block) for block in (*begun, *sealed)])
        except BaseException:
            # Whether the blocks got in or not, the ledger knows; these accounts no longer do.
            self._behind = True
            for account in accounts.values():
                account.forget_from(head.next_seq)
            raise
        if sealed:
            self._accounts.changed(batch.touched, batch.owned)
            self._head = sealed[-1]
            self._unkept += sealed[-1].next_seq - head.next_seq
        if not self._find_places:
            return batch.outcomes
        return [await self._placed(outcome, sealed) for outcome in batch.outcomes]

    async def _placed(self, outcome: Outcome, sealed: Sequence[Block]) -> Outcome:
        """The outcome with the height of the block its entry is in."""
        if outcome.place is None:
            return outcome
        seq = outcome.place.seq
        height = next((b.header.height for b in sealed if b.header.first_seq <= seq < b.next_seq), None)
        if height is None:
            found = await self._ledger.block_of(self._partition, seq)
            assert found is not None, f"entry {seq} was seen before, and is not in the ledger"
            height = found.height
        place = Place(self._partition, height, seq)
        return Outcome(outcome.status, place, outcome.unmatched)

    def _genesis(self, items: Sequence[Submitted]) -> Block:
        """Block 0, as old as the first event it is written for."""
        recorded_at = items[0].recorded_at if items else None
        return first_block(self._partition, Genesis(self._partitions, self._policy), recorded_at)

    async def _catch_up(self) -> None:
        """Books again what the ledger holds beyond the accounts, which start over if they lost their way."""
        if self._head is None:
            await self._resume()
        start = 0 if self._head is None else self._head.header.height + 1
        async for one in self._ledger.read(self._partition, start):
            block = blocks.block_of(one.data)
            blocks.check_next(self._head, block)
            blocks.check_entries(block)
            self._book_again(block)
            self._head = block
            await asyncio.sleep(0)  # others have work too: whoever does not answer its group in time is thrown out
            await self._keep_if_due(max(self._keep_every, CATCHING_UP_KEEP_EVERY))
        self._behind = False
        await self._keep_if_due(self._keep_every)

    async def _resume(self) -> None:
        reached = self._accounts.reached
        if reached.height < 0:
            return
        async for one in self._ledger.read(self._partition, reached.height, reached.height + 1):
            if one.hash == reached.hash:
                self._head = blocks.block_of(one.data)
                return
        self._accounts.forget()

    def _book_again(self, block: Block) -> None:
        entries = [(entry, event_of(entry.event)) for entry in block.entries]
        accounts = self._accounts.get_many({event.subject for _, event in entries})
        for seq, (entry, event) in enumerate(entries, block.header.first_seq):
            booking = book(accounts[event.subject], event, seq, self._zone)
            if isinstance(booking, Duplicate) or blocks.entry_of(entry.event, booking) != entry:
                raise BooksDiffer(f"entry {seq} in block {block.header.height} is booked differently now")
        owners = {key_of(event.source, event.id): event.subject for _, event in entries}
        self._accounts.changed(accounts, owners)
        self._unkept += len(entries)

    async def _keep_if_due(self, every: int) -> None:
        if self._head and (self._unkept >= every or self._accounts.is_full):
            await self._keep()
            self._accounts.cool()

    async def _keep(self) -> None:
        assert self._head is not None, "there is nothing to keep before the first block"
        reached = Reached(self._head.header.height, self._head.hash)
        keeping = asyncio.ensure_future(asyncio.to_thread(self._accounts.keep, reached))
        try:
            await asyncio.shield(keeping)
        except sqlite3.Error as error:
            _log.warning("the accounts could not be kept, and will be later; the ledger is not concerned: %s", error)
        finally:
            await asyncio.wait([keeping])  # whoever is cancelled leaves no thread alone with the accounts
        self._unkept = 0


def _decoded(raw: bytes) -> Event | Refused:
    try:
        return event_of(raw)
    except Refused as refused:
        return refused


def first_block(partition: int, genesis: Genesis, recorded_at: int | None = None) -> Block:
    """Block 0 of a partition, which fixes its rules; `recorded_at` in microseconds, by default now."""
    return blocks.seal(
        None,
        [],
        partition=partition,
        recorded_at=clock.now() if recorded_at is None else recorded_at,
        policy=genesis.policy.stamp,
        genesis=genesis,
    )


def stored(block: Block) -> StoredBlock:
    """A block as a ledger keeps it."""
    header = block.header
    return StoredBlock(
        partition=header.partition,
        height=header.height,
        first_seq=header.first_seq,
        entries=header.entries,
        recorded_at=header.recorded_at,
        prev_hash=header.prev_hash,
        hash=block.hash,
        data=block.data,
    )
