"""Keeping: an archive that is away is waited for, one that is damaged is not gone on with."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from services import clock
from services.archive.archiver import Archiver
from services.archive.catalogue import catalogue_of
from services.archive.keeping import Keeper
from services.archive.manifests import REST_MICROSECONDS, ArchiveDamaged
from services.archive.stores import ArchiveUnavailable, Store, store_of
from services.compose import genesis_of
from services.ledgers.port import Ledger
from services.metrics import Metrics
from tests.services.archive.books import EVENTS, ledger_with
from tests.services.books import MemoryBooks
from tests.services.running import asynchronous

COUNTED = {"revledger_sealed_entries_total": "6.0", "revledger_unsealed_entries": "0.0"}


class Failing:
    """A store that is away as long as it is told to be."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.is_away = False

    def __getattr__(self, name: str) -> Any:
        if self.is_away and name in ("names", "put", "create"):
            raise ArchiveUnavailable("the bucket", "nobody answers")
        return getattr(self._store, name)


async def keeper_of(ledger: Ledger, store: Any, metrics: Metrics, segment_entries: int = 2) -> Keeper:
    """One that looks all the time."""
    genesis = await genesis_of(ledger)
    assert genesis is not None
    return Keeper(Archiver(ledger, genesis, store, segment_entries), "the archive", metrics, look_seconds=0.01)


async def until(holds: Any) -> None:
    """Waits for something that a task brings about."""
    async with asyncio.timeout(20):
        while not await holds():  # noqa: ASYNC110 - what it waits for is in files
            await asyncio.sleep(0.01)


@asynchronous
async def test_whole_segments_are_sealed_as_the_ledger_grows(tmp_path: Path) -> None:
    books = await MemoryBooks().start()
    await books.book(EVENTS[:1])
    store, metrics = store_of(str(tmp_path)), Metrics()
    keeper = await keeper_of(books.ledger, store, metrics)
    assert await keeper.not_ready()
    running = asyncio.create_task(keeper.run())

    async def reached(entries: int) -> bool:
        return (await catalogue_of(store)).end_seq(0) == entries

    async def is_ready() -> bool:
        return await keeper.not_ready() == "" and await reached(0)

    await until(is_ready)
    for number, event in enumerate(EVENTS[1:], 2):
        await books.book([event])
        await until(lambda number=number: reached(number // 2 * 2))

    async def is_counted() -> bool:
        text = metrics.text().decode()
        return all(f'{name}{{partition="0"}} {value}' in text for name, value in COUNTED.items())

    await until(is_counted)
    running.cancel()


@asynchronous
async def test_what_is_a_day_old_is_sealed_though_it_is_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, store = await ledger_with(EVENTS[:3]), store_of(str(tmp_path))
    keeper = await keeper_of(ledger, store, Metrics(), 100)
    await keeper._look()
    assert (await catalogue_of(store)).manifests == []
    later = clock.now() + REST_MICROSECONDS + 10_000_000
    monkeypatch.setattr(clock, "now", lambda: later)
    await keeper._look()
    assert (await catalogue_of(store)).end_seq(0) == 3


@asynchronous
async def test_an_archive_that_is_away_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ledger, metrics = await ledger_with(), Metrics()
    store = Failing(store_of(str(tmp_path)))
    keeper = await keeper_of(ledger, store, metrics)
    store.is_away = True
    for _ in range(3):
        await keeper._look()
    assert "nobody answers" in await keeper.not_ready()
    assert await keeper.not_live() == ""
    assert [one.message for one in caplog.records if "sealing waits" in one.message] == [caplog.records[0].message]
    store.is_away = False
    await keeper._look()
    assert await keeper.not_ready() == ""
    assert (await catalogue_of(store_of(str(tmp_path)))).end_seq(0) == 6
    assert "revledger_sealing_failed_total 3.0" in metrics.text().decode()


@asynchronous
async def test_a_damaged_archive_ends_it_with_the_name_of_the_file(tmp_path: Path) -> None:
    ledger, store = await ledger_with(), store_of(str(tmp_path))
    await (await keeper_of(ledger, store, Metrics()))._look()
    name = (await store.names("manifests"))[0]
    await store.remove(name)
    await store.create(name, b"{}")
    with pytest.raises(ArchiveDamaged, match=name):
        await (await keeper_of(ledger, store, Metrics())).run()
