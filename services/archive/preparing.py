"""Preparing: blocks as they are kept are checked, each against the one before, and turned into columns."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from events import block as blocks
from events.block import Block, BlockDamaged
from services.archive.columns import Columns, columns_of
from services.archive.manifests import Table
from services.ledgers.port import StoredBlock


class Job(Struct, frozen=True):
    """Blocks that follow one another and the one before them, the tables wanted, and whether to check every byte."""

    blocks: list[StoredBlock]
    before: StoredBlock | None
    names: list[Table]
    exactly: bool


class Workers(Struct, frozen=True):
    """Who does jobs, and how many jobs they are to be given before the first is done."""

    prepare: Callable[[Job], Awaitable[Columns]]
    ahead: int


def prepared(job: Job) -> Columns:
    """The columns of the blocks of a job; raises BlockDamaged."""
    before = None if job.before is None else blocks.block_of(job.before.data)
    read: list[Block] = []
    for stored in job.blocks:
        block = blocks.block_of(stored.data)
        header = block.header
        if (header.partition, header.height) != (stored.partition, stored.height):
            told = f"block {header.height} of partition {header.partition}"
            raise BlockDamaged(f"{told} is kept as block {stored.height} of partition {stored.partition}")
        blocks.check_next(before, block)
        blocks.check_entries(block)
        if job.exactly and blocks.data_of(blocks.header_bytes(block.data), block.entries) != block.data:
            raise BlockDamaged(f"block {header.height} is not spelt as it was sealed")
        read.append(block)
        before = block
    return columns_of(read, job.names)


async def _in_a_thread(job: Job) -> Columns:
    return await asyncio.to_thread(prepared, job)


ALONE: Final = Workers(_in_a_thread, 1)
"""A thread of this process: two would only take turns."""
