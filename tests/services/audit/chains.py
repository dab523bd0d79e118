"""Ledgers to be audited: real ones in memory, and what somebody with write access may have made of them."""

import json
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from events import block as blocks
from events.account import Account, Booking, book
from events.block import Block, Entry
from events.envelope import event_of
from events.policy import DEFAULT_RULES, Policy
from services.accounts import Accounts
from services.audit.verifying.findings import Finding, Verified
from services.audit.verifying.partition import Task, verified_partition
from services.audit.verifying.state import State
from services.ledgers.memory import memory_ledger
from services.ledgers.port import StoredBlock
from services.writer import Submitted, Writer, stored

BEGAN = 1_700_000_000_000_000


class Kept:
    """Blocks of one partition just as they lie there, whatever was done to them."""

    def __init__(self, chain: Iterable[StoredBlock]) -> None:
        self.chain = list(chain)

    async def tail(self, partition: int) -> StoredBlock | None:
        del partition
        return self.chain[-1] if self.chain else None

    async def read(
        self, partition: int, from_height: int = 0, until_height: int | None = None
    ) -> AsyncIterator[StoredBlock]:
        del partition
        for one in sorted(self.chain, key=lambda one: one.height):
            if from_height <= one.height and (until_height is None or one.height < until_height):
                yield one

    async def follow(self, partition: int, from_height: int) -> AsyncIterator[StoredBlock]:
        async for one in self.read(partition, from_height):
            yield one

    async def block_of(self, partition: int, seq: int) -> StoredBlock | None:
        del partition
        place = bisect_right(self.chain, seq, key=lambda one: one.first_seq) - 1
        return self.chain[place] if place >= 0 and seq < self.chain[place].end_seq else None

    async def forks(self, partition: int) -> int:
        del partition
        return 0

    async def close(self) -> None:
        self.chain.clear()


async def chain_of(events: Sequence[dict[str, Any] | bytes], *, a_block: int = 5) -> list[StoredBlock]:
    """The blocks of a ledger with these events, so many in each, recorded a second apart."""
    ledger = memory_ledger()
    writer = Writer(ledger, Accounts(None, 0, 1_000), Policy(), None)
    await writer.start()
    for number, start in enumerate(range(0, len(events), a_block)):
        raws = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in events[start : start + a_block]]
        outcomes = await writer.write([Submitted(raw, BEGAN + number * 1_000_000) for raw in raws])
        assert not [one for one in outcomes if one.status == "refused"], outcomes
    await writer.close()
    return [one async for one in ledger.read(0)]


async def verified_of(chain: Iterable[StoredBlock], **task: Any) -> Verified:
    """What verifying some blocks gives."""
    state = State(None, 0, 10_000)
    try:
        return await verified_partition(Kept(chain), Task(0, **task), state)
    finally:
        state.close()


async def findings_of(chain: Iterable[StoredBlock], **task: Any) -> list[Finding]:
    """What is found wrong with some blocks."""
    return (await verified_of(chain, **task)).findings


def resealed(
    chain: Sequence[StoredBlock], height: int, change: Callable[[Block], Sequence[Entry]]
) -> list[StoredBlock]:
    """A chain in which the entries of a block were exchanged, and every hash from there on made good again."""
    before: Block | None = None
    made: list[StoredBlock] = []
    for one in chain:
        block = blocks.block_of(one.data)
        header = block.header
        before = blocks.seal(
            before,
            change(block) if header.height == height else block.entries,
            partition=header.partition,
            recorded_at=header.recorded_at,
            policy=header.policy,
            sources=header.sources,
            genesis=header.genesis,
            adopts=header.adopts,
        )
        made.append(stored(before))
    return made


def rebooked(entries: Sequence[Entry], change: Callable[[bytes], bytes]) -> list[Entry]:
    """Entries with their events changed, each booked by itself as if nothing had been before it."""
    made: list[Entry] = []
    for entry in entries:
        raw = change(entry.event)
        event = event_of(raw)
        booking = book(Account(event.subject), event, blocks.booking_of(entry).seq, DEFAULT_RULES)
        assert isinstance(booking, Booking)
        made.append(blocks.entry_of(raw, booking))
    return made


def with_column(chain: Sequence[StoredBlock], at: int, **columns: Any) -> list[StoredBlock]:
    """A chain with what is kept beside one block changed."""
    return [replace(one, **columns) if one.height == at else one for one in chain]


def with_data(chain: Sequence[StoredBlock], height: int, spot: int, byte: int) -> list[StoredBlock]:
    """A chain with one byte of one block set to another."""
    data = chain[height].data
    return with_column(chain, height, data=data[:spot] + bytes([byte]) + data[spot + 1 :])
