"""The stream: server-sent events that tell whenever the views have moved."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from services.gateway.state import State

PAUSE_SECONDS: Final = 0.25
"""The least time between two events."""
HEARTBEAT_SECONDS: Final = 15.0
RETRY_MS: Final = 1_000
"""How long a browser waits before it connects again."""

_HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}


def streaming(state: State, stopping: asyncio.Event) -> list[HTTPRouteHandler]:
    """The route of the stream; it ends once `stopping` is set."""

    @get("/v1/stream")
    async def stream() -> Stream:
        return Stream(positions(state, stopping), media_type="text/event-stream", headers=_HEADERS)

    return [stream]


async def positions(
    state: State, stopping: asyncio.Event, heartbeat_seconds: float = HEARTBEAT_SECONDS
) -> AsyncIterator[bytes]:
    """The position now and after each move, a comment where nothing moves for a while."""
    yield b"retry: %d\n\n" % RETRY_MS
    stopped = asyncio.create_task(stopping.wait())
    try:
        while not stopped.done():
            sent = state.position.next_height
            yield _position_event(state)
            await asyncio.wait([stopped], timeout=PAUSE_SECONDS)
            async for comment in _heartbeats(state, sent, stopped, heartbeat_seconds):
                yield comment
    finally:
        stopped.cancel()


async def _heartbeats(
    state: State, sent: int, stopped: asyncio.Task[bool], heartbeat_seconds: float
) -> AsyncIterator[bytes]:
    """Comments until the views move beyond what was sent, or all stops."""
    moved = asyncio.create_task(state.moved(sent))
    try:
        while not (moved.done() or stopped.done()):
            waited = asyncio.wait([moved, stopped], timeout=heartbeat_seconds, return_when=asyncio.FIRST_COMPLETED)
            if not (await waited)[0]:
                yield b": still here\n\n"
    finally:
        moved.cancel()


def _position_event(state: State) -> bytes:
    return b"event: position\ndata: %b\n\n" % msgspec.json.encode(state.as_of())
