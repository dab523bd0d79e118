"""Sealing: a range of blocks becomes a segment, checked on the way in, there whole or not at all."""

import asyncio
import tempfile
from collections.abc import Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from events.block import Block, Genesis
from events.days import text_of_moment
from services.archive.chunks import Chunk, block_at, chunks
from services.archive.manifests import (
    FORMAT,
    TABLES,
    Ledgers,
    Manifest,
    Segment,
    Table,
    file_name,
    manifest_bytes,
    manifest_of,
    software,
)
from services.archive.preparing import ALONE, Workers
from services.archive.segments import Writing, file_of, paths_in
from services.archive.stores import Store
from services.ledgers.port import Chains

Told = Callable[[int], None]
"""Is told how many entries were read so far."""
WORTH_ENTRIES: Final = 200_000
"""From how many entries on workers are asked: processes take a while to begin."""


class Range(Struct, frozen=True):
    """Blocks `from_height` to `until_height - 1` of a partition, which hold so many entries."""

    partition: int
    from_height: int
    until_height: int
    entries: int


async def sealed(
    ledger: Chains,
    store: Store,
    genesis: Genesis,
    wanted: Range,
    told: Told = lambda _: None,
    workers: Workers = ALONE,
) -> Manifest:
    """Seals a range of blocks of the ledger; doing so twice, or twice at once, changes nothing.

    Raises BlockDamaged for a ledger that is not what it was, LedgerError, ArchiveUnavailable, and what workers raise.
    """
    ledgers = await ledgers_of(ledger, genesis, wanted.partition)
    with tempfile.TemporaryDirectory(prefix="revledger-sealing-", ignore_cleanup_errors=True) as scratch:
        paths = paths_in(Path(scratch), "segment")
        with Writing(paths) as writing:
            segment, rows = await _written(ledger, ledgers, wanted, writing, told, workers)
            writing.tell(segment)
        manifest = await asyncio.to_thread(_manifest, segment, rows, paths)
        for table, path in paths.items():
            await store.put(manifest.files[table].name, path)
    await store.create(manifest.name, manifest_bytes(manifest))
    return manifest


async def ledgers_of(ledger: Chains, genesis: Genesis, partition: int) -> Ledgers:
    """Which ledger a partition belongs to; raises BlockDamaged, LedgerError."""
    first, own = await block_at(ledger, 0, 0), await block_at(ledger, partition, 0)
    return Ledgers(genesis.partitions, first.hash.hex(), own.hash.hex())


async def _written(
    ledger: Chains, ledgers: Ledgers, wanted: Range, writing: Writing, told: Told, workers: Workers
) -> tuple[Segment, dict[Table, int]]:
    """Reads, checks and writes the blocks; a chunk is written while the next is worked out."""
    summary = Summary()
    pending: asyncio.Future[None] | None = None
    span = (wanted.partition, wanted.from_height, wanted.until_height)
    by = workers if wanted.entries >= WORTH_ENTRIES else ALONE
    try:
        async with aclosing(chunks(ledger, *span, exactly=True, workers=by)) as found:
            async for chunk in found:
                if pending is not None:
                    await pending
                pending = asyncio.ensure_future(asyncio.to_thread(writing.write, chunk.columns))
                summary.add(chunk)
                told(summary.rows["entries"])
    finally:
        if pending is not None:
            await asyncio.wait([pending])  # nobody closes the files under it
    if pending is not None:
        await pending
    return summary.segment(ledgers), summary.rows


class Summary:
    """What the blocks of a segment come to."""

    def __init__(self) -> None:
        self.rows: dict[Table, int] = dict.fromkeys(TABLES, 0)
        self._newest: int | None = None
        self._first: Block | None = None
        self._last: Block | None = None

    def add(self, chunk: Chunk) -> None:
        """Counts blocks in."""
        self._first, self._last = self._first or chunk.first, chunk.last
        for table in TABLES:
            self.rows[table] += getattr(chunk.columns, table).num_rows
        newest = chunk.columns.newest_event
        self._newest = max((one for one in (self._newest, newest) if one is not None), default=None)

    def segment(self, ledgers: Ledgers) -> Segment:
        """What the manifest says of them."""
        assert self._first is not None, "a range has a block at least"
        assert self._last is not None, "the first is there"
        first, last = self._first.header, self._last.header
        return Segment(
            format=FORMAT,
            ledger=ledgers,
            partition=first.partition,
            from_height=first.height,
            until_height=last.height + 1,
            first_seq=first.first_seq,
            entries=self.rows["entries"],
            postings=self.rows["postings"],
            recorded_first=text_of_moment(first.recorded_at),
            recorded_last=text_of_moment(last.recorded_at),
            newest_event=None if self._newest is None else text_of_moment(self._newest),
            prev_hash=first.prev_hash.hex(),
            hash=self._last.hash.hex(),
            policy=last.policy,
            software=software(),
        )


def _manifest(segment: Segment, rows: Mapping[Table, int], paths: Mapping[Table, Path]) -> Manifest:
    files = {}
    for table, path in paths.items():
        file = file_of(path, "", rows[table])
        files[table] = msgspec.structs.replace(file, name=file_name(segment, table, file.sha256))
    return manifest_of(segment, files)
