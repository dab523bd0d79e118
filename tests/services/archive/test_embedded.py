"""Sealing beside the embedded service: in a process of its own, which harms nothing when it fails."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.archive import embedded
from services.archive.embedded import archiving
from services.compose import LEDGER_FILE
from services.ledgers.sqlite import sqlite_ledger
from services.metrics import Metrics
from services.settings import Settings, settings_from
from tests.services.cli.calling import called, signed, written
from tests.services.running import asynchronous

SERVERS = ("REVLEDGER_KAFKA", "REVLEDGER_REDIS")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A data directory with three events that were recorded long ago."""
    for name in SERVERS:
        monkeypatch.delenv(name, raising=False)
    data = tmp_path / "data"
    events = [{**signed(f"{n}", subject=f"a{n}"), "recordedtime": f"2024-01-0{n + 6}T00:00:00Z"} for n in range(3)]
    done = called("load", written(tmp_path / "events", events), "--data", str(data), "--as-recorded")
    assert done.status == 0, done.err
    return settings_from({"REVLEDGER_DATA": str(data)})


@asynccontextmanager
async def sealing(settings: Settings, metrics: Metrics) -> AsyncIterator[None]:
    """The service's own ledger, and sealing from the first moment on."""
    ledger = await sqlite_ledger(settings.data / LEDGER_FILE)
    try:
        async with archiving(ledger, settings, metrics, first_seconds=0):
            yield
    finally:
        await ledger.close()


async def until(holds: Callable[[], bool]) -> None:
    """Waits for what another process brings about."""
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - it cannot set an event
            await asyncio.sleep(0.05)


async def status_of(*arguments: str) -> int:
    """How a command ends, which has a loop of its own."""
    return (await asyncio.to_thread(called, *arguments)).status


@asynchronous
async def test_what_is_old_is_sealed_and_noted(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    metrics = Metrics()
    async with sealing(settings, metrics):
        await until(lambda: "sealed blocks 0 to " in caplog.text)
    assert "3 entries, into " in caplog.text
    assert 'revledger_sealed_entries_total{partition="0"} 3.0' in metrics.text().decode()
    assert 'revledger_unsealed_entries{partition="0"} 0.0' in metrics.text().decode()
    assert await status_of("archive", "--verify", "--data", str(settings.data)) == 0


@asynchronous
async def test_a_damaged_archive_is_logged_with_its_file_and_the_service_goes_on(
    settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "RETRY_SECONDS", 0.0)
    manifest = settings.data / "archive" / "manifests" / "0000-000000000000-000000000002-0123456789abcdef.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_bytes(b"{}")
    metrics = Metrics()
    async with sealing(settings, metrics):
        await until(lambda: "sealing_failed_total 2.0" in metrics.text().decode())
        (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]
        assert manifest.name in record.getMessage()
        manifest.unlink()
        await until(lambda: 'sealed_entries_total{partition="0"} 3.0' in metrics.text().decode())


@pytest.mark.parametrize("sealing_setting", ["off", "on"])
@asynchronous
async def test_nothing_is_started_where_nothing_can_be_due(
    sealing_setting: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Sealing is off; or what there is has just been recorded."""
    given = {"REVLEDGER_SEALING": sealing_setting, "REVLEDGER_DATA": str(settings.data)}
    if sealing_setting == "on":
        given["REVLEDGER_DATA"] = str(tmp_path / "fresh")
        assert await status_of("load", written(tmp_path / "one", [signed("1")]), "--data", given["REVLEDGER_DATA"]) == 0
    started: list[object] = []

    async def start(*arguments: object, **_: object) -> None:
        started.append(arguments)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
    monkeypatch.setattr(embedded, "LOOK_SECONDS", 0.01)
    async with sealing(settings_from(given), Metrics()):
        await asyncio.sleep(0.3)
    assert started == []


@asynchronous
async def test_whoever_ends_the_service_ends_the_sealing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    own = embedded._ended

    async def noted(process: asyncio.subprocess.Process) -> None:
        await own(process)
        assert process.returncode is not None
        ended.append(process.returncode)

    monkeypatch.setattr(embedded, "_ended", noted)
    begun = asyncio.Event()
    monkeypatch.setattr(os, "setpriority", lambda *_: begun.set())
    async with sealing(settings, Metrics()):
        await begun.wait()
    assert ended
    assert await status_of("archive", "--data", str(settings.data)) == 0
    assert await status_of("archive", "--verify", "--data", str(settings.data)) == 0
