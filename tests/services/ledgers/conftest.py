"""The ledgers under the contract: a backend is added by one line in `BACKENDS`."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from services.ledgers.kafka import kafka_ledger
from services.ledgers.memory import memory_ledger
from services.ledgers.port import Ledger
from services.ledgers.sqlite import sqlite_ledger
from tests.services.kafka.topics import distributed, made_topics

OpenLedger = Callable[[], AbstractAsyncContextManager[Ledger]]
"""Opens the ledger of this test; where the backend is durable, every call opens the same one."""

Backend = Callable[[Path, pytest.FixtureRequest], Awaitable[Ledger]]
"""Opens a ledger in a directory whose name no other test has."""


async def _memory(_directory: Path, _request: pytest.FixtureRequest) -> Ledger:
    return memory_ledger()


async def _sqlite(directory: Path, _request: pytest.FixtureRequest) -> Ledger:
    return await sqlite_ledger(directory / "ledger.sqlite")


async def _kafka(directory: Path, request: pytest.FixtureRequest) -> Ledger:
    settings = distributed(request.getfixturevalue("kafka"), prefix=directory.name, partitions=8)
    await made_topics(settings)
    return await kafka_ledger(settings)


BACKENDS: dict[str, Backend] = {"memory": _memory, "sqlite": _sqlite, "kafka": _kafka}
DURABLE = [name for name in BACKENDS if name != "memory"]
KAFKA = pytest.mark.xdist_group("kafka")


def _opener(backend: str, directory: Path, request: pytest.FixtureRequest) -> OpenLedger:
    place = directory / f"contract-{uuid4().hex[:12]}"
    place.mkdir()

    @asynccontextmanager
    async def opened() -> AsyncIterator[Ledger]:
        ledger = await BACKENDS[backend](place, request)
        try:
            yield ledger
        finally:
            await ledger.close()

    return opened


def _params(names: list[str]) -> list[object]:
    return [pytest.param(name, marks=[KAFKA] if name == "kafka" else []) for name in names]


@pytest.fixture(params=_params(list(BACKENDS)))
def open_ledger(request: pytest.FixtureRequest, tmp_path: Path) -> OpenLedger:
    """Every backend in turn."""
    return _opener(request.param, tmp_path, request)


@pytest.fixture(params=_params(DURABLE))
def open_durable(request: pytest.FixtureRequest, tmp_path: Path) -> OpenLedger:
    """Every backend that outlives its object and can be shared."""
    return _opener(request.param, tmp_path, request)
