"""Redacting an archive: segments that still hold text which was taken out of the ledger are sealed again without it."""

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from events.block import Genesis
from services.archive.catalogue import catalogue_of
from services.archive.manifests import Manifest
from services.archive.planning import missing_range
from services.archive.sealing import sealed
from services.archive.stores import Store
from services.ledgers.port import Chains


async def redact_archive(
    ledger: Chains, store: Store, genesis: Genesis, noted: Mapping[int, Sequence[int]]
) -> list[Manifest]:
    """Seals again what holds the text of redacted entries, and removes what was there; the segments concerned.

    `noted`: partition -> numbers of entries that had text taken out. Doing so twice changes nothing, and what was
    killed in the midst is finished. Raises ArchiveDamaged, ArchiveUnavailable, LedgerError.
    """
    found = await catalogue_of(store)
    concerned = []
    for manifest in [*found.manifests, *found.superseded]:
        segment = manifest.segment
        inside = [seq for seq in noted.get(segment.partition, ()) if segment.first_seq <= seq < segment.end_seq]
        if inside and await _holds_text(store, manifest, inside):
            concerned.append(manifest)
    for manifest in concerned:
        segment = manifest.segment
        wanted = await missing_range(ledger, segment.partition, segment.from_height, segment.until_height)
        new = await sealed(ledger, store, genesis, wanted)
        await _remove(store, manifest, new)
    return concerned


async def _holds_text(store: Store, manifest: Manifest, seqs: Sequence[int]) -> bool:
    """Whether an entry of these is kept as it was received; of a file that is gone, nobody knows."""
    name = manifest.files["entries"].name
    with tempfile.TemporaryDirectory(prefix="revledger-redacting-", ignore_cleanup_errors=True) as scratch:
        path = store.path_of(name) or Path(scratch, "entries.parquet")
        try:
            if store.path_of(name) is None:
                await store.fetch(name, path)
            return await asyncio.to_thread(_is_whole, path, set(seqs))
        except FileNotFoundError:
            return True


def _is_whole(path: Path, seqs: set[int]) -> bool:
    """Whether one of the entries in a file has had nothing taken out."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=["seq", "original"]):
            kept = batch.column("seq").filter(pc.is_null(batch.column("original")))
            if not seqs.isdisjoint(kept.to_pylist()):
                return True
    return False


async def _remove(store: Store, old: Manifest, new: Manifest) -> None:
    """Removes a segment that another takes the place of: its manifest last, so that it is found again until then."""
    if old.name == new.name:
        return
    kept = {file.name for file in new.files.values()}
    for file in old.files.values():
        if file.name not in kept:
            await store.remove(file.name)
    await store.remove(old.name)
