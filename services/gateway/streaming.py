"""The stream: server-sent events that tell whenever the views have moved."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from services.evidence import as_of_positions
from services.gateway.ports import Positions
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
        seen = await state.positions()
        return Stream(positions(state, seen, stopping), media_type="text/event-stream", headers=_HEADERS)

    return [stream]


async def positions(
    state: State, seen: Positions, stopping: asyncio.Event, heartbeat_seconds: float = HEARTBEAT_SECONDS
) -> AsyncIterator[bytes]:
    """The positions as they were seen and after each move, a comment where nothing moves for a while."""
    yield b"retry: %d\n\n" % RETRY_MS
    stopped = asyncio.create_task(stopping.wait())
    try:
        while not stopped.done():
            yield _position_event(seen)
            await asyncio.wait([stopped], timeout=PAUSE_SECONDS)
            moved = asyncio.create_task(state.moved(seen))
            try:
                async for comment in _heartbeats(moved, stopped, heartbeat_seconds):
                    yield comment
                seen = moved.result() if moved.done() else seen
            finally:
                moved.cancel()
    finally:
        stopped.cancel()


async def _heartbeats(
    moved: asyncio.Task[Positions], stopped: asyncio.Task[bool], heartbeat_seconds: float
) -> AsyncIterator[bytes]:
    """Comments until the views move beyond what was sent, or all stops."""
    while not (moved.done() or stopped.done()):
        waited = asyncio.wait([moved, stopped], timeout=heartbeat_seconds, return_when=asyncio.FIRST_COMPLETED)
        if not (await waited)[0]:
            yield b": still here\n\n"


def _position_event(seen: Positions) -> bytes:
    return b"event: position\ndata: %b\n\n" % msgspec.json.encode(as_of_positions(seen).shown())
