"""Preparing in several processes: the same bytes, an error that says what is wrong, and nobody left behind."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from events.block import BlockDamaged
from services.archive import chunks, sealing
from services.archive.chunks import block_at
from services.archive.chunks import chunks as chunks_of
from services.archive.preparing import ALONE
from services.archive.preparing_processes import PreparingFailed, working
from services.archive.sealing import Range, sealed
from services.archive.stores import store_of
from services.compose import genesis_of
from services.ledgers.port import Ledger
from tests.services.archive.books import EVENTS, ledger_with
from tests.services.running import asynchronous

ALL = Range(0, 0, 7, 6)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block a chunk, and segments of six entries worth a process."""
    monkeypatch.setattr(chunks, "CHUNK_ENTRIES", 1)
    monkeypatch.setattr(sealing, "WORTH_ENTRIES", 1)


def children() -> list[int]:
    """The processes that this one has begun."""
    found = [path.read_text("utf-8") for path in Path("/proc/self/task").glob("*/children")]
    return [int(child) for one in found for child in one.split()]


def contents(folder: Path) -> dict[Path, bytes]:
    """The bytes of all files in a folder."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def seal(ledger: Ledger, place: Path, workers: Any) -> None:
    """Seals all of it."""
    genesis = await genesis_of(ledger)
    assert genesis is not None
    await sealed(ledger, store_of(str(place)), genesis, ALL, workers=workers)


@asynchronous
async def test_processes_make_the_bytes_that_one_makes(tmp_path: Path) -> None:
    ledger, before = await ledger_with(), children()
    async with working(3) as workers:
        await seal(ledger, tmp_path / "processes", workers)
        assert len(set(children()) - set(before)) == 3
    assert children() == before
    await seal(ledger, tmp_path / "alone", ALONE)
    assert contents(tmp_path / "processes") == contents(tmp_path / "alone")
    assert len(contents(tmp_path / "alone")) == 4


@asynchronous
async def test_one_is_this_process(tmp_path: Path) -> None:
    before = children()
    async with working(1) as workers:
        await seal(await ledger_with(), tmp_path, workers)
        assert children() == before


class _Altered:
    """A ledger of which one block has other bytes."""

    def __init__(self, ledger: Ledger, height: int, data: bytes) -> None:
        self._ledger = ledger
        self._height = height
        self._data = data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    async def read(self, partition: int, start: int = 0, until: int | None = None) -> Any:
        async for block in self._ledger.read(partition, start, until):
            yield msgspec.structs.replace(block, data=self._data) if block.height == self._height else block


@pytest.mark.parametrize("height", [1, 4, 6])
@asynchronous
async def test_a_damaged_block_is_not_sealed(height: int, tmp_path: Path) -> None:
    sound, before = await ledger_with(), children()
    data = (await block_at(sound, 0, height)).data
    ledger: Any = _Altered(sound, height, bytes([*data[:-1], data[-1] ^ 1]))
    async with working(2) as workers:
        with pytest.raises(BlockDamaged, match=f"block {height}"):
            await seal(ledger, tmp_path, workers)
    assert children() == before
    assert not (tmp_path / "manifests").exists()


@asynchronous
async def test_chunks_that_do_not_follow_one_another_are_not_sealed(tmp_path: Path) -> None:
    other = await ledger_with([*EVENTS[:2], EVENTS[3], EVENTS[2], *EVENTS[4:]])
    ledger: Any = _Altered(await ledger_with(), 4, (await block_at(other, 0, 4)).data)
    async with working(2) as workers:
        with pytest.raises(BlockDamaged, match="block 4 does not follow block 3"):
            await seal(ledger, tmp_path, workers)
    assert not (tmp_path / "manifests").exists()


@asynchronous
async def test_processes_that_are_killed_are_told_of_and_begun_anew(tmp_path: Path) -> None:
    ledger, before = await ledger_with(), children()
    async with working(2) as workers:
        await seal(ledger, tmp_path / "first", workers)
        for child in set(children()) - set(before):
            os.kill(child, signal.SIGKILL)
        with pytest.raises(PreparingFailed, match="out of memory"):
            await seal(ledger, tmp_path / "second", workers)
        assert not (tmp_path / "second" / "manifests").exists()
        await seal(ledger, tmp_path / "second", workers)
    assert children() == before
    assert contents(tmp_path / "first") == contents(tmp_path / "second")


@asynchronous
async def test_nobody_is_left_behind_by_who_stops_midway() -> None:
    ledger, before = await ledger_with(), children()
    began = asyncio.Event()

    async def read() -> None:
        async with working(2) as workers:
            async for _ in chunks_of(ledger, 0, 0, 7, workers=workers):
                began.set()
                await asyncio.sleep(60)

    task = asyncio.create_task(read())
    await began.wait()
    assert len(set(children()) - set(before)) == 2
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert children() == before


@asynchronous
async def test_a_process_ends_when_whoever_asks_is_gone() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.archive.preparing_worker"), stdin=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.close()
    assert await process.wait() == 0
