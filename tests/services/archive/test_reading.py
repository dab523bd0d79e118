"""Reading: whatever is wrong with an archive is an error that names the file, never another figure."""

import asyncio
import random
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from obstore.store import MemoryStore

from services.archive.catalogue import OtherLedger, catalogue_of
from services.archive.manifests import (
    KEY,
    TABLES,
    ArchiveDamaged,
    Manifest,
    file_name,
    manifest_bytes,
    manifest_in,
    manifest_of,
)
from services.archive.reading import Archive, archived_tables, opened_archive
from services.archive.segments import sha256_of
from services.archive.stores import Objects, store_of
from services.archive.tables import ledger_tables
from services.ledgers.port import Ledger
from services.settings import settings_from
from tests.services.archive.books import EVENTS, ledger_with, seal_all
from tests.services.running import asynchronous

FLIPS = 48
SUM = "SELECT count(*), sum(amount_e4) FROM postings"


def sealed_in(place: Path) -> list[Manifest]:
    """An archive of three segments."""

    async def seal() -> list[Manifest]:
        return await seal_all(await ledger_with(), store_of(str(place)), 2)

    return asyncio.run(seal())


def read_all(place: Path) -> None:
    """Opens an archive and checks all it has."""

    async def read() -> None:
        await (await opened_archive(str(place), place)).files()

    asyncio.run(read())


def all_files(place: Path) -> list[Path]:
    """Manifests and Parquet files."""
    return sorted(path for folder in ("manifests", *TABLES) for path in (place / folder).iterdir())


def test_every_flipped_byte_is_found_and_the_file_named(tmp_path: Path) -> None:
    sealed_in(tmp_path)
    chance = random.Random(4)
    files = all_files(tmp_path)
    for turn in range(FLIPS):
        path = files[turn % len(files)]
        whole = path.read_bytes()
        place = chance.randrange(len(whole))
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << chance.randrange(8))]) + whole[place + 1 :])
        with pytest.raises(ArchiveDamaged, match=path.name) as found:
            read_all(tmp_path)
        assert found.value.name == f"{path.parent.name}/{path.name}"
        path.write_bytes(whole)
    read_all(tmp_path)


@pytest.mark.parametrize("table", TABLES)
def test_a_file_that_is_missing_cut_grown_or_swapped_is_named(table: str, tmp_path: Path) -> None:
    sealed_in(tmp_path)
    first, second = sorted((tmp_path / table).iterdir())[:2]
    one, two = first.read_bytes(), second.read_bytes()

    def wrong(problem: str) -> None:
        with pytest.raises(ArchiveDamaged, match=f"{first.name} in the archive .* {problem}"):
            read_all(tmp_path)

    first.unlink()
    wrong("is missing")
    for data, problem in ((one[:-1], "is truncated"), (b"", "is truncated"), (one + b"x", "was altered")):
        first.write_bytes(data)
        wrong(problem)
    first.write_bytes(two)
    wrong("(was altered|is truncated)")
    first.write_bytes(one)
    read_all(tmp_path)


def test_a_manifest_that_is_missing_or_renamed_is_named(tmp_path: Path) -> None:
    manifests = sealed_in(tmp_path)
    first, second, _ = [tmp_path / one.name for one in manifests]
    data = first.read_bytes()
    first.unlink()
    with pytest.raises(ArchiveDamaged, match=f"segment 0000-000000000000-.* is missing.*{second.name}"):
        read_all(tmp_path)
    renamed = first.with_name(first.name.replace("-000000000003-", "-000000000004-"))
    renamed.write_bytes(data)
    with pytest.raises(ArchiveDamaged, match=f"{renamed.name} .* lies: by what it says, its name is"):
        read_all(tmp_path)
    renamed.unlink()
    second.write_bytes(data)
    with pytest.raises(ArchiveDamaged, match=second.name):
        read_all(tmp_path)


LIES: list[tuple[str, Any]] = [
    ("ledger.first", "00" * 32),
    ("ledger.own", "00" * 32),
    ("ledger.partitions", 2),
    ("partition", 1),
    ("from_height", 4),
    ("until_height", 6),
    ("first_seq", 3),
    ("entries", 3),
    ("postings", 3),
    ("recorded_first", "2026-01-01T00:00:00Z"),
    ("recorded_last", "2036-01-01T00:00:00Z"),
    ("newest_event", None),
    ("prev_hash", "11" * 32),
    ("hash", "00" * 32),
    ("policy", "default@2:44136fa3"),
    ("software", "revledger 9.9.9"),
]


@pytest.mark.parametrize(("field", "value"), LIES)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_manifest_that_lies_with_a_right_digest_is_found(field: str, value: Any, place: int, tmp_path: Path) -> None:
    manifest = sealed_in(tmp_path)[place]
    lie = _lying(manifest, field, value)
    (tmp_path / manifest.name).unlink()
    (tmp_path / lie.name).write_bytes(manifest_bytes(lie))
    for table, file in manifest.files.items():
        (tmp_path / file.name).rename(tmp_path / lie.files[table].name)
    with pytest.raises(ArchiveDamaged):
        read_all(tmp_path)


def _lying(manifest: Manifest, field: str, value: Any) -> Manifest:
    document: Any = msgspec.to_builtins(manifest)
    *path, last = field.split(".")
    inner = document["segment"]
    for name in path:
        inner = inner[name]
    assert inner[last] != value
    inner[last] = value
    segment = msgspec.convert(document["segment"], type(manifest.segment))
    files = {
        table: msgspec.structs.replace(file, name=file_name(segment, table, file.sha256))
        for table, file in manifest.files.items()
    }
    return manifest_of(segment, files)


@pytest.mark.parametrize(("field", "value"), [("rows", 7), ("bytes", 7), ("sha256", "00" * 32)])
@pytest.mark.parametrize("table", TABLES)
def test_a_manifest_that_lies_about_a_file_is_found(field: str, value: Any, table: Any, tmp_path: Path) -> None:
    manifest = sealed_in(tmp_path)[1]
    changed = msgspec.structs.replace(manifest.files[table], **{field: value})
    changed = msgspec.structs.replace(changed, name=file_name(manifest.segment, table, changed.sha256))
    lie = manifest_of(manifest.segment, {**manifest.files, table: changed})
    (tmp_path / manifest.name).unlink()
    (tmp_path / lie.name).write_bytes(manifest_bytes(lie))
    (tmp_path / manifest.files[table].name).rename(tmp_path / changed.name)
    with pytest.raises(ArchiveDamaged):
        read_all(tmp_path)


@pytest.mark.parametrize("change", ["fewer rows", "other heights"])
def test_files_made_up_to_fit_a_manifest_are_found_by_their_rows(change: str, tmp_path: Path) -> None:
    """Whoever forges file, hash and digest still has to tell how many rows there are, and between which heights."""
    manifest = sealed_in(tmp_path)[1]
    path = tmp_path / manifest.files["postings"].name
    table = pq.read_table(path)
    if change == "fewer rows":
        table = table.slice(1)
    else:
        table = table.set_column(1, "height", [[99] * table.num_rows])
    path.unlink()
    pq.write_table(table.replace_schema_metadata({KEY: msgspec.json.encode(manifest.segment)}), path)
    digest = sha256_of(path)
    name = file_name(manifest.segment, "postings", digest)
    path.rename(tmp_path / name)
    file = msgspec.structs.replace(
        manifest.files["postings"], name=name, sha256=digest, bytes=(tmp_path / name).stat().st_size
    )
    lie = manifest_of(manifest.segment, {**manifest.files, "postings": file})
    (tmp_path / manifest.name).unlink()
    (tmp_path / lie.name).write_bytes(manifest_bytes(lie))
    with pytest.raises(ArchiveDamaged, match=r"lies: (its file of postings has|height runs from 99)"):
        read_all(tmp_path)


async def _checked(place: Path, ledger: Ledger) -> None:
    await (await opened_archive(str(place), place)).check_ledger(ledger)


@asynchronous
async def test_the_archive_of_another_ledger_is_found(tmp_path: Path) -> None:
    ours, theirs = await ledger_with(), await ledger_with([*EVENTS, *EVENTS[:0]])
    await seal_all(ours, store_of(str(tmp_path)), 2)
    await _checked(tmp_path, ours)
    with pytest.raises(OtherLedger, match="is of another ledger than the one it is read with"):
        await _checked(tmp_path, theirs)
    with pytest.raises(OtherLedger, match=r"holds block 6 .* the last of the ledger is 2"):
        await _checked(tmp_path, await ledger_with(EVENTS[:2]))


@asynchronous
async def test_segments_of_two_ledgers_in_one_place_are_found(tmp_path: Path) -> None:
    for name in ("one", "two"):
        await seal_all(await ledger_with(), store_of(str(tmp_path / name)), 2)
    await asyncio.to_thread(shutil.copytree, tmp_path / "two", tmp_path / "one", dirs_exist_ok=True)
    with pytest.raises(OtherLedger, match="belongs to another ledger"):
        await opened_archive(str(tmp_path / "one"), tmp_path)


@asynchronous
async def test_copies_of_remote_files_are_checked_fetched_again_and_forgotten(tmp_path: Path) -> None:
    ledger, store = await ledger_with(), Objects(MemoryStore(), "memory")
    manifests = await seal_all(ledger, store, 2)
    archive = Archive(store, await catalogue_of(store), tmp_path / "cache")
    files = await archive.files({0: 4}, ["postings"])
    assert [one.from_height for one in files] == [0, 3]
    kept = sorted((tmp_path / "cache").rglob("*.parquet"))
    assert kept == sorted(one.postings for one in files)
    kept[0].write_bytes(b"suffered")
    assert await archive.files({0: 4}, ["postings"]) == files
    archive.forget()
    assert kept[0].exists()
    await store.remove(manifests[0].files["postings"].name)
    assert await archive.files({0: 4}, ["postings"]) == files, "a copy that is right will do"
    kept[0].unlink()
    with pytest.raises(ArchiveDamaged, match="is missing"):
        await archive.files({0: 4}, ["postings"])
    await store.remove(manifests[2].name)
    stale = tmp_path / "cache" / "entries" / "of-old.parquet"
    stale.parent.mkdir(exist_ok=True)
    stale.write_bytes(b"redacted since")
    Archive(store, await catalogue_of(store), tmp_path / "cache").forget()
    assert not stale.exists()


@asynchronous
async def test_a_manifest_read_back_is_the_one_written(tmp_path: Path) -> None:
    store = store_of(str(tmp_path))
    for manifest in await seal_all(await ledger_with(), store, 2):
        assert manifest_in(await store.read(manifest.name), store.place, manifest.name) == manifest


@asynchronous
async def test_tables_are_of_the_archive_and_of_the_tail(tmp_path: Path) -> None:
    ledger = await ledger_with()
    settings = settings_from({"REVLEDGER_DATA": str(tmp_path)})
    async with archived_tables(settings, ledger, {0: 6}) as tables:
        rows = await tables.rows(SUM)
    await seal_all(await _shorter(ledger), store_of(settings.archive_location), 2)
    async with archived_tables(settings, ledger, {0: 6}) as tables:
        assert await tables.rows(SUM) == rows


async def _shorter(ledger: Ledger) -> Any:
    """The same ledger as it was with five blocks."""

    class Shorter:
        def __getattr__(self, name: str) -> Any:
            return getattr(ledger, name)

        async def tail(self, partition: int) -> Any:
            return await anext(ledger.read(partition, 4, 5))

    return Shorter()


@asynchronous
async def test_the_newest_event_is_told_without_reading_entries(tmp_path: Path) -> None:
    """From manifests, and from the entries of the one segment that the heights split, which are checked for it."""
    ledger = await ledger_with()
    settings = settings_from({"REVLEDGER_DATA": str(tmp_path)})
    manifests = await seal_all(await _shorter(ledger), store_of(settings.archive_location), 2)
    expected: dict[int, int] = {}
    for height in range(-1, 7):
        async with ledger_tables(ledger, {0: height}, names=TABLES) as tables:
            ((newest,),) = await tables.rows("SELECT coalesce(max(epoch_us(time)), 0) FROM entries")
            expected[height] = newest
    for height, newest in expected.items():
        async with archived_tables(settings, ledger, {0: height}) as tables:
            assert await tables.newest_event({0: height}) == newest
    assert len(set(expected.values())) > 4
    first = tmp_path / "archive" / manifests[0].files["entries"].name
    first.write_bytes(first.read_bytes()[:-1])
    async with archived_tables(settings, ledger, {0: 6}) as tables:
        assert await tables.newest_event({0: 6}) == expected[6]
    with pytest.raises(ArchiveDamaged, match=r"entries/.* is truncated"):
        async with archived_tables(settings, ledger, {0: 1}):
            pass
