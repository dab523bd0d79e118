"""Blocks of a ledger in chunks that fit into memory, each checked against the one before and turned into columns."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Final

import msgspec
from msgspec import Raw, Struct

from events import block as blocks
from events.block import Block, BlockDamaged, Entry
from services.archive.columns import Columns, columns_of
from services.archive.manifests import TABLES, Table
from services.ledgers.port import Ledger, LedgerUnavailable, StoredBlock

CHUNK_ENTRIES: Final = 50_000
"""Entries that are turned into columns at once; memory grows with it."""
CHUNK_BYTES: Final = 64 * 1024 * 1024


_ENCODER: Final = msgspec.msgpack.Encoder()
_HEADED: Final = msgspec.msgpack.Decoder(tuple[bytes, Raw])


class Chunk(Struct, frozen=True):
    """Some blocks that follow one another, and their columns."""

    first: Block
    last: Block
    columns: Columns

    @property
    def entries(self) -> int:
        """How many entries the blocks have."""
        return self.columns.count


async def chunks(
    ledger: Ledger,
    partition: int,
    from_height: int,
    until_height: int,
    *,
    exactly: bool = False,
    names: Collection[Table] = TABLES,
) -> AsyncIterator[Chunk]:
    """The blocks `from_height` to `until_height - 1` of a partition, checked, and the tables named of them.

    `exactly`: also that the bytes of each are the ones that its header and entries make.
    Raises BlockDamaged, LedgerUnavailable if the ledger has not all of them, and other LedgerErrors.
    """
    before = await block_at(ledger, partition, from_height - 1) if from_height else None
    some: list[StoredBlock] = []
    entries = size = 0
    height = from_height
    async for stored in ledger.read(partition, from_height, until_height):
        some.append(stored)
        entries += stored.entries
        size += len(stored.data)
        height = stored.height + 1
        if entries >= CHUNK_ENTRIES or size >= CHUNK_BYTES:
            chunk = await asyncio.to_thread(_checked, some, before, names, exactly=exactly)
            yield chunk
            before, some, entries, size = chunk.last, [], 0, 0
    if some:
        yield await asyncio.to_thread(_checked, some, before, names, exactly=exactly)
    if height < until_height:
        problem = f"The ledger has no block {height} of partition {partition}, and had it before."
        raise LedgerUnavailable(problem, "Restore the ledger from a copy.")


async def block_at(ledger: Ledger, partition: int, height: int) -> Block:
    """One block; raises BlockDamaged, LedgerError."""
    async for stored in ledger.read(partition, height, height + 1):
        return blocks.block_of(stored.data)
    problem = f"The ledger has no block {height} of partition {partition}."
    raise LedgerUnavailable(problem, "It is not the one that was asked for, or it has lost blocks: restore it.")


def header_bytes(data: bytes) -> bytes:
    """The bytes of a block's header, whose SHA-256 is its hash."""
    return _HEADED.decode(data)[0]


def data_of(head: bytes, entries: Sequence[Entry]) -> bytes:
    """The bytes of a block, from those of its header and its entries."""
    return _ENCODER.encode((head, entries))


def _checked(
    some: Sequence[StoredBlock], before: Block | None, names: Collection[Table], *, exactly: bool
) -> Chunk:
    """Raises BlockDamaged."""
    read: list[Block] = []
    for stored in some:
        block = blocks.block_of(stored.data)
        header = block.header
        if (header.partition, header.height) != (stored.partition, stored.height):
            told = f"block {header.height} of partition {header.partition}"
            raise BlockDamaged(f"{told} is kept as block {stored.height} of partition {stored.partition}")
        blocks.check_next(before, block)
        blocks.check_entries(block)
        if exactly and data_of(header_bytes(block.data), block.entries) != block.data:
            raise BlockDamaged(f"block {header.height} is not spelt as it was sealed")
        read.append(block)
        before = block
    return Chunk(read[0], read[-1], columns_of(read, names))
