"""Services that start at the wrong moment: no broker knows of the partitions yet, or Kafka goes away just then."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from services.kafka import handing, writing
from services.kafka.connection import Names
from services.kafka.projecting import projector_service
from services.kafka.reaching import kafka_admin
from services.kafka.writing import writer_service
from services.ledgers.kafka import KafkaLedger, kafka_ledger
from services.ledgers.port import LedgerUnavailable
from services.metrics import Metrics
from services.settings import Settings
from tests.servers.fixtures import StartKafka
from tests.servers.kafka import Kafka
from tests.servers.redis import SharedRedis
from tests.services.kafka.projected import written
from tests.services.kafka.topics import distributed, made_topics
from tests.services.kafka.writers import booked, contracts, is_true, ready, send, until, working
from tests.services.running import asynchronous


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The members look more often, so that the tests are quick."""
    for module in (handing, writing):
        monkeypatch.setattr(module, "METADATA_MS", 500)


async def delete(settings: Settings, topic: str) -> None:
    """Deletes a topic, and waits until it is gone."""
    async with kafka_admin(settings) as admin:
        await admin.delete_topics([topic])
        while topic in await admin.list_topics():  # noqa: ASYNC110  # it happens in a broker
            await asyncio.sleep(0.02)


@asynchronous
async def test_a_projector_that_found_no_partitions_gets_them(
    kafka: Kafka, redis_server: SharedRedis, prefix: str
) -> None:
    settings = distributed(kafka, prefix=prefix, redis=redis_server.url)
    await made_topics(settings)
    async with projector_service(settings, Metrics()) as service:
        await delete(settings, Names(prefix).ledger)
        running = asyncio.create_task(service.run())
        while await service.not_ready():  # noqa: ASYNC110  # it is looked, not told
            await asyncio.sleep(0.02)
        assert service.partitions == []
        async with written(settings) as books:
            await books.write(3)
            await books.check()
        assert service.partitions == [0]
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


@asynchronous
async def test_a_writer_that_found_no_partitions_gets_them(kafka: Kafka, prefix: str, tmp_path: Path) -> None:
    settings = distributed(kafka, prefix=prefix, data=str(tmp_path))
    await made_topics(settings)
    async with working(settings) as writer:
        await ready(writer)
        await delete(settings, Names(prefix).events)
        await until(lambda: is_true(not writer.service._tasks))
        await made_topics(settings)
        await send(settings, contracts(5))
        await booked(settings, 15)


@asynchronous
async def test_kafka_goes_away_while_a_projector_starts(
    start_kafka: StartKafka, redis_server: SharedRedis, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = start_kafka()
    settings = distributed(Kafka(cluster.servers), prefix=prefix, redis=redis_server.url, session_seconds="6")
    async with written(settings) as books:
        await books.write(3)
        async with projector_service(settings, Metrics()) as service:
            cluster.kill()
            running = asyncio.create_task(service.run())
            await until(lambda: is_true("this service waits: Kafka does not answer" in caplog.text))
            await asyncio.to_thread(cluster.start)
            await books.check()
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


@asynchronous
async def test_kafka_goes_away_while_a_writer_connects(
    start_kafka: StartKafka, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so in a way that makes the command try again, and leaves nothing open."""
    cluster = start_kafka()
    settings = distributed(Kafka(cluster.servers), prefix=prefix, data=str(tmp_path))
    await made_topics(settings)

    async def last_seen(settings: Settings) -> KafkaLedger:
        ledger = await kafka_ledger(settings)
        cluster.kill()
        return ledger

    monkeypatch.setattr(writing, "kafka_ledger", last_seen)
    with pytest.raises(LedgerUnavailable, match="Kafka does not answer"):
        async with writer_service(settings, Metrics()):
            raise AssertionError("it must not come so far")
