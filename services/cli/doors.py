"""The ways in: straight to the writer, over HTTP to the service that runs on the data directory, or into Kafka."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Protocol

import msgspec
from msgspec import Meta, Raw, Struct

from events.days import moment_of
from events.envelope import DEPTH_MAX, EVENT_BYTES_MAX, event_of
from events.refusals import Refused
from services import clock
from services.cli.beside import LOOK_SECONDS, Beside
from services.cli.service import Service
from services.compose import LEDGER_FILE, Books, Owner, owned_books, owner_of
from services.deadletters import DeadLetters
from services.intake import SourceOf, keep_refused
from services.ledgers.sqlite import sqlite_ledger
from services.settings import Settings
from services.views.redis import redis_views
from services.views.valkey import running_socket
from services.writer import Outcome, Submitted

if TYPE_CHECKING:
    from services.kafka.publishing import Publisher

KEEP_EVERY: Final = 100_000
"""Entries between two writes of the accounts' file: a load that is cut off books at most these again."""
STEP_ENTRIES: Final = 20_000
"""How far the views may fall behind while much is loaded: few large steps cost less than many small ones."""
BESIDE_EVENTS_MIN: Final = 50_000
"""From how many events on a process beside this one is worth its start."""
STILL_SECONDS_MAX: Final = 30.0
"""How long that process may stand still before this one does its work."""
CORES: Final = os.cpu_count() or 1
AHEAD_MICROSECONDS_MAX: Final = 60_000_000
"""How far the clock that recorded a history may have been ahead of ours."""
VIEWS_SECONDS: Final = 60.0
"""How long the views of a running service are waited for."""


class Door(Protocol):
    """Takes events in; what is refused is kept as a dead letter before `deliver` returns."""

    async def deliver(self, events: Sequence[bytes], source: SourceOf) -> list[Outcome]:
        """What became of each event; `source` tells by its index where one came from."""
        ...

    async def finish(self) -> dict[str, int]:
        """Returns once the views show what was delivered; the last height of each partition."""
        ...


@asynccontextmanager
async def open_door(settings: Settings, *, as_recorded: bool = False) -> AsyncIterator[Door]:
    """The way into a data directory, or into Kafka where the settings name one.

    Raises:
        DataInUse: another process that takes nothing in holds the directory.
        LedgerUnavailable: Kafka does not answer, or the ledger has not begun.
    """
    if settings.is_distributed:
        async with _kafka_door(settings) as door:
            yield door
        return
    owner = owner_of(settings.data)
    async with AsyncExitStack() as stack:
        if owner is not None and owner.url:
            dead_letters = DeadLetters(settings.data)
            stack.callback(dead_letters.close)
            yield _ServiceDoor(settings, owner, dead_letters)
            return
        books = await stack.enter_async_context(owned_books(settings, keep_every=KEEP_EVERY))
        yield await stack.enter_async_context(own_door(books, settings.data, as_recorded=as_recorded))


@asynccontextmanager
async def _kafka_door(settings: Settings) -> AsyncIterator[Door]:
    from services.distributed import publishing, readers

    async with readers(settings) as found, publishing(settings, found) as publisher:
        yield _KafkaDoor(publisher)


@asynccontextmanager
async def own_door(books: Books, data: Path, *, as_recorded: bool) -> AsyncIterator[Door]:
    """The way straight into books that this process holds; whatever it started beside has ended afterwards."""
    door = BooksDoor(books, data, as_recorded=as_recorded)
    try:
        yield door
    finally:
        await door.close()


class BooksDoor:
    """The way straight to the writer of the books this process holds.

    The views catch up meanwhile, in large steps; of a load that goes on for long, in a process beside it.
    """

    def __init__(self, books: Books, data: Path, *, as_recorded: bool = False) -> None:
        self._books = books
        self._data = data
        self._as_recorded = as_recorded
        self._delivered = 0
        self._unprojected = 0
        self._projecting: asyncio.Task[None] | None = None
        self._beside: Beside | None = None
        self._was_beside = False

    async def deliver(self, events: Sequence[bytes], source: SourceOf) -> list[Outcome]:
        outcomes = await self._written(events)
        await keep_refused(self._books.dead_letters, events, dict(enumerate(outcomes)), source)
        self._delivered += len(events)
        self._unprojected += len(events)
        if self._unprojected >= STEP_ENTRIES:
            await self._project()
        return outcomes

    async def finish(self) -> dict[str, int]:
        await self._projected()
        tail = await self._books.ledger.tail(0)
        if tail is None:
            return {"0": -1}
        await self._beside_is_near(tail.end_seq)
        await self._take_back()
        await self._books.projector.catch_up()
        return {"0": tail.height}

    async def close(self) -> None:
        """Ends what still runs; what was written and not projected is projected the next time."""
        if self._projecting is not None:
            self._projecting.cancel()
            with suppress(asyncio.CancelledError):
                await self._projecting
        if self._beside is not None:
            await self._beside.stop()

    async def _written(self, events: Sequence[bytes]) -> list[Outcome]:
        if not self._as_recorded:
            return await self._books.writer.write([Submitted(raw) for raw in events])
        times = [_recorded_at(raw) for raw in events]
        items = [Submitted(raw, at) for raw, at in zip(events, times, strict=True) if not isinstance(at, Refused)]
        written = iter(await self._books.writer.write(items))
        return [_refusal(at) if isinstance(at, Refused) else next(written) for at in times]

    async def _project(self) -> None:
        """Lets the views catch up beside the writing, one step at a time."""
        await self._projected()
        self._unprojected = 0
        if self._beside is not None and self._beside.is_running:
            return
        await self._take_back()
        if self._delivered >= BESIDE_EVENTS_MIN and not self._was_beside and CORES > 1:
            self._was_beside = True
            self._beside = Beside(self._data, STEP_ENTRIES)
            return
        tail = await self._books.ledger.tail(0)
        if tail is not None:
            step = self._books.projector.catch_up(tail.height + 1)
            self._projecting = asyncio.create_task(step, name="projector")

    async def _projected(self) -> None:
        if self._projecting is not None:
            await self._projecting

    async def _beside_is_near(self, end_seq: int) -> None:
        """Waits for the process beside this one to do all but its last step, as long as it gets on."""
        last_seq, still_seconds = -1, 0.0
        while self._beside is not None and self._beside.is_running and still_seconds < STILL_SECONDS_MAX:
            position = await self._books.views.position(0)
            reached = -1 if position is None else position.last_seq
            if end_seq - reached <= STEP_ENTRIES:
                return
            still_seconds = still_seconds + LOOK_SECONDS if reached == last_seq else 0.0
            last_seq = reached
            await asyncio.sleep(LOOK_SECONDS)

    async def _take_back(self) -> None:
        """Makes this process's projector the one that holds the views again."""
        if self._beside is not None:
            await self._beside.stop()
            self._beside = None
            await self._books.projector.start()


class _ServiceDoor:
    """The way over HTTP; what cannot be part of a batch is refused here as it would be there."""

    def __init__(self, settings: Settings, owner: Owner, dead_letters: DeadLetters) -> None:
        self._data = settings.data
        self._service = Service(owner.url, settings.body_bytes_max)
        self._dead_letters = dead_letters

    async def deliver(self, events: Sequence[bytes], source: SourceOf) -> list[Outcome]:
        unfit = {index: refused for index, raw in enumerate(events) if (refused := _unfit(raw))}
        outcomes = {index: _refusal(refused) for index, refused in unfit.items()}
        await keep_refused(self._dead_letters, events, outcomes, source)
        sent = [index for index in range(len(events)) if index not in unfit]
        answers = await self._service.send([events[index] for index in sent])
        outcomes.update(zip(sent, answers, strict=True))
        return [outcomes[index] for index in range(len(events))]

    async def finish(self) -> dict[str, int]:
        ledger = await sqlite_ledger(self._data / LEDGER_FILE)
        try:
            tail = await ledger.tail(0)
        finally:
            await ledger.close()
        height = -1 if tail is None else tail.height
        await self._views_reach(height)
        return {"0": height}

    async def _views_reach(self, height: int) -> None:
        socket = running_socket(self._data)
        if socket is None or height < 0:
            return
        views = redis_views(socket)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(VIEWS_SECONDS):
                    while (at := await views.position(0)) is None or at.next_height <= height:  # noqa: ASYNC110
                        await asyncio.sleep(0.02)  # another process moves them: there is no event
        finally:
            await views.close()


class _KafkaDoor:
    """The way into the events topic, where the writers find what was sent."""

    def __init__(self, publisher: "Publisher") -> None:
        self._publisher = publisher

    async def deliver(self, events: Sequence[bytes], source: SourceOf) -> list[Outcome]:
        return await self._publisher.deliver(events, source)

    async def finish(self) -> dict[str, int]:
        """No height: what was sent is durable, and booked when the writers come to it."""
        return {}


class _Recorded(Struct):
    recordedtime: Annotated[datetime, Meta(tz=True)]


_RECORDED: Final = msgspec.json.Decoder(_Recorded)
_RAW: Final = msgspec.json.Decoder(Raw)


def _recorded_at(raw: bytes) -> int | Refused:
    """The moment an event says it was recorded at, in microseconds; what else is wrong with it comes first."""
    try:
        moment = moment_of(_RECORDED.decode(raw).recordedtime)
        if moment <= clock.now() + AHEAD_MICROSECONDS_MAX:
            return moment
        sentence = "`recordedtime` lies in the future, where the ledger's clock would stay: mend it"
        return Refused("invalid_time", sentence, "recordedtime")
    except (msgspec.MsgspecError, RecursionError):
        try:
            event_of(raw)
        except Refused as refused:
            return refused
    sentence = "`recordedtime` is missing or no RFC 3339 time with an offset: add it, or load without --as-recorded"
    return Refused("invalid_time", sentence, "recordedtime")


def _unfit(raw: bytes) -> Refused | None:
    """Why an event cannot be part of a batch: a batch is one JSON array, and not for everything."""
    try:
        if len(raw) <= EVENT_BYTES_MAX:
            _RAW.decode(raw)
            if raw.count(b"[") + raw.count(b"{") <= DEPTH_MAX:
                return None
    except (msgspec.MsgspecError, RecursionError):
        pass
    try:
        event_of(raw)
    except Refused as refused:
        return refused
    return None


def _refusal(refused: Refused) -> Outcome:
    return Outcome("refused", None, 0, refused.code, refused.message, refused.field)
