"""The writer: takes events in batches, books them, and acknowledges what the ledger holds durably."""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import tzinfo
from types import MappingProxyType
from typing import Literal

from msgspec import Struct

from events import block as blocks
from events.account import Account, Booking, Duplicate, book, conflict
from events.block import Block, Entry, Genesis
from events.envelope import event_of
from events.facts import key_of
from events.policy import Policy
from events.refusals import Refused
from events.vocabulary import Event
from services import clock
from services.accounts import Accounts, Reached
from services.ledgers.port import HeightTaken, Ledger, StoredBlock


class Submitted(Struct, frozen=True):
    """One event as received; `recorded_at` (microseconds) only for a history recorded elsewhere.

    `event` is what the bytes say, for whoever knows already; None: it is still to be read.
    """

    raw: bytes
    recorded_at: int | None = None
    event: Event | Refused | None = None


class Place(Struct, frozen=True):
    """Where an event is in the ledger."""

    partition: int
    height: int
    seq: int


class Queued(Struct, frozen=True):
    """Where an event waits in Kafka to be booked."""

    partition: int
    offset: int


class Outcome(Struct, frozen=True):
    """What became of one event; `code`, `message` and `field` say why it was refused.

    `dead_letter` is the number it is kept under, where the intake kept it; `queued` where it waits, durable and not
    yet booked.
    """

    status: Literal["accepted", "duplicate", "refused", "queued"]
    place: Place | None = None
    unmatched: int = 0
    code: str = ""
    message: str = ""
    field: str = ""
    dead_letter: int | None = None
    queued: Queued | None = None


KeepRefused = Callable[[Sequence[Outcome]], Awaitable[None]]
"""Keeps the refused ones among the outcomes of a call."""


class ClockRunsBackwards(Exception):
    """A history's recorded times decrease, or lie before what the ledger holds already."""


class BooksDiffer(Exception):
    """Booking an entry again gave other postings than the ledger holds."""


_log = logging.getLogger("revledger")
BLOCK_ENTRIES_MAX = 1_000
BLOCK_BYTES_MAX = 700_000
CATCHING_UP_KEEP_EVERY = 100_000
"""Entries booked again between two writes of the accounts' file: it is quicker to write much at once."""
PROGRESS_EVENTS = 10_000
"""Events read without anything to book before the ledger notes how far: a start reads at most so many again."""
NO_SOURCES: Mapping[str, int] = MappingProxyType({})


class Writer:
    """The one writer of a partition in this process; calls are booked in the order they come.

    `find_places`: whether outcomes tell the height of duplicates too (else -1), which takes a look into the ledger.
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
        ledger with them, by itself once `PROGRESS_EVENTS` brought nothing to book. `keep_refused` is given the
        outcomes before the ledger notes that, whenever one is a refusal, and again if it has to be tried again.

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
        batch = _Batch(head, self._policy.stamp, self._partition, accounts, self._accounts.owners(keys))
        try:
            for item, event in zip(items, events, strict=True):
                batch.add(item, event, self._zone)
            if keep_refused is not None and any(outcome.status == "refused" for outcome in batch.outcomes):
                await keep_refused(batch.outcomes)
            sealed = batch.sealed(sources)
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
        return [await self._placed(outcome, sealed) for outcome in batch.outcomes]

    async def _placed(self, outcome: Outcome, sealed: Sequence[Block]) -> Outcome:
        """The outcome with the height of the block its entry is in."""
        if outcome.place is None:
            return outcome
        seq = outcome.place.seq
        height = next((b.header.height for b in sealed if b.header.first_seq <= seq < b.next_seq), None)
        if height is None and not self._find_places:
            return outcome
        if height is None:
            found = await self._ledger.block_of(self._partition, seq)
            assert found is not None, f"entry {seq} was seen before, and is not in the ledger"
            height = found.height
        place = Place(self._partition, height, seq)
        return Outcome(outcome.status, place, outcome.unmatched)

    def _genesis(self, items: Sequence[Submitted]) -> Block:
        """Block 0, as old as the first event it is written for."""
        recorded_at = items[0].recorded_at if items else None
        return blocks.seal(
            None,
            [],
            partition=self._partition,
            recorded_at=clock.now() if recorded_at is None else recorded_at,
            policy=self._policy.stamp,
            genesis=Genesis(self._partitions, self._policy),
        )

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


class _Batch:
    """Events being booked on top of the head, cut into blocks."""

    def __init__(
        self, head: Block, policy: str, partition: int, accounts: Mapping[str, Account], owners: Mapping[str, str]
    ) -> None:
        self._head = head
        self._policy = policy
        self._partition = partition
        self._accounts = accounts
        self._owners = owners
        self._seq = head.next_seq
        self._entries: list[Entry] = []
        self._bytes = 0
        self._recorded_at: int | None = None
        self._sealed: list[Block] = []
        self.outcomes: list[Outcome] = []
        self.touched: set[str] = set()
        self.owned: dict[str, str] = {}

    def add(self, item: Submitted, event: Event | Refused, zone: tzinfo | None) -> None:
        """Books one event, or notes why not."""
        try:
            booking = self._booked(event, zone)
        except Refused as refused:
            self.outcomes.append(Outcome("refused", None, 0, refused.code, refused.message, refused.field))
            return
        if isinstance(booking, Duplicate):
            self.outcomes.append(Outcome("duplicate", Place(self._partition, -1, booking.seq)))
            return
        self._append(item, booking)

    def _booked(self, event: Event | Refused, zone: tzinfo | None) -> Booking | Duplicate:
        if isinstance(event, Refused):
            raise event
        key = key_of(event.source, event.id)
        owner = self._owners.get(key) or self.owned.get(key)
        if owner is not None and owner != event.subject:
            raise conflict(event, f"an event of {owner!r}")
        booking = book(self._accounts[event.subject], event, self._seq, zone)
        self.owned[key] = event.subject
        return booking

    def _append(self, item: Submitted, booking: Booking) -> None:
        entry = blocks.entry_of(item.raw, booking)
        size = len(entry.event) + len(entry.booking)
        full = len(self._entries) >= BLOCK_ENTRIES_MAX or self._bytes + size > BLOCK_BYTES_MAX
        if self._entries and (full or item.recorded_at != self._recorded_at):
            self._seal()
        self._recorded_at = item.recorded_at
        self._entries.append(entry)
        self._bytes += size
        self._seq += 1
        self.touched.add(booking.account)
        self.outcomes.append(Outcome("accepted", Place(self._partition, -1, booking.seq), booking.unmatched))

    def _seal(self, sources: Mapping[str, int] = NO_SOURCES) -> None:
        """Seals a block; all but the last of a batch say of the inputs what the head said: the batch is not over."""
        given = self._recorded_at
        if given is not None and given < self._head.header.recorded_at:
            raise ClockRunsBackwards(
                "a recorded time lies before what the ledger holds already: sort the history by recordedtime, "
                "load it into an empty ledger, or load it without --as-recorded"
            )
        recorded_at = clock.now() if given is None else given
        self._head = blocks.seal(
            self._head,
            self._entries,
            partition=self._partition,
            recorded_at=recorded_at,
            policy=self._policy,
            sources=_furthest(self._head.header.sources, sources),
        )
        self._sealed.append(self._head)
        self._entries, self._bytes = [], 0

    def sealed(self, sources: Mapping[str, int]) -> list[Block]:
        """The blocks of the batch; an empty one where much was read and there was nothing to book."""
        if self._entries or _is_far(self._head.header.sources, sources):
            self._seal(sources)
        return self._sealed


def _furthest(known: Mapping[str, int], sources: Mapping[str, int]) -> dict[str, int]:
    """How far the inputs were read: a writer that was overtaken takes nothing back."""
    return {**known, **{name: max(offset, known.get(name, 0)) for name, offset in sources.items()}}


def _is_far(known: Mapping[str, int], sources: Mapping[str, int]) -> bool:
    return any(offset - known.get(name, 0) >= PROGRESS_EVENTS for name, offset in sources.items())


def _decoded(raw: bytes) -> Event | Refused:
    try:
        return event_of(raw)
    except Refused as refused:
        return refused


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
