"""What the Kafka ledger adds: rivals, forks and strangers in the topic, other processes, brokers that die."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import RecordsToDelete

from services.kafka.connection import Names
from services.kafka.producing import Producer, Record
from services.kafka.reaching import kafka_admin
from services.ledgers import kafka as module
from services.ledgers.kafka import FAR_RECORDS, IDLE_MAX, KafkaLedger, kafka_ledger
from services.ledgers.kafka_chain import HEADER, header_of_block
from services.ledgers.port import HeightTaken, LedgerUnavailable, StoredBlock
from services.settings import Settings
from tests.servers.fixtures import StartKafka
from tests.servers.kafka import Kafka
from tests.services.kafka.topics import distributed, environment, made_topics
from tests.services.ledgers.blocks import chain, next_block
from tests.services.ledgers.test_kafka_chain import first_of_each_height, topic_of
from tests.services.ledgers.test_port import assert_one_chain, everything
from tests.services.running import asynchronous

ROOT = Path(__file__).parents[3]


@asynccontextmanager
async def opened(settings: Settings, count: int = 1) -> AsyncIterator[list[KafkaLedger]]:
    """Several objects for one ledger, closed again."""
    ledgers = [await kafka_ledger(settings) for _ in range(count)]
    try:
        yield ledgers
    finally:
        for ledger in ledgers:
            await ledger.close()


async def put(settings: Settings, blocks: Sequence[StoredBlock]) -> None:
    """Records in the topic as they are, without any rule."""
    producer = Producer(settings)
    topic = Names(settings.prefix).ledger
    headers = [[(HEADER, header_of_block(block))] for block in blocks]
    await producer.send(
        [Record(topic, b.partition, None, b.data, header) for b, header in zip(blocks, headers, strict=True)]
    )
    await producer.close()


async def followed(ledger: KafkaLedger, start: int, count: int) -> list[StoredBlock]:
    following: Any = ledger.follow(0, start)
    async with aclosing(following):
        return [await anext(following) for _ in range(count)]


@asynchronous
async def test_a_rivals_record_makes_ours_a_fork_that_nobody_sees(kafka: Kafka, prefix: str) -> None:
    settings = distributed(kafka, prefix=prefix)
    await made_topics(settings)
    first = next_block(None, entries=2)
    ours, theirs = (next_block(first, data=name, entries=3) for name in (b"ours", b"theirs"))
    async with opened(settings, 3) as (one, two, fresh):
        await one.append([first])
        await two.append([theirs])
        with pytest.raises(HeightTaken) as taken:
            await one.append([ours])
        assert (taken.value.partition, taken.value.height) == (0, 1)
        assert await one.end_offset(0) == 3, "our record is in the topic"
        last = next_block(theirs, data=b"last")
        await one.append([last])
        for ledger in (one, two, fresh):
            assert await ledger.tail(0) == last
            assert await everything(ledger) == [first, theirs, last]
            assert await followed(ledger, 1, 2) == [theirs, last]
            assert [await ledger.block_of(0, seq) for seq in range(7)] == [*[first] * 2, *[theirs] * 3, last, None]


@asynchronous
async def test_a_late_record_in_between_takes_nothing(kafka: Kafka, prefix: str) -> None:
    settings = distributed(kafka, prefix=prefix)
    await made_topics(settings)
    blocks = chain(4)
    async with opened(settings) as (ledger,):
        await ledger.append(blocks[:2])
        await put(settings, [blocks[1], next_block(blocks[0], data=b"late")])
        await ledger.append(blocks[2:])
        assert await everything(ledger) == blocks


@asynchronous
async def test_every_height_and_entry_is_found_among_many_forks(kafka: Kafka, prefix: str) -> None:
    seed = Random().randrange(10**9)
    dice = Random(seed)
    settings = distributed(kafka, prefix=prefix)
    await made_topics(settings)
    topic = topic_of([dice.choice([0, 0, 1, 1, 2, 7]) for _ in range(1_500)])
    await put(settings, topic)
    blocks = [block for _, block in first_of_each_height(topic)]
    async with opened(settings, 2) as (ledger, fresh):
        assert await ledger.tail(0) == blocks[-1], seed
        assert await fresh.block_of(0, blocks[-1].end_seq - 1) is not None, seed
        for _ in range(10):
            height = dice.randrange(len(blocks))
            found = [block async for block in ledger.read(0, height, height + 3)]
            assert found == blocks[height : height + 3], seed
            seq = dice.randrange(blocks[-1].end_seq)
            holder = await fresh.block_of(0, seq)
            assert holder is not None, (seed, seq)
            assert holder == blocks[holder.height], (seed, seq)
            assert holder.first_seq <= seq < holder.end_seq, (seed, seq)
        assert await everything(fresh) == blocks, seed


@asynchronous
async def test_a_tail_that_is_far_away_is_found_from_the_end(kafka: Kafka, prefix: str) -> None:
    settings = distributed(kafka, prefix=prefix)
    await made_topics(settings)
    blocks = chain(FAR_RECORDS + 50)
    async with opened(settings) as (ledger,):
        await ledger.append(blocks[:2])
        await put(settings, blocks[2:])
        assert await ledger.tail(0) == blocks[-1]
        await put(settings, [next_block(blocks[-2], data=b"late")])
        follower = next_block(blocks[-1])
        await ledger.append([follower])
        assert await everything(ledger) == [*blocks, follower]


@asynchronous
async def test_two_processes_never_fork_the_chain(kafka: Kafka, prefix: str) -> None:
    settings = distributed(kafka, prefix=prefix)
    await made_topics(settings)
    command = [sys.executable, "-m", "tests.services.ledgers.appending", "kafka"]
    own = os.environ | environment(kafka, prefix=prefix)
    options: dict[str, Any] = {"cwd": ROOT, "env": own, "stdout": subprocess.PIPE}
    appenders = [await asyncio.create_subprocess_exec(*command, name, "60", **options) for name in ("a", "b")]
    outputs = [(await process.communicate())[0] for process in appenders]
    assert [process.returncode for process in appenders] == [0, 0]
    async with opened(settings) as (ledger,):
        blocks = await everything(ledger)
    assert_one_chain(blocks)
    for name, output in zip(("a", "b"), outputs, strict=True):
        told = [blocks[int(height)].data for height in output.split()]
        assert told == [f"{name}:{number}".encode() for number in range(60)]
    assert len(blocks) == 120


@asynchronous
async def test_few_connections_are_kept_for_later(kafka: Kafka, prefix: str) -> None:
    """However many read at once: the others are closed after use."""
    settings = distributed(kafka, prefix=prefix)
    await made_topics(settings)
    blocks = chain(2)
    open_now: set[AIOKafkaConsumer] = set()

    class Counted(AIOKafkaConsumer):  # type: ignore[misc] # aiokafka tells no types
        async def start(self) -> None:
            open_now.add(self)
            await super().start()

        async def stop(self) -> None:
            await super().stop()
            open_now.discard(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "AIOKafkaConsumer", Counted)
        async with opened(settings) as (ledger,):
            await ledger.append(blocks)
            followers: list[Any] = [ledger.follow(0, 0) for _ in range(IDLE_MAX + 3)]
            assert [await anext(one) for one in followers] == [blocks[0]] * len(followers)
            assert len(open_now) >= len(followers)
            for one in followers:
                await one.aclose()
            while len(open_now) > IDLE_MAX:  # noqa: ASYNC110 - a client that has stopped tells nobody
                await asyncio.sleep(0.01)
            assert await everything(ledger) == blocks
            assert await asyncio.gather(*(ledger.end_offset(0) for _ in range(20))) == [2] * 20
            assert len(open_now) == IDLE_MAX
    assert not open_now


@asynchronous
async def test_a_strangers_record_is_named(kafka: Kafka, prefix: str) -> None:
    settings = distributed(kafka, prefix=prefix)
    await made_topics(settings)
    topic, blocks = Names(settings.prefix).ledger, chain(3)
    producer = Producer(settings)
    async with opened(settings, 2) as (ledger, fresh):
        await ledger.append(blocks[:2])
        await producer.send([Record(topic, 0, b"hello", b"I am no block")])
        await producer.close()
        for call in (ledger.append(blocks[2:]), ledger.tail(0), fresh.tail(0), everything(fresh)):
            with pytest.raises(LedgerUnavailable, match=f"Offset 2 of {topic} partition 0 is not a block"):
                await call
        assert [block async for block in fresh.read(0, 0, 2)] == blocks[:2], "what is before it can be read"


@asynchronous
async def test_a_large_block_goes_in_and_out(kafka: Kafka, prefix: str) -> None:
    settings = distributed(kafka, prefix=prefix)
    await made_topics(settings)
    blocks: list[StoredBlock] = []
    for size in (10, 5_000_000, 10, 5_000_000):
        blocks.append(next_block(blocks[-1] if blocks else None, data=Random(size).randbytes(size)))
    async with opened(settings, 2) as (ledger, fresh):
        await ledger.append(blocks)
        assert await fresh.tail(0) == blocks[-1]
        assert await everything(fresh) == blocks
        assert await followed(ledger, 1, 3) == blocks[1:]


@asynchronous
async def test_a_topic_that_is_not_there_is_told(kafka: Kafka, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOPIC_TRIES", 2)
    with pytest.raises(LedgerUnavailable, match=f"Kafka has no topic {prefix}.ledger") as told:
        await kafka_ledger(distributed(kafka, prefix=prefix))
    assert "revledger run writer" in told.value.remedy


@asynchronous
async def test_a_kafka_that_is_not_there_is_told(prefix: str) -> None:
    with pytest.raises(LedgerUnavailable, match="Kafka does not answer"):
        await kafka_ledger(distributed(Kafka("127.0.0.1:1"), prefix=prefix))


@asynchronous
async def test_a_beginning_that_was_deleted_is_told(kafka: Kafka, prefix: str) -> None:
    settings = distributed(kafka, prefix=prefix)
    await made_topics(settings)
    blocks = chain(5)
    async with opened(settings) as (ledger,):
        await ledger.append(blocks)
        async with kafka_admin(settings) as admin:
            place = TopicPartition(Names(settings.prefix).ledger, 0)
            await admin.delete_records({place: RecordsToDelete(before_offset=3)})
        with pytest.raises(LedgerUnavailable, match=r"retention must be -1"):
            await everything(ledger)
        assert await ledger.tail(0) == blocks[-1]


@asynchronous
async def test_an_end_that_was_lost_is_told(kafka: Kafka, prefix: str) -> None:
    settings = distributed(kafka, prefix=prefix)
    await made_topics(settings)
    async with opened(settings) as (ledger,):
        await ledger.append(chain(3))
        async with kafka_admin(settings) as admin:
            await admin.delete_topics([Names(settings.prefix).ledger])
        await made_anew(settings)
        with pytest.raises(LedgerUnavailable, match="has lost 3 records"):
            await ledger.tail(0)


async def made_anew(settings: Settings) -> None:
    """A topic that was just deleted; the broker takes a moment to forget the old one."""
    topic = Names(settings.prefix).ledger
    while True:
        await made_topics(settings)
        async with kafka_admin(settings) as admin:
            ends = {one["topic"]: one["partitions"] for one in await admin.describe_topics()}
        if ends.get(topic):
            return
        await asyncio.sleep(0.05)


@asynchronous
async def test_a_call_that_is_cut_off_spoils_nothing(kafka: Kafka, prefix: str) -> None:
    """Whoever cut an append off looks at the tail, as a writer does that starts again."""
    settings = distributed(kafka, prefix=prefix)
    await made_topics(settings)
    dice = Random(7)
    async with opened(settings) as (ledger,):
        tail: StoredBlock | None = None
        for number in range(25):
            block = next_block(tail, data=b"%d" % number)
            appending = asyncio.create_task(ledger.append([block]))
            await asyncio.sleep(dice.random() * 0.004)
            appending.cancel()
            await asyncio.wait([appending])
            tail = await ledger.tail(0)
            if appending.cancelled():
                continue
            assert tail is not None
            assert tail.height >= block.height
        blocks = await everything(ledger)
        assert_one_chain(blocks)
        assert len({block.data for block in blocks}) == len(blocks)


@pytest.mark.slow
@asynchronous
async def test_appends_outlive_a_broker(start_kafka: StartKafka, prefix: str) -> None:
    """What was acknowledged stays; what failed is there whole or not at all; after that it goes on."""
    cluster = await asyncio.to_thread(start_kafka)
    settings = distributed(Kafka(cluster.servers), prefix=prefix)
    await made_topics(settings)
    promised: list[StoredBlock] = []
    is_half_done, has_failed = asyncio.Event(), asyncio.Event()

    async def append() -> None:
        tail: StoredBlock | None = None
        while len(promised) < 60:
            try:
                tail = await ledger.tail(0)
                block = next_block(tail, data=b"%d" % len(promised))
                await ledger.append([block])
                promised.append(block)
                if len(promised) == 30:
                    is_half_done.set()
            except LedgerUnavailable:
                has_failed.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SILENCE_SECONDS", 1.0)
        patch.setattr("services.kafka.producing.SEND_SECONDS", 1.0)
        async with opened(settings) as (ledger,):
            appending = asyncio.create_task(append())
            await is_half_done.wait()
            await asyncio.to_thread(cluster.brokers[0].kill)
            await has_failed.wait()
            await asyncio.to_thread(cluster.brokers[0].start)
            await appending
            blocks = await everything(ledger)
    assert_one_chain(blocks)
    assert [block for block in blocks if block in promised] == promised
