"""The producer: offsets in order, errors that say what to do, and another try once Kafka is back."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from services.kafka import producing as module
from services.kafka.connection import RECORD_BYTES_MAX, Names
from services.kafka.producing import Producer, Record, RecordTooLarge
from services.ledgers.port import LedgerUnavailable
from services.settings import Settings
from tests.servers.fixtures import StartKafka
from tests.servers.kafka import Kafka
from tests.services.kafka.topics import distributed, made_topics
from tests.services.running import asynchronous


def records(settings: Settings, *values: bytes, partition: int = 0) -> list[Record]:
    return [Record(Names(settings.prefix).events, partition, b"key", value) for value in values]


@asynchronous
async def test_offsets_come_in_the_order_sent(kafka: Kafka, prefix: str) -> None:
    settings = distributed(kafka, prefix=prefix, partitions=2)
    await made_topics(settings)
    producer = Producer(settings)
    assert await producer.send([]) == []
    many = records(settings, *(b"%d" % number * 100 for number in range(2_000)))
    assert await producer.send(many) == list(range(2_000))
    mixed = [*records(settings, b"a", partition=1), *records(settings, b"b"), *records(settings, b"c", partition=1)]
    assert await producer.send(mixed) == [0, 2_000, 1]
    await producer.close()


@asynchronous
async def test_the_limit_of_time_is_for_a_piece_and_not_for_all(kafka: Kafka, prefix: str) -> None:
    settings = distributed(kafka, prefix=prefix)
    await made_topics(settings)
    producer, real = Producer(settings), module.sent
    assert await producer.send(records(settings, b"it is connected")) == [0]

    async def slow(client: Any, some: Sequence[Record]) -> list[int]:
        await asyncio.sleep(0.7)
        return await real(client, some)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SEND_SECONDS", 2.0)
        patch.setattr(module, "PIECE_RECORDS", 2)
        patch.setattr(module, "sent", slow)
        assert await producer.send(records(settings, *(b"%d" % number for number in range(5)))) == [1, 2, 3, 4, 5]
        patch.setattr(module, "PIECE_BYTES", 100)
        large = records(settings, b"a" * 90, b"b" * 20, b"c" * 200)
        assert await producer.send(large) == [6, 7, 8]
    await producer.close()


@asynchronous
async def test_what_can_never_be_sent_spoils_nothing_that_follows(kafka: Kafka, prefix: str) -> None:
    settings = distributed(kafka, prefix=prefix)
    await made_topics(settings)
    producer = Producer(settings)
    with pytest.raises(RecordTooLarge, match=r"max\.message\.bytes"):
        await producer.send(records(settings, b"first", b"x" * (RECORD_BYTES_MAX + 1)))
    assert len(await producer.send(records(settings, b"second", b"third"))) == 2
    await producer.close()


@asynchronous
async def test_a_kafka_that_is_not_there_is_told(prefix: str) -> None:
    producer = Producer(distributed(Kafka("127.0.0.1:1"), prefix=prefix))
    with pytest.raises(LedgerUnavailable, match="Check that its brokers run"):
        await producer.send([Record("events", 0, None, b"")])
    await producer.close()


async def _is_taken(producer: Producer, settings: Settings) -> bool:
    try:
        return bool(await producer.send(records(settings, b"meanwhile")))
    except LedgerUnavailable:
        return False


@pytest.mark.slow
@asynchronous
async def test_after_a_broker_was_away_it_sends_again(start_kafka: StartKafka, prefix: str) -> None:
    cluster = await asyncio.to_thread(start_kafka)
    settings = distributed(Kafka(cluster.servers), prefix=prefix)
    await made_topics(settings)
    producer = Producer(settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SEND_SECONDS", 1.0)
        assert await producer.send(records(settings, b"before")) == [0]
        await asyncio.to_thread(cluster.brokers[0].pause)
        while await _is_taken(producer, settings):  # a signal takes a moment to stop all of a broker's threads
            pass
        tries = [producer.send(records(settings, b"%d" % number)) for number in range(3)]
        answers = await asyncio.gather(*tries, return_exceptions=True)
        assert {type(answer) for answer in answers} == {LedgerUnavailable}
        await asyncio.to_thread(cluster.brokers[0].resume)
    (offset,) = await producer.send(records(settings, b"after"))
    assert offset >= 1
    await producer.close()
