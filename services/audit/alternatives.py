"""Alternatives: the tables of a ledger as another policy would have booked it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec.structs import replace

from events.account import Booking
from events.block import Block, Genesis, entry_of
from events.policy import Policy
from services.archive.chunks import CHUNK_ENTRIES
from services.archive.columns import columns_of
from services.archive.segments import paths_in, write_columns
from services.archive.tables import Files, Told, ledger_tables
from services.audit.asking import NAMES, Asked
from services.audit.rebooking import rebooked
from services.ledgers.port import Chains
from services.moments import Known


@asynccontextmanager
async def asking_under(
    policy: Policy, ledger: Chains, genesis: Genesis, known: Known, told: Told = lambda _: None
) -> AsyncIterator[Asked]:
    """The tables of all that was known, every event booked again under a policy; the ledger is only read.

    Raises NotBookable, BlockDamaged, LedgerError.
    """
    with TemporaryDirectory(prefix="revledger-rebooked-", ignore_cleanup_errors=True) as scratch:
        files: list[Files] = []
        done = 0
        for partition, height in known.heights.items():
            async for one, entries in _files(policy, ledger, partition, height + 1, Path(scratch)):
                files.append(one)
                done += entries
                told(done)
        async with ledger_tables(ledger, known.heights, files, names=NAMES) as tables:
            yield Asked(ledger, replace(genesis, policy=policy), tables)


async def _files(
    policy: Policy, ledger: Chains, partition: int, until: int, scratch: Path
) -> AsyncIterator[tuple[Files, int]]:
    """Files of the blocks of a partition, a chunk each, and how many entries each has."""
    if not until:
        return
    chunk: list[Block] = []
    entries = 0
    async with aclosing(rebooked(ledger, partition, policy, until, directory=scratch)) as booked:
        async for block, bookings in booked:
            chunk.append(_booked(block, bookings))
            entries += len(bookings)
            if entries >= CHUNK_ENTRIES:
                yield await asyncio.to_thread(_written, chunk, scratch), entries
                chunk, entries = [], 0
    if chunk:
        yield await asyncio.to_thread(_written, chunk, scratch), entries


def _booked(block: Block, bookings: list[Booking]) -> Block:
    """The block as if its entries had been booked so; its header and hash stay those of the ledger."""
    pairs = zip(block.entries, bookings, strict=True)
    return replace(block, entries=[entry_of(entry.event, booking) for entry, booking in pairs])


def _written(chunk: list[Block], scratch: Path) -> Files:
    header, until = chunk[0].header, chunk[-1].header.height + 1
    paths = paths_in(scratch, f"{header.partition}-{header.height}")
    columns = columns_of(chunk)
    write_columns(columns, paths)
    return Files(header.partition, header.height, until, **paths, newest_event=columns.newest_event)
