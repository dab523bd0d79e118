"""Tasks end for certain, also those that lose a request to end."""

import asyncio
from contextlib import suppress

import pytest

from services.tasks import cancelled
from tests.services.running import asynchronous


async def deaf(times: int) -> None:
    """Loses so many requests to end, as Python 3.11's wait_for may."""
    for _ in range(times):
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3_600)
    await asyncio.sleep(3_600)


@asynchronous
async def test_a_task_that_loses_requests_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.tasks.ASK_AGAIN_SECONDS", 0.01)
    tasks = [asyncio.create_task(deaf(times)) for times in (0, 1, 3)]
    await asyncio.sleep(0)
    await cancelled(tasks)
    assert all(task.cancelled() for task in tasks)


@asynchronous
async def test_tasks_that_have_ended_are_left_as_they_are() -> None:
    async def failing() -> None:
        raise ValueError("its own error")

    task = asyncio.create_task(failing())
    await asyncio.wait([task])
    await cancelled([task])
    assert isinstance(task.exception(), ValueError)
    await cancelled([])
