"""Manifests: every byte and every field of them is held against something."""

from typing import Any

import msgspec
import pytest

from services.archive.manifests import (
    FORMAT,
    TABLES,
    ArchiveDamaged,
    File,
    Ledgers,
    Manifest,
    Segment,
    Table,
    file_name,
    manifest_bytes,
    manifest_in,
    manifest_of,
)

SEGMENT = Segment(
    format=FORMAT,
    ledger=Ledgers(1, "ab" * 32, "ab" * 32),
    partition=0,
    from_height=3,
    until_height=7,
    first_seq=2,
    entries=9,
    postings=12,
    recorded_first="2026-01-01T00:00:00Z",
    recorded_last="2026-01-01T00:00:01.000005Z",
    newest_event=None,
    prev_hash="cd" * 32,
    hash="ef" * 32,
    policy="default@1:44136fa3",
    software="revledger 0.1.0",
)


def a_manifest() -> Manifest:
    rows: dict[Table, int] = {"postings": 12, "entries": 9, "blocks": 4}
    files = {}
    for number, table in enumerate(TABLES):
        digest = f"{number:064x}"
        files[table] = File(file_name(SEGMENT, table, digest), 100 + number, rows[table], digest)
    return manifest_of(SEGMENT, files)


def test_a_manifest_comes_back() -> None:
    manifest = a_manifest()
    assert manifest.name == "manifests/0000-000000000003-000000000007-" + manifest.name[-21:]
    assert manifest_in(manifest_bytes(manifest), "here", manifest.name) == manifest


def test_every_flipped_bit_is_found_and_the_file_named() -> None:
    manifest = a_manifest()
    data = manifest_bytes(manifest)
    for index in range(len(data)):
        for bit in (1, 4, 32, 128):
            altered = data[:index] + bytes([data[index] ^ bit]) + data[index + 1 :]
            with pytest.raises(ArchiveDamaged, match=manifest.name) as found:
                manifest_in(altered, "here", manifest.name)
            assert found.value.name == manifest.name


@pytest.mark.parametrize("cut", [0, 1, 2, 100])
def test_a_manifest_cut_short_or_grown_is_found(cut: int) -> None:
    manifest = a_manifest()
    data = manifest_bytes(manifest)
    for altered in (data[: cut - 1], data + b" " * (cut + 1)):
        with pytest.raises(ArchiveDamaged, match="altered"):
            manifest_in(altered, "here", manifest.name)


def test_a_manifest_under_another_name_is_found() -> None:
    manifest = a_manifest()
    with pytest.raises(ArchiveDamaged, match="its name is"):
        manifest_in(manifest_bytes(manifest), "here", manifest.name.replace("-000000000003-", "-000000000002-"))


def test_a_newer_format_is_told_as_such() -> None:
    document: Any = msgspec.json.decode(manifest_bytes(a_manifest()))
    document["segment"] |= {"format": FORMAT + 1, "unheard_of": True}
    with pytest.raises(ArchiveDamaged, match="upgrade revledger"):
        manifest_in(msgspec.json.encode(document), "here", "manifests/x.json")


def test_files_that_are_others_are_found() -> None:
    manifest = a_manifest()
    file = msgspec.structs.replace(manifest.files["entries"], name=manifest.files["postings"].name)
    lies = manifest_of(SEGMENT, {**manifest.files, "entries": file})
    with pytest.raises(ArchiveDamaged, match="lies about the name of its file of entries"):
        manifest_in(manifest_bytes(lies), "here", lies.name)
    two: dict[Table, File] = {table: file for table, file in manifest.files.items() if table != "blocks"}
    less = manifest_of(SEGMENT, two)
    with pytest.raises(ArchiveDamaged, match="it names the files"):
        manifest_in(manifest_bytes(less), "here", less.name)
