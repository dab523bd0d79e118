"""Where an event is in a ledger: by what the writer keeps of its account, else by looking through the blocks."""

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from events import block as blocks
from events.block import Block
from events.facts import key_of
from services.accounts import Reached, known_entry
from services.ledgers.port import Chains, StoredBlock


class _Named(Struct, gc=False):
    """The name of an event, without the rest."""

    source: str
    id: str


NEAR_ENTRIES: Final = 50_000
"""How many of the newest entries of a partition are looked at for events that may have been meant."""
NEAR_MAX: Final = 3


class NoSuchEvent(Exception):
    """The ledger has no event of this source and id; `near` are keys of newer ones that may have been meant."""

    def __init__(self, source: str, event_id: str, near: Iterable[str] = ()) -> None:
        meant = [f"source {key.partition(chr(10))[0]!r}, id {key.partition(chr(10))[2]!r}" for key in near]
        super().__init__(
            f"There is no event with source {source!r} and id {event_id!r} in the ledger. Both are taken exactly as"
            " they were sent, and one that was refused is in the dead letters."
            + (f" There is: {'; '.join(meant)}." if meant else "")
        )
        self.source = source
        self.event_id = event_id


class Located(Struct, frozen=True):
    """An entry: the block it is in, and its number in the partition."""

    block: Block
    seq: int

    @property
    def index(self) -> int:
        """Its place in the block."""
        return self.seq - self.block.header.first_seq


_NAMED: Final = msgspec.json.Decoder(_Named)
Looked = Callable[[int, int], None]
"""Told now and then while blocks are looked through: the partition, and the entries of it so far."""


def key_of_event(raw: bytes) -> str:
    """The key of the event in some bytes of the ledger; empty if they are damaged."""
    try:
        named = _NAMED.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    return key_of(named.source, named.id)


async def located(
    ledger: Chains,
    partitions: Iterable[int],
    source: str,
    event_id: str,
    *,
    accounts: Path | None = None,
    looked: Looked | None = None,
) -> Located:
    """The entry of an event; `accounts` is the file of the writer's accounts, for a ledger of one partition.

    Raises NoSuchEvent, and BlockDamaged or LedgerError where the ledger cannot be read.
    """
    key = key_of(source, event_id)
    begin = 0
    if accounts is not None:
        reached, seq = _known(accounts, key)
        stored = None if seq is None else await ledger.block_of(0, seq)
        found = None if stored is None else _in(stored, key)
        if found is not None:
            return found
        begin = await _begin(ledger, reached) if seq is None else 0
    for partition in partitions:
        async with aclosing(ledger.read(partition, begin)) as reading:  # type: ignore[type-var]
            async for stored in reading:
                found = _in(stored, key)
                if found is not None:
                    return found
                if looked is not None:
                    looked(partition, stored.end_seq)
    raise NoSuchEvent(source, event_id, await _near(ledger, partitions, event_id))


async def _near(ledger: Chains, partitions: Iterable[int], event_id: str) -> list[str]:
    """Keys of newer events whose ids differ in the source, in blanks or in small and large letters alone."""
    found: list[str] = []
    meant = event_id.strip().casefold()
    for partition in partitions:
        tail = await ledger.tail(partition)
        first = None if tail is None else await ledger.block_of(partition, max(0, tail.end_seq - NEAR_ENTRIES))
        async with aclosing(ledger.read(partition, 0 if first is None else first.height)) as reading:  # type: ignore[type-var]
            async for stored in reading:
                keys = (key_of_event(entry.event) for entry in blocks.block_of(stored.data).entries)
                found += [key for key in keys if key.partition("\n")[2].strip().casefold() == meant]
                if len(found) >= NEAR_MAX:
                    return found[:NEAR_MAX]
    return found


def _known(accounts: Path, key: str) -> tuple[Reached, int | None]:
    """What the writer keeps; of a file that is not there or cannot be read, nothing."""
    try:
        return known_entry(accounts, 0, key)
    except (sqlite3.Error, msgspec.MsgspecError):
        return Reached(), None


async def _begin(ledger: Chains, reached: Reached) -> int:
    """The first block that may hold what the writer has not kept yet."""
    if reached.height < 0:
        return 0
    async for stored in ledger.read(0, reached.height, reached.height + 1):
        if stored.hash == reached.hash:
            return reached.height + 1
    return 0


def _in(stored: StoredBlock, key: str) -> Located | None:
    """The event in a block, if it is there."""
    block = blocks.block_of(stored.data)
    for seq, entry in enumerate(block.entries, block.header.first_seq):
        if key_of_event(entry.event) == key:
            return Located(block, seq)
    return None
