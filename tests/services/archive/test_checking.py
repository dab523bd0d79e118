"""Checking: whatever byte is changed, the file is named, and so are files that were made up to fit each other."""

import asyncio
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

from services.archive.checking import Checked, checked_archive
from services.archive.manifests import (
    KEY,
    TABLES,
    Manifest,
    Segment,
    Table,
    file_name,
    manifest_bytes,
    manifest_of,
)
from services.archive.segments import file_of
from services.archive.stores import store_of
from services.ledgers.port import Ledger
from tests.services.archive.books import EVENTS, ledger_with, seal_all
from tests.services.archive.buckets import serving_s3
from tests.services.running import asynchronous

FLIPS = 150
FLIPS_OF_CRASH = 1_000


def sealed_in(place: Path, segment_entries: int = 3) -> tuple[Ledger, list[Manifest]]:
    """A ledger and its archive."""

    async def seal() -> tuple[Ledger, list[Manifest]]:
        ledger = await ledger_with()
        return ledger, await seal_all(ledger, store_of(str(place)), segment_entries)

    return asyncio.run(seal())


def checked(place: Path, ledger: Ledger) -> Checked:
    """All that is wrong with an archive."""
    return asyncio.run(checked_archive(store_of(str(place)), ledger))


def test_a_sound_archive_has_no_findings(tmp_path: Path) -> None:
    ledger, manifests = sealed_in(tmp_path)
    found = checked(tmp_path, ledger)
    assert (found.manifests, found.findings) == (manifests, [])
    assert found.bytes == sum(path.stat().st_size for table in TABLES for path in (tmp_path / table).iterdir())


def every_flip_is_found(place: Path, flips: int, seed: int) -> None:
    """Changes one bit at random, again and again: the file is named each time, and no other."""
    ledger, _ = sealed_in(place)
    chance = random.Random(seed)
    files = sorted(path for folder in ("manifests", *TABLES) for path in (place / folder).iterdir())
    whole = {path: path.read_bytes() for path in files}
    for turn in range(flips):
        path = files[turn % len(files)]
        at = chance.randrange(len(whole[path]))
        data = bytearray(whole[path])
        data[at] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        findings = checked(place, ledger).findings
        assert [one.file for one in findings] == [f"{path.parent.name}/{path.name}"], (seed, path.name, at)
        path.write_bytes(whole[path])
    assert checked(place, ledger).findings == []


def test_every_flipped_bit_is_found_and_the_file_named(tmp_path: Path) -> None:
    every_flip_is_found(tmp_path, FLIPS, 11)


@pytest.mark.crash
def test_a_thousand_flipped_bits_are_found_and_the_file_named(tmp_path: Path) -> None:
    every_flip_is_found(tmp_path, FLIPS_OF_CRASH, random.SystemRandom().randrange(1_000_000))


def test_everything_that_is_wrong_is_named_at_once(tmp_path: Path) -> None:
    ledger, (first, second) = sealed_in(tmp_path)
    (tmp_path / first.files["entries"].name).unlink()
    path = tmp_path / second.files["postings"].name
    path.write_bytes(path.read_bytes()[:-9])
    (tmp_path / "manifests" / "0000-000000000007-000000000009-0123456789abcdef.json").write_bytes(b"{}")
    findings = checked(tmp_path, ledger).findings
    assert [one.file.partition("/")[0] for one in findings] == ["manifests", "entries", "postings"]
    assert [one.manifest for one in findings[1:]] == [first.name, second.name]
    assert "is missing" in findings[1].problem
    assert "is truncated" in findings[2].problem


def test_a_segment_that_is_missing_between_others_is_named(tmp_path: Path) -> None:
    ledger, (first, _) = sealed_in(tmp_path)
    (tmp_path / first.name).unlink()
    (finding,) = checked(tmp_path, ledger).findings
    assert finding.file == "segment 0000-000000000000-..."
    assert "is missing" in finding.problem


def test_the_archive_of_another_ledger_is_told_apart_from_a_damaged_one(tmp_path: Path) -> None:
    _, manifests = sealed_in(tmp_path)
    for other in (asyncio.run(ledger_with()), asyncio.run(ledger_with(EVENTS[:2]))):
        findings = checked(tmp_path, other).findings
        assert {one.file for one in findings} <= {one.name for one in manifests}
        assert findings
        assert all(one.is_of_other_ledger for one in findings)


def test_two_archives_in_one_place_are_found(tmp_path: Path) -> None:
    ledger, _ = sealed_in(tmp_path / "one")
    sealed_in(tmp_path / "two")
    shutil.copytree(tmp_path / "two", tmp_path / "one", dirs_exist_ok=True)
    assert any(one.is_of_other_ledger for one in checked(tmp_path / "one", ledger).findings)


Change = Callable[[pa.Table], pa.Table]


def _changed(column: str, value: Any) -> Change:
    """Another value in the last row of a column."""

    def change(rows: pa.Table) -> pa.Table:
        values = rows.column(column).to_pylist()
        assert values[-1] != value
        array = pa.array([*values[:-1], value], rows.schema.field(column).type)
        return rows.set_column(rows.schema.names.index(column), rows.schema.field(column), array)

    return change


FORGED: list[tuple[Table, Change, str]] = [
    ("postings", _changed("amount_e4", 1), "postings"),
    ("postings", _changed("plan", "enterprise"), "postings"),
    ("postings", _changed("account", "nobody"), "postings"),
    ("postings", _changed("attributes", [("segment", "huge")]), "postings"),
    ("postings", _changed("recorded_at", 0), "postings"),
    ("entries", _changed("event", b'{"source":"s","id":"1","type":"t"}'), "entries"),
    ("entries", _changed("booking", b"\x95\x00\xa1x\x00\x00\x90"), "entries"),
    ("entries", _changed("id", "another"), "entries"),
    ("entries", _changed("original", b"\x00" * 64), "entries"),
    ("blocks", _changed("hash", b"\x00" * 32), "blocks"),
    ("blocks", _changed("header", b"\x80"), "entries"),
    ("blocks", _changed("prev_hash", b"\x00" * 32), "blocks"),
    ("blocks", _changed("recorded_at", 0), "blocks"),
    ("postings", lambda rows: rows.slice(0, rows.num_rows - 1), "postings"),
    ("entries", lambda rows: rows.slice(0, rows.num_rows - 1), "manifests"),
    ("postings", lambda rows: pa.concat_tables([rows, rows.slice(0, 1)]), "postings"),
    ("postings", lambda rows: rows.drop_columns(["reason"]), "postings"),
    ("blocks", lambda rows: rows.drop_columns(["header"]), "manifests"),
]


@pytest.mark.parametrize("number", range(len(FORGED)))
def test_files_made_up_to_fit_their_manifest_are_found_by_the_chain(number: int, tmp_path: Path) -> None:
    """Sizes, row counts and hashes all fit: only what the rows say does not."""
    table, change, named = FORGED[number]
    ledger, (_, manifest) = sealed_in(tmp_path)
    path = tmp_path / manifest.files[table].name
    forge(tmp_path, manifest, table, change(pq.read_table(path).replace_schema_metadata()))
    findings = checked(tmp_path, ledger).findings
    assert [one.file.partition("/")[0] for one in findings] == [named], findings


def forge(place: Path, manifest: Manifest, table: Table, rows: pa.Table) -> Manifest:
    """Puts other rows into a segment, with all that belongs to that."""
    counts = {name: rows.num_rows for name in ("entries", "postings") if name == table}
    segment: Segment = msgspec.structs.replace(manifest.segment, **counts)
    files = {}
    for each, file in manifest.files.items():
        old = place / file.name
        kept = rows if each == table else pq.read_table(old).replace_schema_metadata()
        old.unlink()
        fresh = place / "fresh.parquet"
        with pq.ParquetWriter(fresh, kept.schema, store_schema=False) as writer:
            writer.write_table(kept)
            writer.add_key_value_metadata({KEY: msgspec.json.encode(segment)})
        told = file_of(fresh, "", kept.num_rows)
        files[each] = msgspec.structs.replace(told, name=file_name(segment, each, told.sha256))
        fresh.rename(place / files[each].name)
    (place / manifest.name).unlink()
    lie = manifest_of(segment, files)
    (place / lie.name).write_bytes(manifest_bytes(lie))
    return lie


LIES: list[tuple[str, Any]] = [
    ("recorded_first", "2026-01-01T00:00:00Z"),
    ("newest_event", None),
    ("policy", "default@2:44136fa3"),
    ("hash", "00" * 32),
]


@pytest.mark.parametrize(("field", "value"), LIES)
def test_a_manifest_that_lies_in_its_files_too_is_found(field: str, value: Any, tmp_path: Path) -> None:
    ledger, (_, manifest) = sealed_in(tmp_path)
    lying = msgspec.structs.replace(manifest, segment=msgspec.structs.replace(manifest.segment, **{field: value}))
    rows = pq.read_table(tmp_path / manifest.files["blocks"].name).replace_schema_metadata()
    (tmp_path / manifest.name).rename(tmp_path / lying.name)
    lie = forge(tmp_path, lying, "blocks", rows)
    findings = checked(tmp_path, ledger).findings
    assert {one.file for one in findings} == {lie.name}, findings
    assert any(f"lies: {field} is" in one.problem for one in findings)


@pytest.fixture(scope="module")
def s3() -> Any:
    """An S3 on loopback."""
    with serving_s3() as server:
        yield server


@asynchronous
async def test_what_is_in_a_bucket_is_checked_not_a_copy_of_it(s3: ThreadedMotoServer, tmp_path: Path) -> None:
    del s3
    store, ledger = store_of("s3://books/checked"), await ledger_with()
    manifests = await seal_all(ledger, store, 3)
    assert (await checked_archive(store, ledger)).findings == []
    name = manifests[1].files["entries"].name
    await store.fetch(name, tmp_path / "entries")
    data = bytearray((tmp_path / "entries").read_bytes())
    data[40] ^= 1
    (tmp_path / "entries").write_bytes(data)
    await store.put(name, tmp_path / "entries")
    assert [one.file for one in (await checked_archive(store, ledger)).findings] == [name]
    await store.remove(name)
    (finding,) = (await checked_archive(store, ledger)).findings
    assert (finding.file, finding.problem) == (name, "is missing")
