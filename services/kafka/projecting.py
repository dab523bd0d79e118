"""The projector service: keeps the views of the partitions its group gives it at the head of the ledger."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any, Final

from services.distributed import views_of
from services.kafka.handing import HandingApp
from services.kafka.lanes import LOOK_SECONDS, Handed, Lane
from services.ledgers.kafka import KafkaLedger, kafka_ledger
from services.ledgers.kafka_chain import block_of_parts
from services.metrics import Metrics
from services.settings import Settings
from services.views.counted import counted_views
from services.views.port import Views
from services.views.redis import check_eviction

START_PATIENCE_SECONDS: Final = 5.0
"""How long the begin of a partition waits for Redis; then its records come from where the group committed."""
STOP_SECONDS: Final = 15.0
_log = logging.getLogger("revledger")


class ProjectorFailed(Exception):
    """Faust ended, which it does on errors it does not know."""


@asynccontextmanager
async def projector_service(settings: Settings, metrics: Metrics) -> AsyncIterator["ProjectorService"]:
    """The projector service on the ledger's topic, which exists; nothing is projected before it runs.

    Raises:
        LedgerUnavailable: Kafka does not answer, or has no such topic.
    """
    async with AsyncExitStack() as stack:
        ledger = await kafka_ledger(settings)
        stack.push_async_callback(ledger.close)
        views = views_of(settings)
        stack.push_async_callback(views.close)
        yield ProjectorService(settings, metrics, ledger, views)


class ProjectorService:
    """The lanes of the partitions that the group gave to this process."""

    name = "projector"
    """What the group, and the agent in it, are called after."""

    def __init__(self, settings: Settings, metrics: Metrics, ledger: KafkaLedger, views: Views) -> None:
        self._settings = settings
        self._metrics = metrics
        self._ledger = ledger
        self._views = counted_views(views, metrics)
        self._check = partial(check_eviction, views)
        self._lanes: dict[int, Lane] = {}
        self._is_member = False
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def partitions(self) -> list[int]:
        """The partitions that are projected here."""
        return sorted(self._lanes)

    async def run(self) -> None:
        """Projects what the ledger holds and gets, until it is cancelled or something breaks.

        Raises:
            Fenced: another process projects a partition that is ours: this one was away for too long.
            BlockDamaged: a person has to look at it.
            ProjectorFailed: Faust has ended.
        """
        app = HandingApp(self._settings, self, self.name)
        tasks = [
            asyncio.create_task(self._running(app), name="faust"),
            asyncio.create_task(self._measuring(), name="lag"),
        ]
        try:
            await asyncio.wait([*tasks, self._failed], return_when=asyncio.FIRST_COMPLETED)
            for one in (self._failed, *tasks):
                if one.done():
                    one.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await self.revoked(list(self._lanes))
            await _stopped(app)

    async def not_live(self) -> str:
        """Why the process should be started again; empty if it should not."""
        if self._failed.done():
            return f"a partition has ended with an error, which is in the log: start the {self.name} again"
        return next(filter(None, (lane.not_live() for lane in self._lanes.values())), "")

    async def not_ready(self) -> str:
        """Why the views are not kept up now; empty if they are, or if others keep them."""
        if not self._is_member:
            return f"the group has given this {self.name} no answer yet"
        return next(filter(None, (lane.not_ready() for lane in self._lanes.values())), "")

    async def assigned(self, partitions: Iterable[int]) -> None:
        """Called on an assignment: each partition begins anew, with a claim."""
        await self.revoked(list(self._lanes))
        for partition in partitions:
            lane = self._lanes[partition] = self._lane(partition)
            lane.task.add_done_callback(self._ended)
        self._is_member = True
        _log.info("this %s has partitions %s", self.name, sorted(self._lanes) or "none: others have all of them")

    def _lane(self, partition: int) -> Lane:
        """The lane of a partition, at work."""
        return Lane(self._ledger, self._views, partition, self._metrics, self._check)

    async def revoked(self, partitions: Iterable[int]) -> None:
        """Called before partitions go elsewhere: nothing is committed to their views here once it returns."""
        lanes = [self._lanes.pop(partition) for partition in partitions if partition in self._lanes]
        await asyncio.gather(*(lane.close() for lane in lanes))

    async def starts(self, partitions: Iterable[int]) -> Mapping[int, int]:
        """From which offsets on records should come; none for a partition whose views do not answer."""
        lanes = {partition: self._lanes[partition] for partition in partitions if partition in self._lanes}
        found = await asyncio.gather(*(lane.begins_at(START_PATIENCE_SECONDS) for lane in lanes.values()))
        return {partition: offset for partition, offset in zip(lanes, found, strict=True) if offset is not None}

    async def take(self, message: Any, ack: Callable[[], object]) -> None:
        """Puts a record into the lane of its partition; one that came too late for it is dropped."""
        lane = self._lanes.get(message.partition)
        if lane is None:
            return
        try:
            block = block_of_parts(
                message.topic, message.partition, message.offset, message.headers or (), message.value
            )
        except Exception as error:  # noqa: BLE001 - Faust would start its agent again and leave the record out
            self._fail(error)
            return
        await lane.put(Handed(block, message.offset, ack))

    async def _running(self, app: HandingApp) -> None:
        """Runs Faust, which ends only with an error."""
        starting = asyncio.create_task(app.start())
        try:
            await app.wait_until_stopped()
        finally:
            starting.cancel()
            with suppress(asyncio.CancelledError):
                await starting
        raise ProjectorFailed(f"Faust has ended: {app.crash_reason!r}") from app.crash_reason

    async def _measuring(self) -> None:
        while True:
            for lane in list(self._lanes.values()):
                await lane.measure()
            self._metrics.entries.set(sum(lane.entries for lane in self._lanes.values()))
            await asyncio.sleep(LOOK_SECONDS)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Called when a lane ends: with an error while the partition is ours, the process is to end with it."""
        error = None if task.cancelled() else task.exception()
        if error is not None and any(lane.task is task for lane in self._lanes.values()):
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)


async def _stopped(app: HandingApp) -> None:
    """Leaves the group; a Kafka that does not answer is not waited for longer than a while."""
    with suppress(TimeoutError):
        async with asyncio.timeout(STOP_SECONDS):
            await app.stop()
