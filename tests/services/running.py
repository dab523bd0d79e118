"""Asynchronous tests without a plugin: each runs in an event loop of its own, for a bounded time."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec

P = ParamSpec("P")

LIMIT_SECONDS = 60.0


def asynchronous(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """The coroutine test as a plain one; a test that hangs fails."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(LIMIT_SECONDS):
                await test(*args, **kwargs)

        asyncio.run(bounded())

    return run
