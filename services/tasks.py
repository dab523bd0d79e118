"""Tasks: ended for certain, however often that has to be asked."""

import asyncio
from collections.abc import Collection
from typing import Any, Final

ASK_AGAIN_SECONDS: Final = 1.0


async def cancelled(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancels tasks and returns when they have ended, however they did.

    Once is not always enough: `asyncio.wait_for` of Python 3.11, which aiokafka waits with, loses a request that
    comes just as its answer does (python/cpython#86296), and its caller goes on as if nothing had been said.
    """
    waiting = {task for task in tasks if not task.done()}
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=ASK_AGAIN_SECONDS)
