"""Checking an archive: every manifest, every file, every row, and the ledger; what is wrong is named, all of it."""

import asyncio
import tempfile
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from pathlib import Path

from msgspec import Struct

from services.archive.catalogue import OtherLedger, catalogue
from services.archive.contents import check_contents
from services.archive.manifests import FOLDER, TABLES, ArchiveDamaged, Manifest, Table, manifest_in
from services.archive.reading import check_ends, check_reach
from services.archive.segments import check_file, check_size
from services.archive.stores import Store
from services.ledgers.port import Chains

Told = Callable[[int], None]
"""Is told how many bytes of files were checked so far."""


class Finding(Struct, frozen=True):
    """What is wrong with a file of an archive; `manifest` is that of its segment, empty where there is none."""

    file: str
    problem: str
    manifest: str
    is_of_other_ledger: bool


class Checked(Struct, frozen=True):
    """What was checked: the manifests that can be read, and what is wrong, in order of the segments."""

    manifests: list[Manifest]
    findings: list[Finding]

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(file.bytes for one in self.manifests for file in one.files.values())


async def checked_archive(store: Store, ledger: Chains, told: Told = lambda _: None) -> Checked:
    """All there is to be found wrong with an archive of a ledger; raises ArchiveUnavailable, LedgerError."""
    manifests, findings = await _manifests(store)
    if not findings:
        try:
            catalogue(store.place, manifests)
        except ArchiveDamaged as error:
            findings.append(_finding(error))
    done = 0
    for manifest in manifests:
        findings += await _of_segment(store, ledger, manifest)
        done += sum(file.bytes for file in manifest.files.values())
        told(done)
    return Checked(manifests, [*dict.fromkeys(findings)])


async def misfits(store: Store, manifests: Iterable[Manifest]) -> list[Finding]:
    """The files of these manifests that are missing or of another size; reads none. Raises ArchiveUnavailable."""
    sizes = {name: size for table in TABLES for name, size in (await store.sizes(table)).items()}
    findings: list[Finding] = []
    for manifest in manifests:
        for table in TABLES:
            try:
                check_size(sizes.get(manifest.files[table].name), manifest.files[table], store.place)
            except ArchiveDamaged as error:
                findings.append(_finding(error, manifest.name))
    return findings


async def _manifests(store: Store) -> tuple[list[Manifest], list[Finding]]:
    manifests: list[Manifest] = []
    findings: list[Finding] = []
    for name in await store.names(FOLDER):
        try:
            manifests.append(manifest_in(await store.read(name), store.place, name))
        except ArchiveDamaged as error:
            findings.append(_finding(error, name))
    return manifests, findings


async def _of_segment(store: Store, ledger: Chains, manifest: Manifest) -> list[Finding]:
    """What is wrong with a segment; its rows are looked at only if every file is the one that was sealed."""
    findings: list[Finding] = []
    async with AsyncExitStack() as stack:
        paths: dict[Table, Path] = {}
        for table in TABLES:
            try:
                paths[table] = await _fetched(store, manifest, table, stack)
                await asyncio.to_thread(check_file, paths[table], manifest, table, store.place)
            except ArchiveDamaged as error:
                findings.append(_finding(error, manifest.name))
        try:
            if not findings:
                await asyncio.to_thread(check_contents, paths, manifest, store.place)
                await check_reach(store.place, ledger, {manifest.segment.partition: [manifest]})
                await check_ends(store.place, ledger, manifest)
        except ArchiveDamaged as error:
            findings.append(_finding(error, manifest.name))
    return findings


async def _fetched(store: Store, manifest: Manifest, table: Table, stack: AsyncExitStack) -> Path:
    """A file on this machine: not a copy that was made before, of which nobody knows whether it is what is kept."""
    name = manifest.files[table].name
    path = store.path_of(name)
    if path is None:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="revledger-checking-"))
        path = Path(scratch) / "file.parquet"
        try:
            await store.fetch(name, path)
        except FileNotFoundError as error:
            raise ArchiveDamaged(store.place, name, "is missing") from error
    return path


def _finding(error: ArchiveDamaged, manifest: str = "") -> Finding:
    named = manifest or (error.name if error.name.startswith(FOLDER) else "")
    return Finding(error.name, error.problem, named, isinstance(error, OtherLedger))
