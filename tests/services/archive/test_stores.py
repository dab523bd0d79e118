"""Stores: what every place promises, in a directory, in memory and in an S3 on loopback."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.moto_server.threaded_moto_server import ThreadedMotoServer
from obstore.store import MemoryStore

from services.archive import stores
from services.archive.stores import ArchiveUnavailable, Directory, Objects, Store, store_of
from tests.services.archive.buckets import serving_s3
from tests.services.running import asynchronous


@pytest.fixture(scope="module")
def s3() -> Iterator[ThreadedMotoServer]:
    """An S3 on loopback."""
    with serving_s3() as server:
        yield server


@pytest.fixture(params=["directory", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Every kind of store in turn, empty."""
    if request.param == "directory":
        return store_of(str(tmp_path / "archive"))
    if request.param == "memory":
        return Objects(MemoryStore(), "memory")
    request.getfixturevalue("s3")
    return store_of(f"s3://books/{tmp_path.name}/deep")


@asynchronous
async def test_what_is_put_comes_back(store: Store, tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.write_bytes(bytes(range(256)) * 100)
    assert await store.names("a") == []
    await store.put("a/two", source)
    await store.put("a/two", source)
    assert await store.create("a/one", b"x")
    assert not await store.create("a/one", b"y")
    assert await store.names("a") == ["a/one", "a/two"]
    assert await store.sizes("a") == {"a/one": 1, "a/two": 25_600}
    assert await store.sizes("b") == {}
    assert await store.read("a/one") == b"x"
    await store.fetch("a/two", copy)
    assert copy.read_bytes() == source.read_bytes()
    path = store.path_of("a/two")
    assert path is None or path.read_bytes() == source.read_bytes()


@asynchronous
async def test_what_is_not_there_is_said_to_be_missing(store: Store, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await store.read("a/nothing")
    with pytest.raises(FileNotFoundError):
        await store.fetch("a/nothing", tmp_path / "copy")
    await store.remove("a/nothing")


@asynchronous
async def test_what_is_removed_is_gone(store: Store) -> None:
    await store.create("a/one", b"x")
    await store.remove("a/one")
    assert await store.names("a") == []


@asynchronous
async def test_a_bucket_that_is_not_there_is_told(s3: ThreadedMotoServer) -> None:
    with pytest.raises(ArchiveUnavailable, match="s3://nobodys/x cannot be used"):
        await store_of("s3://nobodys/x").names("a")


@asynchronous
async def test_a_place_that_is_no_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    store = store_of(str(tmp_path / "file"))
    with pytest.raises(ArchiveUnavailable, match="cannot be used"):
        await store.create("a/one", b"x")


@asynchronous
async def test_partial_files_are_cleared_once_nobody_writes_them(tmp_path: Path) -> None:
    store = Directory(tmp_path)
    folder = tmp_path / stores.PARTIAL
    folder.mkdir()
    for name, age_seconds in (("old", 2 * stores.ABANDONED_SECONDS), ("young", 1.0)):
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (time.time() - age_seconds,) * 2)
    await store.create("a/one", b"x")
    assert [one.name for one in folder.iterdir()] == ["young"]
