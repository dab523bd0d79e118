"""Lines: every caller gets the answers to its own commands, whatever fails or is given up beside it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError, TimeoutError  # noqa: A004 - the name Redis gives it

from services.views.lines import IDLE_MAX, Lines
from services.views.valkey import embedded_valkey
from tests.services.running import asynchronous


@asynccontextmanager
async def lines_to_server(directory: Path, answer_seconds: float = 30.0) -> AsyncIterator[tuple[Lines, Redis]]:
    """Lines to a server of the test's own, and a plain client beside them."""
    async with embedded_valkey(directory) as server:
        plain = Redis(unix_socket_path=str(server), protocol=3)
        lines = Lines(plain.connection_pool, answer_seconds)
        yield lines, plain
        await lines.close()
        await plain.aclose()


@asynchronous
async def test_answers_are_those_to_the_commands_in_order(tmp_path: Path) -> None:
    async with lines_to_server(tmp_path) as (lines, plain):
        await plain.hset("a", mapping={"x": b"\x00\r\n", "y": "2"})
        asked = await lines.ask(("HGETALL", "a"), ("HMGET", "a", "y", "z"), ("HLEN", b"a"))
        assert asked == [{b"x": b"\x00\r\n", b"y": b"2"}, [b"2", None], 2]


@asynchronous
async def test_many_at_once_get_their_own_answers(tmp_path: Path) -> None:
    """Some of them are given up halfway, whose answers nobody else may take for theirs."""
    async with lines_to_server(tmp_path) as (lines, plain):
        asking = [asyncio.create_task(lines.ask(("ECHO", str(n)), ("ECHO", f"{n}!"))) for n in range(60)]
        for turns, task in enumerate(asking[::3]):
            for _ in range(turns % 7):
                await asyncio.sleep(0)
            task.cancel()
        answers = await asyncio.gather(*asking, return_exceptions=True)
        for n, answer in enumerate(answers):
            assert isinstance(answer, asyncio.CancelledError) or answer == [b"%d" % n, b"%d!" % n]
        assert sum(isinstance(answer, list) for answer in answers) >= 40
        assert await lines.ask(("ECHO", "after")) == [b"after"]
        async with asyncio.timeout(10):
            while len(await plain.client_list()) > IDLE_MAX + 1:  # noqa: ASYNC110 - the server is looked at
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("commands", [
    [("SET", "t", "1"), ("HGETALL", "t"), ("GET", "t")],
    [("SET", "t", "1"), ("MULTI",), ("HGETALL", "t"), ("GET", "t"), ("EXEC",)],
])
@asynchronous
async def test_an_answer_that_is_an_error_is_raised_and_harms_no_other(
    tmp_path: Path, commands: list[tuple[str, ...]]
) -> None:
    async with lines_to_server(tmp_path) as (lines, _):
        for _ in range(3):
            with pytest.raises(ResponseError, match="WRONGTYPE"):
                await lines.ask(*commands)
            assert await lines.ask(("GET", "t")) == [b"1"]


@asynchronous
async def test_whoever_gets_no_answer_is_told_and_the_next_one_does(tmp_path: Path) -> None:
    async with lines_to_server(tmp_path, answer_seconds=0.2) as (lines, plain):
        with pytest.raises(TimeoutError, match=r"within 0\.2 s"):
            await lines.ask(("BLPOP", "never", "0"))
        assert await lines.ask(("ECHO", "after")) == [b"after"]
        await plain.client_kill_filter(_type="normal", skipme=True)
        assert await lines.ask(("ECHO", "on a new one")) == [b"on a new one"]
