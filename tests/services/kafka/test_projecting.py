"""The projector through Faust, on real servers: whatever happens to it, the views become the same bytes."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from unittest.mock import patch

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from mode.threads import WorkerThread
from redis.asyncio import Redis

from events.block import BlockDamaged
from services.kafka import handing
from services.kafka.connection import Names, client_options
from services.kafka.projecting import ProjectorService, projector_service
from services.ledgers.kafka_chain import HEADER, header_of_block
from services.ledgers.port import LedgerUnavailable, StoredBlock
from services.metrics import Metrics
from services.views.port import Fenced
from tests.servers.fixtures import StartKafka, StartRedis
from tests.servers.kafka import Kafka
from tests.servers.redis import Options, SharedRedis
from tests.services.kafka.projected import Written, projecting, written
from tests.services.kafka.topics import distributed
from tests.services.running import asynchronous

SESSION_SECONDS = "6"


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Waits for something to hold, as long as the test may take."""
    while not await holds():  # noqa: ASYNC110 - it is looked, not told
        await asyncio.sleep(0.02)


async def blocks_of(books: Written, partition: int = 0) -> list[StoredBlock]:
    return [block async for block in books.ledger.read(partition)]


async def send(books: Written, *records: tuple[bytes, bytes], partition: int = 0) -> None:
    """Puts records into the ledger's topic as no writer would: header and value."""
    producer = AIOKafkaProducer(**client_options(books.settings))
    await producer.start()
    try:
        for header, value in records:
            topic = Names(books.settings.prefix).ledger
            await producer.send_and_wait(topic, value, partition=partition, headers=[(HEADER, header)])
    finally:
        await producer.stop()


async def is_ready(service: ProjectorService) -> bool:
    return not await service.not_ready()


@asynchronous
async def test_the_views_are_those_of_an_embedded_projector(
    kafka: Kafka, redis_server: SharedRedis, prefix: str
) -> None:
    """Blocks from before the start, and blocks from after it; and what it counts meanwhile."""
    settings, metrics = distributed(kafka, prefix=prefix, partitions=2, redis=redis_server.url), Metrics()
    async with written(settings) as books:
        await books.write(20)
        async with projecting(settings, metrics) as service:
            await books.check()
            await books.write(20, entries=1)
            await books.check()
            await until(lambda: is_ready(service))
            await until(lambda: shows(metrics, f"revledger_entries {20 * 3 * 2 + 20 * 2:.1f}"))
            await until(lambda: shows(metrics, 'revledger_lag_blocks{partition="1"} 0.0'))
            assert await service.not_live() == ""
        assert b'revledger_commits_total{outcome="done"}' in metrics.text()
        assert b'revledger_forks_skipped_total{partition="0"}' not in metrics.text()
        assert b"revledger_lag_blocks{" not in metrics.text(), "what is not projected here is not measured here"


async def shows(metrics: Metrics, line: str) -> bool:
    return line in metrics.text().decode().splitlines()


@asynchronous
async def test_faust_makes_no_topics_and_commits_hints(kafka: Kafka, redis_server: SharedRedis, prefix: str) -> None:
    settings = distributed(kafka, prefix=prefix, redis=redis_server.url)
    async with written(settings) as books:
        await books.write(5)
        async with projecting(settings):
            await books.check()
        admin = AIOKafkaAdminClient(**client_options(settings))
        await admin.start()
        try:
            topics = {topic for topic in await admin.list_topics() if prefix in topic}
            hints = await admin.list_consumer_group_offsets(Names(prefix).group("projector"))
        finally:
            await admin.close()
        names = Names(prefix)
        assert topics == {names.events, names.ledger, names.dead_letters}
        assert [found.offset for found in hints.values()] == [6], "the genesis and five blocks are acknowledged"


@asynchronous
async def test_a_second_projector_comes_and_goes(kafka: Kafka, redis_server: SharedRedis, prefix: str) -> None:
    """Blocks are appended all the while; each partition has one owner at any time."""
    settings = distributed(kafka, prefix=prefix, partitions=3, redis=redis_server.url, session_seconds=SESSION_SECONDS)

    async def keep_writing(books: Written) -> None:
        while True:
            await books.write(1)

    async with written(settings) as books:
        writing = asyncio.create_task(keep_writing(books))
        async with projecting(settings) as first:
            await books.reached(2, 3)
            async with projecting(settings) as second:
                await until(lambda: share(first, second))
                heights = [(await books.reached(p, 0)).next_height for p in range(3)]
                for partition, height in enumerate(heights):
                    await books.reached(partition, height + 5)
            await until(lambda: share(first))
            writing.cancel()
            await asyncio.wait([writing])
            await books.check()


async def share(*services: ProjectorService) -> bool:
    """Whether each of them has partitions, and all of them all."""
    shares = [set(service.partitions) for service in services]
    return all(shares) and sum(map(len, shares)) == 3 == len(set.union(*shares))


@asynchronous
async def test_it_stops_in_the_middle_and_starts_again(kafka: Kafka, redis_server: SharedRedis, prefix: str) -> None:
    settings = distributed(kafka, prefix=prefix, redis=redis_server.url)
    async with written(settings) as books:
        await books.write(200)
        with patch("services.kafka.lanes.BATCH_ENTRIES_MAX", 5):
            async with projecting(settings):
                position = await books.reached(0, 10)
            assert position.next_height < 201, "it was to stop in the middle"
        await books.write(5)
        async with projecting(settings):
            await books.check()


@pytest.mark.parametrize("is_writing", [False, True], ids=["idle", "writing"])
@asynchronous
async def test_redis_is_emptied(kafka: Kafka, start_redis: StartRedis, prefix: str, is_writing: bool) -> None:
    settings = distributed(kafka, prefix=prefix, redis=start_redis().url)
    async with written(settings) as books:
        await books.write(30)
        async with projecting(settings):
            await books.settle()
            client = Redis.from_url(settings.redis)
            await client.flushall()
            await client.aclose()
            if is_writing:
                await books.write(3)
            await books.check()


@asynchronous
async def test_redis_goes_and_comes_back_empty(kafka: Kafka, start_redis: StartRedis, prefix: str) -> None:
    server = start_redis()
    settings = distributed(kafka, prefix=prefix, redis=server.url)
    async with written(settings) as books:
        await books.write(10)
        async with projecting(settings) as service:
            await books.settle()
            server.kill()
            await books.write(10)
            await until(lambda: says(service, "partition 0 waits: The views are unavailable"))
            assert await service.not_live() == ""
            await asyncio.to_thread(server.start)
            await books.check()
            await until(lambda: is_ready(service))


async def says(service: ProjectorService, sentence: str) -> bool:
    return sentence in await service.not_ready()


@asynchronous
async def test_redis_comes_back_from_an_older_copy(kafka: Kafka, start_redis: StartRedis, prefix: str) -> None:
    server = start_redis(Options(keeping="dump"))
    settings = distributed(kafka, prefix=prefix, redis=server.url)
    async with written(settings) as books:
        await books.write(10)
        async with projecting(settings):
            await books.settle()
            client = Redis.from_url(settings.redis)
            await client.save()
            await client.aclose()
            await books.write(10)
            await books.settle()
            server.kill()
            await asyncio.to_thread(server.start)
            assert (await books.reached(0, 9)).next_height >= 11
            await books.check()


@asynchronous
async def test_it_starts_while_redis_is_away(kafka: Kafka, start_redis: StartRedis, prefix: str) -> None:
    """The records come from where the group committed; the lane finds the rest by itself."""
    server = start_redis()
    settings = distributed(kafka, prefix=prefix, redis=server.url)
    async with written(settings) as books:
        await books.write(10)
        async with projecting(settings):
            await books.settle()
        server.kill()
        with patch("services.kafka.projecting.START_PATIENCE_SECONDS", 0.2):
            async with projecting(settings) as service:
                await until(lambda: says(service, "partition 0 waits"))
                await books.write(2)
                await asyncio.to_thread(server.start)
                await books.check()


@asynchronous
async def test_it_waits_while_redis_would_evict(kafka: Kafka, start_redis: StartRedis, prefix: str) -> None:
    server = start_redis(Options(more={"maxmemory": "100mb", "maxmemory-policy": "allkeys-lru"}))
    settings = distributed(kafka, prefix=prefix, redis=server.url)
    async with written(settings) as books:
        await books.write(5)
        async with projecting(settings) as service:
            await until(lambda: says(service, "CONFIG SET maxmemory-policy noeviction"))
            assert await books.views.position(0) is None
            client = Redis.from_url(settings.redis)
            await client.config_set("maxmemory-policy", "noeviction")
            await client.aclose()
            await books.check()
            await until(lambda: is_ready(service))


@asynchronous
async def test_forks_and_foreign_blocks_are_skipped(kafka: Kafka, redis_server: SharedRedis, prefix: str) -> None:
    settings, metrics = distributed(kafka, prefix=prefix, redis=redis_server.url), Metrics()
    async with written(settings) as books, projecting(settings, metrics):
        await books.write(5)
        chain = await blocks_of(books)
        fork = msgspec.structs.replace(chain[4], hash=b"f" * 32)
        foreign = msgspec.structs.replace(chain[5], height=6, prev_hash=b"p" * 32, hash=b"q" * 32)
        await send(books, *[(header_of_block(one), one.data) for one in (fork, foreign)])
        await books.write(5)
        await books.check()
        await until(lambda: shows(metrics, 'revledger_forks_skipped_total{partition="0"} 2.0'))


@asynchronous
async def test_a_record_larger_than_a_fetch(kafka: Kafka, redis_server: SharedRedis, prefix: str) -> None:
    settings = distributed(kafka, prefix=prefix, redis=redis_server.url)
    async with written(settings) as books:
        await books.write(3, entries=100)
        with patch.object(handing, "FETCH_BYTES", 1_000):
            async with projecting(settings):
                await books.check()


@asynchronous
async def test_a_broker_goes_and_comes_back(start_kafka: StartKafka, redis_server: SharedRedis, prefix: str) -> None:
    cluster = start_kafka()
    settings = distributed(
        Kafka(cluster.servers), prefix=prefix, redis=redis_server.url, session_seconds=SESSION_SECONDS
    )
    async with written(settings) as books:
        await books.write(5)
        async with projecting(settings):
            await books.settle()
            await asyncio.to_thread(cluster.brokers[0].kill)
            await asyncio.to_thread(cluster.brokers[0].start)
            await books.write(5)
            await books.check()


@asynchronous
async def test_it_ends_once_another_holds_its_partition(kafka: Kafka, redis_server: SharedRedis, prefix: str) -> None:
    """As a process does that was paused for so long that the group gave its partitions away."""
    settings = distributed(kafka, prefix=prefix, redis=redis_server.url)
    async with written(settings) as books, projector_service(settings, Metrics()) as service:
        await books.write(1)
        running = asyncio.create_task(service.run())
        await books.settle()
        await books.views.claim(0)
        await books.write(1)
        with pytest.raises(Fenced):
            await running
        assert "ended with an error" in await service.not_live()


@pytest.mark.parametrize("record", ["none", "damaged"])
@asynchronous
async def test_what_is_no_block_ends_it(kafka: Kafka, redis_server: SharedRedis, prefix: str, record: str) -> None:
    settings = distributed(kafka, prefix=prefix, redis=redis_server.url)
    async with written(settings) as books, projector_service(settings, Metrics()) as service:
        await books.write(2)
        running = asyncio.create_task(service.run())
        await books.settle()
        tail = (await blocks_of(books))[-1]
        forged = msgspec.structs.replace(tail, height=tail.height + 1, prev_hash=tail.hash, hash=b"h" * 32)
        await send(books, (header_of_block(forged) if record == "damaged" else b"what?", tail.data))
        with pytest.raises(BlockDamaged if record == "damaged" else LedgerUnavailable):
            await running


@asynchronous
async def test_it_stops_while_kafka_is_away(start_kafka: StartKafka, redis_server: SharedRedis, prefix: str) -> None:
    """Faust alone would try to commit for ever, and its thread would keep the process."""
    cluster = start_kafka()
    settings = distributed(Kafka(cluster.servers), prefix=prefix, redis=redis_server.url)
    before = set(threading.enumerate())
    async with written(settings) as books:
        await books.write(5)
        async with projecting(settings):
            await books.settle()
            await asyncio.to_thread(cluster.brokers[0].kill)
            assert [one for one in set(threading.enumerate()) - before if isinstance(one, WorkerThread)]
        assert not [one for one in set(threading.enumerate()) - before if isinstance(one, WorkerThread)]
