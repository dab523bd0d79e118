"""An archive opened to be read: its files on this machine, each checked before it is used for an answer."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Final
from uuid import uuid4

from events.days import moment_of_text
from services.archive.catalogue import Catalogue, OtherLedger, catalogue_of
from services.archive.chunks import block_at
from services.archive.manifests import TABLES, ArchiveDamaged, Manifest, Table
from services.archive.remembering import check_once
from services.archive.stores import Store, store_of
from services.archive.tables import Files, Heights, Tables, Told, ledger_tables
from services.ledgers.port import Chains
from services.settings import Settings

FETCHES_MAX: Final = 4
"""How many files are fetched or hashed at once."""
CACHE: Final = "archive-cache"
"""The folder of the data directory with copies of what is kept in an object store."""


class Archive:
    """The segments of a ledger, as they were when it was opened."""

    def __init__(self, store: Store, catalogue: Catalogue, cache: Path) -> None:
        self._store = store
        self._cache = cache
        self._limit = asyncio.Semaphore(FETCHES_MAX)
        self.catalogue = catalogue

    @property
    def place(self) -> str:
        """Where it is kept."""
        return self._store.place

    async def files(self, heights: Heights | None = None, names: Sequence[Table] = TABLES) -> list[Files]:
        """The files of all segments, or of those that hold blocks up to some heights: checked, if `names` has them.

        Also checked are the entries of a segment that the heights split, from which the time of the newest is read.
        Raises ArchiveDamaged for a file that is missing, truncated or altered, or a manifest that lies;
        ArchiveUnavailable.
        """
        wanted = [one for one in self.catalogue.manifests if _is_needed(one, heights)]
        files = [self._files(one) for one in wanted]
        checks = [self.checked(one, table) for one in wanted for table in TABLES if table in names]
        if heights is not None and "entries" not in names:
            checks += [self.checked(one, "entries") for one in wanted if self._files(one).is_split(heights)]
        await asyncio.gather(*checks)
        return files

    def _files(self, of: Manifest) -> Files:
        segment = of.segment
        paths = {table: self._path(of, table) for table in TABLES}
        newest = None if segment.newest_event is None else moment_of_text(segment.newest_event)
        return Files(segment.partition, segment.from_height, segment.until_height, **paths, newest_event=newest)

    async def checked(self, manifest: Manifest, table: Table) -> Path:
        """A file of a segment on this machine, fetched if need be, and what its manifest says."""
        path = self._path(manifest, table)
        async with self._limit:
            if self._store.path_of(manifest.files[table].name) is None:
                with suppress(ArchiveDamaged):  # a copy that has suffered is fetched again
                    await asyncio.to_thread(check_once, path, manifest, table, self.place)
                    return path
                await self._fetch(manifest.files[table].name, path)
            await asyncio.to_thread(check_once, path, manifest, table, self.place)
        return path

    async def check_ledger(self, ledger: Chains) -> None:
        """Raises ArchiveDamaged unless the segments end with blocks that the ledger has at their heights.

        OtherLedger: they are those of another ledger, or the ledger has lost blocks. Raises LedgerError.
        """
        await check_reach(self.place, ledger, self.catalogue.chains)
        for manifest in self.catalogue.manifests:
            await check_ends(self.place, ledger, manifest)

    def _path(self, manifest: Manifest, table: Table) -> Path:
        name = manifest.files[table].name
        return self._store.path_of(name) or self._cache / name

    async def _fetch(self, name: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{uuid4().hex}.partial")
        try:
            await self._store.fetch(name, partial)
            partial.replace(path)
        except FileNotFoundError as error:
            raise ArchiveDamaged(self.place, name, "is missing") from error
        finally:
            partial.unlink(missing_ok=True)

    def forget(self) -> None:
        """Removes copies of what is no longer in the archive, such as text that was redacted."""
        kept = {self._cache / file.name for one in self.catalogue.manifests for file in one.files.values()}
        for path in self._cache.glob("*/*.parquet"):
            if path not in kept:
                path.unlink(missing_ok=True)


_OTHER: Final = "name the archive of this ledger with REVLEDGER_ARCHIVE or --to"
_SHORTER: Final = "this is another ledger, or it has lost blocks: restore it from a copy, or name its own archive"


async def check_reach(place: str, ledger: Chains, chains: Mapping[int, Sequence[Manifest]]) -> None:
    """Raises OtherLedger if segments reach further than the ledger; LedgerError."""
    for partition, chain in chains.items():
        tail = await ledger.tail(partition)
        until = chain[-1].segment.until_height
        if tail is None or tail.height < until - 1:
            has = "none" if tail is None else f"{tail.height}"
            problem = f"holds block {until - 1} of partition {partition}, and the last of the ledger is {has}"
            raise OtherLedger(place, chain[-1].name, problem, _SHORTER)


async def check_ends(place: str, ledger: Chains, manifest: Manifest) -> None:
    """Raises ArchiveDamaged unless a segment begins and ends with blocks that the ledger has; LedgerError."""
    segment = manifest.segment
    own = await block_at(ledger, segment.partition, 0)
    first = await block_at(ledger, segment.partition, segment.from_height)
    last = await block_at(ledger, segment.partition, segment.until_height - 1)
    if own.hash.hex() != segment.ledger.own:
        raise OtherLedger(place, manifest.name, "is of another ledger than the one it is read with", _OTHER)
    due = (first.header.prev_hash.hex(), first.header.first_seq, last.hash.hex(), last.next_seq, last.header.policy)
    if due != (segment.prev_hash, segment.first_seq, segment.hash, segment.end_seq, segment.policy):
        problem = f"says other things than the ledger about its blocks {segment.from_height}"
        raise ArchiveDamaged(place, manifest.name, f"{problem} to {segment.until_height - 1}")


def _is_needed(manifest: Manifest, heights: Heights | None) -> bool:
    segment = manifest.segment
    return heights is None or segment.from_height <= heights.get(segment.partition, -1)


async def opened_archive(location: str, data: Path) -> Archive:
    """The archive at a location; copies of what is elsewhere are kept in the data directory.

    A place where nothing was ever sealed is an archive without segments. Raises ArchiveDamaged, ArchiveUnavailable.
    """
    store = store_of(location)
    cache = data / CACHE / sha256(location.encode()).hexdigest()[:16]
    archive = Archive(store, await catalogue_of(store), cache)
    await asyncio.to_thread(archive.forget)
    return archive


@asynccontextmanager
async def archived_tables(
    settings: Settings,
    ledger: Chains,
    heights: Heights,
    names: Sequence[Table] = ("postings",),
    told: Told = lambda _: None,
) -> AsyncIterator[Tables]:
    """The tables named up to some heights, from the archive of the settings and, beyond it, from the ledger.

    Raises ArchiveDamaged, ArchiveUnavailable, BlockDamaged, LedgerError.
    """
    sealed: Sequence[Files] = ()
    if settings.archive_location:
        archive = await opened_archive(settings.archive_location, settings.data)
        await archive.check_ledger(ledger)
        sealed = await archive.files(heights, names)
    async with ledger_tables(ledger, heights, sealed, told, names) as tables:
        yield tables
