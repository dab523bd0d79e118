"""A ledger on Kafka that tests write to, and views on Redis that are held against those of an embedded projector."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from redis.asyncio import Redis

from events.partitions import partition_of
from events.policy import Policy
from services.accounts import Accounts
from services.kafka.projecting import ProjectorService, projector_service
from services.ledgers.kafka import KafkaLedger, kafka_ledger
from services.metrics import Metrics
from services.projector import Projector
from services.settings import Settings
from services.views.memory import memory_views
from services.views.port import Position, Views, ViewsUnavailable
from services.views.redis import redis_views
from services.writer import Submitted, Writer
from tests.model.days import Event
from tests.model.notation import fact, line
from tests.services.books import raw_of
from tests.services.kafka.topics import made_topics
from tests.simulation.checks import Content, content_of

LOOK_SECONDS = 0.02


class Written:
    """Blocks on Kafka from the real writer, one partition at a time."""

    def __init__(self, settings: Settings, ledger: KafkaLedger, views: Views) -> None:
        self.settings = settings
        self.ledger = ledger
        self.views = views
        self._count = 0
        self._writers = [
            Writer(ledger, Accounts(None, p, 1_000), Policy(), None, partition=p, partitions=settings.partitions)
            for p in range(settings.partitions)
        ]

    async def write(self, blocks: int, *, entries: int = 3) -> None:
        """Appends so many blocks to each partition."""
        for _ in range(blocks):
            for partition, writer in enumerate(self._writers):
                raws = [raw_of(self._event(partition)) for _ in range(entries)]
                outcomes = await writer.write([Submitted(raw) for raw in raws])
                assert {outcome.status for outcome in outcomes} == {"accepted"}

    async def settle(self) -> None:
        """Waits until the views are at the head of every partition; whoever hangs is ended by the test's limit."""
        for partition in range(self.settings.partitions):
            tail = await self.ledger.tail(partition)
            await self.reached(partition, 0 if tail is None else tail.height)

    async def reached(self, partition: int, height: int) -> Position:
        """Waits until the views reflect a block."""
        while True:
            with suppress(ViewsUnavailable):
                position = await self.views.position(partition)
                if position is not None and position.next_height > height:
                    return position
            await asyncio.sleep(LOOK_SECONDS)

    async def check(self) -> None:
        """The views are at the head, and to the byte what an embedded projector makes of the same blocks."""
        await self.settle()
        expected, positions = await self._embedded()
        assert await content_on(self.settings) == expected
        found = {partition: await self.views.position(partition) for partition in positions}
        assert found == positions

    async def _embedded(self) -> tuple[Content, dict[int, Position]]:
        views = memory_views()
        positions = {}
        for partition in range(self.settings.partitions):
            projector = Projector(self.ledger, views, partition)
            await projector.start()
            await projector.catch_up()
            positions[partition] = projector.position
        return content_of(views), positions

    def _event(self, partition: int) -> Event:
        """A new contract of an account of the partition."""
        while True:
            self._count += 1
            account = f"account-{self._count}"
            if partition_of(account, self.settings.partitions) == partition:
                day = f"2024-{1 + self._count % 12:02}-{1 + self._count % 28:02}"
                said = {"lines": [line(1_000 + self._count)], "attributes": {"segment": f"s{self._count % 3}"}}
                return fact("signed", f"c{self._count}", day, **said) | {"subject": account}


@asynccontextmanager
async def written(settings: Settings) -> AsyncIterator[Written]:
    """Topics that exist, an empty ledger in them, and the views to look at."""
    await made_topics(settings)
    ledger = await kafka_ledger(settings)
    views = redis_views(settings.redis, namespace=settings.prefix)
    try:
        yield Written(settings, ledger, views)
    finally:
        await views.close()
        await ledger.close()


@asynccontextmanager
async def projecting(settings: Settings, metrics: Metrics | None = None) -> AsyncIterator[ProjectorService]:
    """A projector service that runs meanwhile; an error it ended with is raised."""
    async with projector_service(settings, metrics or Metrics()) as service:
        running = asyncio.create_task(service.run())
        try:
            yield service
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


async def content_on(settings: Settings) -> Content:
    """All fields of all keys of the views on Redis, as they are there."""
    client = Redis.from_url(settings.redis)
    try:
        content: Content = {}
        for partition in range(settings.partitions):
            start = f"{settings.prefix}:{{{partition}}}:"
            async for key in client.scan_iter(match=f"{start}*"):
                found: Any = await client.hgetall(key)
                content[partition, key.decode().removeprefix(start)] = found
        return content
    finally:
        await client.aclose()
