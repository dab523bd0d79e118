"""Remembering: a file is read again for checking as soon as anything about it has changed, or might have."""

import asyncio
import os
import time
from pathlib import Path
from unittest.mock import patch

import pytest

from services.archive import remembering, segments
from services.archive.manifests import ArchiveDamaged, Manifest
from services.archive.remembering import SETTLED_NANOSECONDS, check_once
from services.archive.stores import store_of
from tests.services.archive.books import ledger_with, seal_all


@pytest.fixture
def sealed(tmp_path: Path) -> tuple[Path, Manifest]:
    """The file of postings of a segment, and what is said of it."""

    async def seal() -> Manifest:
        return (await seal_all(await ledger_with(), store_of(str(tmp_path)), 100))[0]

    manifest = asyncio.run(seal())
    return tmp_path / manifest.files["postings"].name, manifest


def checks(path: Path, manifest: Manifest, ago_nanoseconds: int = -2 * SETTLED_NANOSECONDS) -> int:
    """How often the file is read when it is asked for twice, at a time so long after it was written."""
    later = time.time_ns() - ago_nanoseconds
    with (
        patch.object(time, "time_ns", lambda: later),
        patch.object(remembering, "check_file", wraps=segments.check_file) as reading,
    ):
        for _ in range(2):
            check_once(path, manifest, "postings", "here")
    return int(reading.call_count)


def test_a_file_that_nobody_touched_is_read_once(sealed: tuple[Path, Manifest]) -> None:
    assert checks(*sealed) == 1
    assert checks(*sealed) == 0


def test_a_file_written_a_moment_ago_is_read_every_time(sealed: tuple[Path, Manifest]) -> None:
    """Two changes within a tick of the clock cannot be told apart."""
    assert checks(*sealed, ago_nanoseconds=0) == 2


def test_an_altered_file_is_found_whatever_its_times_say(sealed: tuple[Path, Manifest]) -> None:
    """Of the same size, its time of modification set back; replaced by another of the same size and time; gone."""
    path, manifest = sealed
    whole, stat = path.read_bytes(), path.stat()
    assert checks(path, manifest) == 1
    path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(ArchiveDamaged, match="altered"):
        check_once(path, manifest, "postings", "here")
    other = path.with_name("other")
    other.write_bytes(whole[:-1] + b"?")
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(path)
    with pytest.raises(ArchiveDamaged):
        check_once(path, manifest, "postings", "here")
    path.unlink()
    with pytest.raises(ArchiveDamaged, match="is missing"):
        check_once(path, manifest, "postings", "here")
    path.write_bytes(whole)
    assert checks(path, manifest) == 1


def test_another_manifest_is_another_check(sealed: tuple[Path, Manifest]) -> None:
    """What was right for one says nothing about another."""
    path, manifest = sealed
    assert checks(path, manifest) == 1
    lying = Manifest(manifest.segment, manifest.files, "0" * 64)
    assert checks(path, lying) == 1
