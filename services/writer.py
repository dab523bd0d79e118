"""The writer: takes events in batches, books them, and acknowledges what the ledger holds durably."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import tzinfo
from functools import partial

from events import block as blocks
from events.account import Booking, Duplicate, book
from events.block import Block, Entry, Genesis
from events.envelope import event_of, recorded_event_of
from events.facts import key_of
from events.policy import Policy, Rules
from events.refusals import Refused
from events.vocabulary import Event, PolicyAdopted
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
from services.freetext import Mode
from services.ledgers.port import HeightTaken, Ledger, LedgerError, StoredBlock

__all__ = [
    "BLOCK_BYTES_MAX",
    "BLOCK_ENTRIES_MAX",
    "PROGRESS_EVENTS",
    "BooksDiffer",
    "ClockRunsBackwards",
    "KeepRefused",
    "Outcome",
    "Place",
    "PolicyChanged",
    "Queued",
    "Submitted",
    "Writer",
    "first_block",
    "stored",
]

KeepRefused = Callable[[int, Sequence[Outcome]], Awaitable[None]]
"""Keeps the refused ones among outcomes, given the place in the call that the first of them has."""


class BooksDiffer(Exception):
    """Booking an entry again gave other postings than the ledger holds."""


class PolicyChanged(LedgerError):
    """The ledger is under another policy than this writer books by; nothing was written."""

    def __init__(self, stamp: str, found: str) -> None:
        super().__init__(
            f"The ledger went over to policy {found} while this process was booking under {stamp}: start it again."
        )
        self.found = found


_log = logging.getLogger("revledger")
BATCH_SECONDS = 1.0
"""How long events are booked before what there is goes into the ledger."""
TURN_SECONDS = 0.02
"""How long others wait for their turn meanwhile, at most; one event is booked in one go."""
CATCHING_UP_KEEP_EVERY = 100_000
"""Entries booked again between two writes of the accounts' file: it is quicker to write much at once."""


class Writer:
    """The one writer of a partition in this process; calls are booked in the order they come.

    `find_places`: whether outcomes tell heights (else -1); that of a duplicate takes a look into the ledger.
    `free_text`: whether it is kept, or only its hash.
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
        free_text: Mode = "keep",
    ) -> None:
        self._ledger = ledger
        self._accounts = accounts
        self._policy = policy
        self._rules = Rules(policy, zone)
        self._keep_every = keep_every
        self._find_places = find_places
        self._free_text: Mode = free_text
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
        outcomes: list[Outcome] = []
        async with self._turn:
            while True:
                if self._behind:
                    await self._catch_up()
                done = len(outcomes)
                keep = None if keep_refused is None else partial(keep_refused, done)
                try:
                    outcomes += await self._book(items[done:], events[done:], sources, keep)
                except HeightTaken:
                    continue
                await self._keep_if_due(self._keep_every)
                if len(outcomes) == len(items):
                    return outcomes

    async def tick(self, idle_seconds: int) -> bool:
        """Writes an empty block if the last one is older than that; whether it did.

        So that what is said of an idle partition becomes final: nothing can be recorded before the tick any more.
        Raises LedgerError.
        """
        async with self._turn:
            if self._behind:
                await self._catch_up()
            head, now = self._head, clock.now()
            if head is None or now - head.header.recorded_at < idle_seconds * 1_000_000:
                return False
            sources = head.header.sources
            block = blocks.seal(
                head, [], partition=self._partition, recorded_at=now, policy=self._policy.stamp, sources=sources
            )
            self._behind = True  # until the ledger has said that it took the block
            with suppress(HeightTaken):
                await self._ledger.append([stored(block)])
                self._head, self._behind = block, False
            return not self._behind

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
        keep_refused: Callable[[Sequence[Outcome]], Awaitable[None]] | None,
    ) -> list[Outcome]:
        """Books as many events as a second has room for, at least one; the outcomes of those."""
        names = {event.subject for event in events if isinstance(event, Event)}
        accounts = self._accounts.get_many(names)
        begun = [] if self._head else [self._genesis(items)]
        head = self._head or begun[0]
        keys = [key_of(event.source, event.id) for event in events if isinstance(event, Event)]
        owners = self._accounts.owners(keys)
        batch = Batch(head, self._policy.stamp, self._partition, accounts, owners, self._free_text)
        try:
            is_all = await self._add(batch, items, events)
            is_kept = keep_refused is not None and any(outcome.status == "refused" for outcome in batch.outcomes)
            if keep_refused is not None and is_kept:
                await keep_refused(batch.outcomes)
            # What was kept is not to be read, and kept, again.
            progress_events = 1 if is_kept else PROGRESS_EVENTS
            sealed = batch.sealed(sources if is_all else NO_SOURCES, progress_events)
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

    async def _add(self, batch: Batch, items: Sequence[Submitted], events: Sequence[Event | Refused]) -> bool:
        """Books events for about a second, and whether that was all of them; others get their turns meanwhile.

        An event that comes late costs as much as its account is large: a batch of these must neither keep this
        process from telling its group that it lives, nor be lost whole when it dies.
        """
        began = turn = time.monotonic()
        for item, event in zip(items, events, strict=True):
            batch.add(item, event, self._rules)
            now = time.monotonic()
            if now - began > BATCH_SECONDS:
                break
            if now - turn > TURN_SECONDS:
                await asyncio.sleep(0)
                turn = time.monotonic()
        return len(batch.outcomes) == len(items)

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
            await self._book_again(block)
            self._head = block
            await asyncio.sleep(0)  # others have work too: whoever does not answer its group in time is thrown out
            await self._keep_if_due(max(self._keep_every, CATCHING_UP_KEEP_EVERY))
        if self._head is not None and self._head.header.policy != self._policy.stamp:
            raise PolicyChanged(self._policy.stamp, self._head.header.policy)
        self._behind = False
        await self._keep_if_due(self._keep_every)

    async def _resume(self) -> None:
        reached = self._accounts.reached
        if reached.height < 0:
            return
        async for one in self._ledger.read(self._partition, reached.height, reached.height + 1):
            if one.hash == reached.hash:
                block = blocks.block_of(one.data)
                if block.header.policy != self._policy.stamp:
                    break  # kept under a policy that is no longer in force
                self._head = block
                return
        self._accounts.forget()

    async def _book_again(self, block: Block) -> None:
        """Books a block again under the policy in force; what is of that policy has to come to the same.

        What was booked under an earlier one did not, and neither did the entries that made the difference.
        """
        is_ours = block.header.policy == self._policy.stamp
        entries = [(entry, recorded_event_of(entry.event)) for entry in block.entries]
        accounts = self._accounts.get_many({event.subject for _, event in entries})
        turn = time.monotonic()
        try:
            for seq, (entry, event) in enumerate(entries, block.header.first_seq):
                booking = book(accounts[event.subject], event, seq, self._rules)
                if is_ours and type(event) is not PolicyAdopted:
                    _require_same(booking, entry, seq, block.header.height)
                if time.monotonic() - turn > TURN_SECONDS:
                    await asyncio.sleep(0)
                    turn = time.monotonic()
        except BaseException:
            for account in accounts.values():
                account.forget_from(block.header.first_seq)
            raise
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


def _require_same(booking: Booking | Duplicate, entry: Entry, seq: int, height: int) -> None:
    if isinstance(booking, Duplicate) or blocks.entry_of(entry.event, booking).booking != entry.booking:
        raise BooksDiffer(f"entry {seq} in block {height} is booked differently now")


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
