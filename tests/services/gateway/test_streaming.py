"""The stream: one event at once, one after each move, comments in between, and an end when the service ends."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from time import monotonic
from typing import Any

import httpx

from services.compose import Books
from services.deadletters import DeadLetters
from services.gateway.embedded import embedded
from services.gateway.state import State
from services.gateway.streaming import PAUSE_SECONDS, positions
from services.intake import Intake
from services.metrics import Metrics
from services.views.memory import memory_views
from tests.services.books import POLICY, MemoryBooks
from tests.services.gateway.served import Service, served, signed
from tests.services.running import asynchronous


def events(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    """The data of the events as they come."""
    for line in answer.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def test_positions_come_as_the_books_move(service: Service, client: httpx.Client) -> None:
    with service.client() as listener, listener.stream("GET", "/v1/stream") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        found = events(answer)
        first = next(found)
        assert set(first) == {"position", "newest_event", "age_seconds", "final"}
        height = client.post("/v1/events", json=signed(1)).json()["position"]["height"]
        while next(found)["position"]["0"] < height:
            pass


def test_there_are_at_most_four_a_second(service: Service, client: httpx.Client) -> None:
    with service.client() as listener, listener.stream("GET", "/v1/stream") as answer:
        found = events(answer)
        next(found)
        began = monotonic()
        for number in range(100, 140):
            height = client.post("/v1/events", json=signed(number)).json()["position"]["height"]
        seen = 1
        while next(found)["position"]["0"] < height:
            seen += 1
        assert seen <= (monotonic() - began) / PAUSE_SECONDS + 1


def test_the_end_of_the_service_ends_the_stream(tmp_path: Path) -> None:
    with served(tmp_path) as service, service.client() as client, client.stream("GET", "/v1/stream") as answer:
        found = events(answer)
        next(found)
        began = monotonic()
        service.server.should_exit = True
        assert not list(found)
    assert monotonic() - began < 5


@asynchronous
async def test_comments_keep_a_silent_stream_open(tmp_path: Path) -> None:
    memory = await MemoryBooks().start()
    letters = DeadLetters(tmp_path)
    parts = (memory.ledger, memory.views, memory.writer, memory.projector, letters, memory.reports)
    books = Books(*parts, POLICY, memory_views(), memory_views())
    projection = asyncio.create_task(asyncio.sleep(60))
    state = State(embedded(books, Intake(memory.writer, letters, 1), projection), Metrics())
    stopping = asyncio.Event()
    async with aclosing(positions(state, await state.positions(), stopping, 0.01)) as stream:  # type: ignore[type-var]
        seen = [await anext(stream) for _ in range(4)]
        assert seen[0] == b"retry: 1000\n\n"
        assert seen[1].startswith(b'event: position\ndata: {"position":{"0":-1}')
        assert seen[2:] == [b": still here\n\n"] * 2
        stopping.set()
        assert len([one async for one in stream]) <= 1
    projection.cancel()
    letters.close()
