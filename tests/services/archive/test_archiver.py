"""The archiver: all that is due is sealed once, by however many at once, and what is damaged is made again."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from events.block import Genesis
from services.archive.archiver import Archiver, Reach
from services.archive.catalogue import OtherLedger, catalogue_of
from services.archive.checking import checked_archive
from services.archive.manifests import TABLES, ArchiveDamaged
from services.archive.resealing import resealed
from services.archive.stores import Store, store_of
from services.compose import genesis_of
from services.ledgers.port import Ledger, LedgerUnavailable
from tests.services.archive.books import EVENTS, FOR_EVER, ledger_with
from tests.services.running import asynchronous


async def genesis(ledger: Ledger) -> Genesis:
    """What block 0 fixed."""
    found = await genesis_of(ledger)
    assert found is not None
    return found


async def archiver_of(ledger: Ledger, store: Store, segment_entries: int = 2) -> Archiver:
    """One that seals so many entries at once."""
    return Archiver(ledger, await genesis(ledger), store, segment_entries)


class Counting:
    """A store that notes what is read of it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.read_names: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def read(self, name: str) -> bytes:
        """Reads and notes."""
        self.read_names.append(name)
        return await self._store.read(name)


@asynchronous
async def test_all_that_is_due_is_sealed_and_every_manifest_read_once(tmp_path: Path) -> None:
    ledger, store = await ledger_with(), Counting(store_of(str(tmp_path)))
    archiver = await archiver_of(ledger, store)
    told: list[int] = []
    assert await archiver.reaches() == [Reach(0, 0, 6)]
    sealed = [one async for one in archiver.seal(FOR_EVER, told.append)]
    assert [one.segment.from_height for one in sealed] == [0, 3, 5]
    assert told == [2, 4, 6]
    assert await archiver.reaches() == [Reach(0, 6, 0)]
    assert [one async for one in archiver.seal(FOR_EVER)] == []
    assert sorted(store.read_names) == sorted(one.name for one in sealed)
    assert (await archiver.catalogue()).manifests == sealed


@asynchronous
async def test_several_at_once_seal_the_same_segments_and_no_others(tmp_path: Path) -> None:
    ledger, store = await ledger_with(), store_of(str(tmp_path / "many"))

    async def seal(place: Store) -> None:
        async for _ in (await archiver_of(ledger, place)).seal(FOR_EVER):
            pass

    await seal(alone := store_of(str(tmp_path / "one")))
    await asyncio.gather(*(seal(store) for _ in range(4)))
    for folder in ("manifests", *TABLES):
        assert await store.names(folder) == await alone.names(folder)
    assert (await checked_archive(store, ledger)).findings == []


class Dying:
    """A store whose process dies before or after its nth step."""

    def __init__(self, store: Store, steps: int, *, is_done: bool) -> None:
        self._store = store
        self._steps = steps
        self._is_done = is_done

    def __getattr__(self, name: str) -> Any:
        own = getattr(self._store, name)
        if name not in ("put", "create"):
            return own

        async def step(*arguments: Any) -> Any:
            self._steps -= 1
            if self._steps == 0 and not self._is_done:
                raise KilledError
            found = await own(*arguments)
            if self._steps == 0:
                raise KilledError
            return found

        return step


class KilledError(Exception):
    """The process is gone."""


@pytest.mark.parametrize("is_done", [False, True])
@asynchronous
async def test_dying_at_any_step_leaves_whole_segments_and_the_next_goes_on(is_done: bool, tmp_path: Path) -> None:
    ledger, alone = await ledger_with(), store_of(str(tmp_path / "alone"))
    sealed = [one async for one in (await archiver_of(ledger, alone)).seal(FOR_EVER)]
    for steps in range(1, 4 * len(sealed) + 1):
        store = store_of(str(tmp_path / f"{steps}"))
        dying: Any = Dying(store, steps, is_done=is_done)
        with pytest.raises(KilledError):
            async for _ in (await archiver_of(ledger, dying)).seal(FOR_EVER):
                pass
        checked = await checked_archive(store, ledger)
        assert (checked.findings, len(checked.manifests)) == ([], (steps - (not is_done)) // 4)
        async for _ in (await archiver_of(ledger, store)).seal(FOR_EVER):
            pass
        assert (await catalogue_of(store)).manifests == sealed
        for folder in ("manifests", *TABLES):
            assert await store.names(folder) == await alone.names(folder)


@asynchronous
async def test_the_archive_of_another_ledger_is_left_alone(tmp_path: Path) -> None:
    store = store_of(str(tmp_path))
    async for _ in (await archiver_of(await ledger_with(), store)).seal(FOR_EVER):
        pass
    before = await store.names("manifests")
    for other in (await ledger_with(), await ledger_with(EVENTS[:3])):
        with pytest.raises(OtherLedger):
            async for _ in (await archiver_of(other, store)).seal(FOR_EVER):
                pass
        checked = await checked_archive(store, other)
        with pytest.raises(OtherLedger, match="it stays as it is"):
            _ = [one async for one in resealed(other, store, await genesis(other), checked)]
    assert await store.names("manifests") == before


DAMAGES = ["manifest gone", "manifest altered", "file gone", "file altered", "the last one altered", "all altered"]


@pytest.mark.parametrize("damage", DAMAGES)
@asynchronous
async def test_what_is_damaged_is_made_again_with_the_same_bytes(damage: str, tmp_path: Path) -> None:
    ledger, store = await ledger_with(), store_of(str(tmp_path))
    archiver = await archiver_of(ledger, store)
    manifests = [one async for one in archiver.seal(FOR_EVER)]
    whole = contents(tmp_path)
    for name in _damaged(damage, manifests):
        path = tmp_path / name
        if damage.endswith("gone"):
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:-20] + b"x" * 20)
    checked = await checked_archive(store, ledger)
    assert checked.findings
    again = [one async for one in resealed(ledger, store, await genesis(ledger), checked)]
    again += [one async for one in (await archiver_of(ledger, store)).seal(FOR_EVER)]
    assert again
    assert contents(tmp_path) == whole
    assert (await checked_archive(store, ledger)).findings == []
    assert (await catalogue_of(store)).manifests == manifests


def _damaged(damage: str, manifests: list[Any]) -> list[str]:
    if damage.startswith("manifest"):
        return [manifests[1].name]
    if damage == "all altered":
        return [name for one in manifests for name in (one.name, one.files["blocks"].name)]
    return [manifests[-1 if "last" in damage else 0].files["entries"].name]


def contents(folder: Path) -> dict[Path, bytes]:
    """The bytes of all files in a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@asynchronous
async def test_nothing_is_removed_that_the_ledger_cannot_give_again(tmp_path: Path) -> None:
    ledger, store = await ledger_with(), store_of(str(tmp_path))
    manifests = [one async for one in (await archiver_of(ledger, store)).seal(FOR_EVER)]
    (tmp_path / manifests[1].files["postings"].name).write_bytes(b"")
    checked = await checked_archive(store, ledger)
    before = contents(tmp_path)

    class Lost:
        """A ledger that has lost blocks in the middle."""

        def __getattr__(self, name: str) -> Any:
            return getattr(ledger, name)

        async def read(self, partition: int, start: int = 0, until: int | None = None) -> Any:
            async for block in ledger.read(partition, start, until):
                if block.height != 4:
                    yield block

    lost: Any = Lost()
    with pytest.raises(LedgerUnavailable, match="no block 4"):
        _ = [one async for one in resealed(lost, store, await genesis(ledger), checked)]
    assert contents(tmp_path) == before


@asynchronous
async def test_a_damaged_archive_is_not_gone_on_with(tmp_path: Path) -> None:
    ledger, store = await ledger_with(), store_of(str(tmp_path))
    manifests = [one async for one in (await archiver_of(ledger, store)).seal(FOR_EVER)]
    await store.remove(manifests[1].name)
    with pytest.raises(ArchiveDamaged, match="is missing"):
        await (await archiver_of(ledger, store)).due(FOR_EVER)
