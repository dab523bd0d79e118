"""Lines to a Redis server: commands go out as one and answers come back in order, with nothing else on the way.

redis-py's client does some dozen things around each command (retries, metrics, a pool with a lock, a task for each time
limit) that cost more than the command; its connections, which know how to get in, do what is needed.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.exceptions import (
    ResponseError,
    TimeoutError,  # noqa: A004 - the name Redis gives it; it is not Python's
)

Argument = bytes | str | int
IDLE_MAX: Final = 8
"""How many connections are kept open for the next command."""


class Lines:
    """Connections as those of a pool, each for one caller at a time; an answer may take so many seconds.

    Nothing is ever sent twice: what fails may have happened, and only the caller knows what that means.
    """

    def __init__(self, pool: ConnectionPool, answer_seconds: float) -> None:
        self._pool = pool
        self._answer_seconds = answer_seconds
        self._idle: list[AbstractConnection] = []
        self._is_closed = False

    async def ask(self, *commands: Sequence[Argument]) -> list[Any]:
        """The answers to commands, in order; raises RedisError, also where any answer is one, or OSError."""
        connection = self._idle.pop() if self._idle else self._made()
        try:
            async with asyncio.timeout(self._answer_seconds) as limit:
                await self._pool.ensure_connection(connection)
                packed = b"".join([part for one in commands for part in connection.pack_command(*one)])
                await connection.send_packed_command(packed, check_health=False)
                answers = []
                for _ in commands:
                    answers.append(await _answer(connection))
                    limit.reschedule(asyncio.get_running_loop().time() + self._answer_seconds)
        except BaseException as error:
            await connection.disconnect(nowait=True)
            if isinstance(error, asyncio.TimeoutError):
                raise TimeoutError(f"no answer within {self._answer_seconds:g} s") from error
            raise
        await self._put_back(connection)
        for one in answers:
            _require_none_wrong(one)
        return answers

    async def close(self) -> None:
        """Closes what is open; whoever still waits for an answer gets it."""
        self._is_closed = True
        while self._idle:
            await self._idle.pop().disconnect(nowait=True)

    def _made(self) -> AbstractConnection:
        """A connection that is limited by `ask` alone: its own limit on each step would be a task for each."""
        connection = self._pool.connection_class(**self._pool.connection_kwargs)
        connection.socket_timeout = None
        return connection

    async def _put_back(self, connection: AbstractConnection) -> None:
        if self._is_closed or len(self._idle) >= IDLE_MAX:
            with suppress(OSError):
                await connection.disconnect(nowait=True)
        else:
            self._idle.append(connection)


async def _answer(connection: AbstractConnection) -> Any:
    """An answer, be it an error: those to the commands after it are still to be read."""
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error


def _require_none_wrong(answer: Any) -> None:
    """Raises an answer that is an error, or one that a transaction holds."""
    for one in answer if isinstance(answer, list) else (answer,):
        if isinstance(one, ResponseError):
            raise one
