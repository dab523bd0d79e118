"""The ledgers under the contract: a backend is added by one line in `BACKENDS`."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from services.ledgers.memory import memory_ledger
from services.ledgers.port import Ledger
from services.ledgers.sqlite import sqlite_ledger

OpenLedger = Callable[[], AbstractAsyncContextManager[Ledger]]
"""Opens the ledger of this test; where the backend is durable, every call opens the same one."""


async def _memory(_directory: Path) -> Ledger:
    return memory_ledger()


async def _sqlite(directory: Path) -> Ledger:
    return await sqlite_ledger(directory / "ledger.sqlite")


BACKENDS: dict[str, Callable[[Path], Awaitable[Ledger]]] = {"memory": _memory, "sqlite": _sqlite}
DURABLE = [name for name in BACKENDS if name != "memory"]


def _opener(backend: str, directory: Path) -> OpenLedger:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Ledger]:
        ledger = await BACKENDS[backend](directory)
        try:
            yield ledger
        finally:
            await ledger.close()

    return opened


@pytest.fixture(params=list(BACKENDS))
def open_ledger(request: pytest.FixtureRequest, tmp_path: Path) -> OpenLedger:
    """Every backend in turn."""
    return _opener(request.param, tmp_path)


@pytest.fixture(params=DURABLE)
def open_durable(request: pytest.FixtureRequest, tmp_path: Path) -> OpenLedger:
    """Every backend that outlives its object and can be shared."""
    return _opener(request.param, tmp_path)
