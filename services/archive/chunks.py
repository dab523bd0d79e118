"""Blocks of a ledger in chunks that fit into memory, each checked against the one before and turned into columns."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from typing import Final

from msgspec import Struct

from events import block as blocks
from events.block import Block
from services.archive.columns import Columns
from services.archive.manifests import TABLES, Table
from services.archive.preparing import ALONE, Job, Workers
from services.ledgers.port import Chains, LedgerUnavailable, StoredBlock

CHUNK_ENTRIES: Final = 50_000
"""Entries that are turned into columns at once; memory grows with it."""
CHUNK_BYTES: Final = 64 * 1024 * 1024


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
    ledger: Chains,
    partition: int,
    from_height: int,
    until_height: int,
    *,
    exactly: bool = False,
    names: Collection[Table] = TABLES,
    workers: Workers = ALONE,
) -> AsyncGenerator[Chunk, None]:
    """The blocks `from_height` to `until_height - 1` of a partition, checked, and the tables named of them.

    `exactly`: also that the bytes of each are the ones that its header and entries make.
    Raises BlockDamaged, LedgerUnavailable if the ledger has not all of them, other LedgerErrors, and what the workers
    raise. Whoever does not take all of them closes it.
    """
    before = await _stored_at(ledger, partition, from_height - 1) if from_height else None
    height = from_height
    begun: deque[asyncio.Task[Chunk]] = deque()
    try:
        async for some in _groups(ledger, partition, from_height, until_height):
            if len(begun) == workers.ahead:
                yield await begun.popleft()
            begun.append(asyncio.create_task(_chunk(Job(some, before, [*names], exactly), workers)))
            before, height = some[-1], some[-1].height + 1
        while begun:
            yield await begun.popleft()
    finally:
        for one in begun:
            one.cancel()
        await asyncio.gather(*begun, return_exceptions=True)  # the first that failed was raised
    if height < until_height:
        problem = f"The ledger has no block {height} of partition {partition}, and had it before."
        raise LedgerUnavailable(problem, "Restore the ledger from a copy.")


async def _groups(
    ledger: Chains, partition: int, from_height: int, until_height: int
) -> AsyncIterator[list[StoredBlock]]:
    """The blocks as they are kept, so many at once as make a chunk."""
    some: list[StoredBlock] = []
    entries = size = 0
    async for stored in ledger.read(partition, from_height, until_height):
        some.append(stored)
        entries += stored.entries
        size += len(stored.data)
        if entries >= CHUNK_ENTRIES or size >= CHUNK_BYTES:
            yield some
            some, entries, size = [], 0, 0
    if some:
        yield some


async def _chunk(job: Job, workers: Workers) -> Chunk:
    columns = await workers.prepare(job)
    first, last = (blocks.block_of(job.blocks[at].data) for at in (0, -1))
    return Chunk(first, last, columns)


async def block_at(ledger: Chains, partition: int, height: int) -> Block:
    """One block; raises BlockDamaged, LedgerError."""
    return blocks.block_of((await _stored_at(ledger, partition, height)).data)


async def _stored_at(ledger: Chains, partition: int, height: int) -> StoredBlock:
    async for stored in ledger.read(partition, height, height + 1):
        return stored
    problem = f"The ledger has no block {height} of partition {partition}."
    raise LedgerUnavailable(problem, "It is not the one that was asked for, or it has lost blocks: restore it.")
