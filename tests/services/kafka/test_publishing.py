"""Publishing: each event to the partition of its account, refusals to the dead letters, and no more than may wait."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient

from events.partitions import partition_of
from events.refusals import Refused
from services.intake import Busy
from services.kafka.connection import Names, client_options
from services.kafka.dead_letters import KafkaLetter, LetterReader
from services.kafka.publishing import Publisher
from services.ledgers.port import LedgerUnavailable
from services.settings import Settings
from tests.servers.kafka import Kafka
from tests.services.gateway.served import signed
from tests.services.kafka.topics import distributed, made_topics
from tests.services.running import asynchronous

PARTITIONS = 4
NOTHING_READ = [0] * PARTITIONS


def raw(number: int) -> bytes:
    return msgspec.json.encode(signed(number))


@asynccontextmanager
async def publishing(settings: Settings, read_to: Sequence[int] = NOTHING_READ) -> AsyncIterator[Publisher]:
    await made_topics(settings)
    publisher = Publisher(settings, read_to)
    try:
        yield publisher
    finally:
        await publisher.close()


async def letters(settings: Settings) -> list[KafkaLetter]:
    reader = LetterReader(settings)
    await reader.start()
    try:
        return [one async for one in reader.letters()]
    finally:
        await reader.close()


@asynchronous
async def test_every_event_goes_to_the_partition_of_its_account(kafka: Kafka, prefix: str) -> None:
    async with publishing(distributed(kafka, prefix=prefix, partitions=PARTITIONS)) as publisher:
        outcomes = await publisher.submit([raw(number) for number in range(600)], "http")
        assert {outcome.status for outcome in outcomes} == {"queued"}
        places = [outcome.queued for outcome in outcomes if outcome.queued]
        assert [at.partition for at in places] == [partition_of(f"acct-{n}", PARTITIONS) for n in range(600)]
        for partition in range(PARTITIONS):
            offsets = [at.offset for at in places if at.partition == partition]
            assert offsets == list(range(len(offsets)))
            assert offsets, "accounts spread over all partitions"
        assert publisher.waiting == 0


@asynchronous
async def test_what_is_refused_is_kept_with_its_reason(kafka: Kafka, prefix: str) -> None:
    settings = distributed(kafka, prefix=prefix, partitions=PARTITIONS)
    async with publishing(settings) as publisher:
        assert await publisher.kept() == {}
        good, bad, worse = await publisher.submit([raw(1), b"{", b"{}"], "http")
        assert (good.status, bad.status, bad.code, bad.dead_letter) == ("queued", "refused", "not_json", 0)
        assert (worse.status, worse.dead_letter, worse.queued) == ("refused", 1, None)
        assert await publisher.keep(b"[", Refused("not_json", "no"), "http") == 2
        assert await publisher.kept() == {"any": 3}
        kept = await letters(settings)
        assert [letter.refusal.raw for letter in kept] == [b"{", b"{}", b"["]
        assert {letter.refusal.source for letter in kept} == {"http"}
        assert (kept[0].refusal.code, kept[0].refusal.message) == (bad.code, bad.message)
        (told,) = await publisher.deliver([b"}"], lambda index: f"a.jsonl:{index + 7}")
        assert told.dead_letter == 3
        assert (await letters(settings))[3].refusal.source == "a.jsonl:7"


@asynchronous
async def test_more_than_may_wait_are_turned_away(kafka: Kafka, prefix: str) -> None:
    async with publishing(distributed(kafka, prefix=prefix, partitions=PARTITIONS, queue="10")) as publisher:
        first = asyncio.create_task(publisher.submit([raw(number) for number in range(20)], "http"))
        await asyncio.sleep(0)
        assert publisher.waiting == 20, "what comes alone may be larger than the room, or it could never come"
        with pytest.raises(Busy):
            await publisher.submit([raw(1)], "http")
        assert len(await first) == 20
        assert len(await publisher.submit([raw(1)], "http")) == 1


@asynchronous
async def test_nothing_is_acknowledged_while_kafka_is_away(prefix: str) -> None:
    publisher = Publisher(distributed(Kafka("127.0.0.1:1"), prefix=prefix), NOTHING_READ)
    for events in ([raw(1)], [b"{"]):
        with pytest.raises(LedgerUnavailable, match="Check that its brokers run"):
            await publisher.submit(events, "http")
    with pytest.raises(LedgerUnavailable, match=Names(prefix).dead_letters):
        await publisher.kept()
    assert publisher.waiting == 0
    await publisher.close()


@asynchronous
async def test_an_event_that_nobody_would_book_is_not_acknowledged(kafka: Kafka, prefix: str) -> None:
    """The ledger has read up to offset 1 of each partition, and the topic begins again: it was made anew."""
    settings = distributed(kafka, prefix=prefix, partitions=PARTITIONS)
    async with publishing(settings, [1] * PARTITIONS) as publisher:
        for _ in range(3):
            with pytest.raises(LedgerUnavailable, match="was made anew"):
                await publisher.submit([raw(1)], "http")


@asynchronous
async def test_a_topic_made_anew_while_a_gateway_runs_is_noticed(kafka: Kafka, prefix: str) -> None:
    settings = distributed(kafka, prefix=prefix, partitions=PARTITIONS)
    async with publishing(settings) as publisher:
        await publisher.submit([raw(1), raw(1)], "http")
        admin = AIOKafkaAdminClient(**client_options(settings))
        await admin.start()
        await admin.delete_topics([Names(prefix).events])
        await admin.close()
        await remade(settings)
        with pytest.raises(LedgerUnavailable, match="was made anew"):
            await publisher.submit([raw(1)], "http")


async def remade(settings: Settings) -> None:
    """Makes the topics until the one deleted is there again: a broker takes a moment to forget it."""
    for _ in range(100):
        await made_topics(settings)
        client = AIOKafkaConsumer(**client_options(settings))
        await client.start()
        found = await client.topics()
        await client.stop()
        if Names(settings.prefix).events in found:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the topic did not come back")
