"""The state as the health sees it: a standstill, a store that is away, views that are being built."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.compose import Books
from services.deadletters import DeadLetters
from services.gateway import state as module
from services.gateway.embedded import embedded
from services.gateway.state import Lag, State
from services.intake import Intake
from services.metrics import Metrics
from services.views.memory import memory_views
from services.writer import Submitted
from tests.services.books import POLICY, MemoryBooks, raw_of
from tests.services.gateway.served import signed
from tests.services.running import asynchronous


@asynccontextmanager
async def watched(directory: Path) -> AsyncIterator[tuple[State, MemoryBooks]]:
    """The state of books in memory, whose views move only when told."""
    memory = await MemoryBooks().start()
    letters = DeadLetters(directory)
    parts = (memory.ledger, memory.views, memory.writer, memory.projector, letters, memory.reports)
    books = Books(*parts, POLICY, memory_views(), memory_views())
    projection = asyncio.create_task(asyncio.sleep(60))
    yield State(embedded(books, Intake(memory.writer, letters, 1), projection), Metrics()), memory
    projection.cancel()
    letters.close()


async def write(memory: MemoryBooks, number: int) -> None:
    await memory.writer.write([Submitted(raw_of(signed(number)))])


@asynchronous
async def test_lag_counts_the_blocks_that_are_missing(tmp_path: Path) -> None:
    async with watched(tmp_path) as (state, memory):
        assert await state.lags() == {0: Lag(-1, -1, 0, 0)}
        await write(memory, 1)
        assert await state.lags() == {0: Lag(1, -1, 2, 0)}
        await memory.projector.catch_up()
        assert await state.lags() == {0: Lag(1, 1, 0, 0)}


@asynchronous
async def test_a_standstill_is_no_life(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "STANDSTILL_SECONDS", 0.05)
        async with watched(tmp_path) as (state, memory):
            await write(memory, 1)
            assert not await state.not_live()
            await asyncio.sleep(0.1)
            assert "stood still" in await state.not_live()
            await memory.projector.catch_up()
            assert not await state.not_live()
            await asyncio.sleep(0.1)
            await write(memory, 2)
            assert not await state.not_live(), "an idle hour is no standstill"


@asynchronous
async def test_views_that_are_being_built_are_not_ready_at_first(tmp_path: Path) -> None:
    async with watched(tmp_path) as (state, memory):
        await write(memory, 1)
        assert "2 of 2 blocks" in await state.not_ready()
        await memory.projector.catch_up()
        assert not await state.not_ready()
        await write(memory, 2)
        assert not await state.not_ready(), "a moment's lag is no reason to send nobody"


@asynchronous
async def test_a_ledger_that_is_away_is_not_ready_yet_alive(tmp_path: Path) -> None:
    async with watched(tmp_path) as (state, memory):
        await memory.ledger.close()
        assert "closed" in await state.not_ready()
        assert not await state.not_live()
