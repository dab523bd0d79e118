"""Booking a partition on a real broker: each event once, whoever sent it, whatever else is there, whatever is lost."""

import asyncio
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from confluent_kafka import Producer as ConfluentProducer

from events.envelope import event_of
from events.partitions import partition_of
from services.kafka import booking
from services.kafka.connection import Names
from services.kafka.reaching import kafka_admin
from services.kafka.writing import InputMadeAnew
from services.settings import Settings
from services.writer import Writer
from tests.services.kafka.topics import made_topics
from tests.services.kafka.writers import (
    Prepare,
    booked,
    chain_of,
    check_ledger,
    contract,
    contracts,
    counted,
    died,
    letters_of,
    read_to,
    ready,
    send,
    send_by_java,
    send_by_librdkafka,
    until,
    working,
)
from tests.services.running import asynchronous


def place_of(settings: Settings, partition: int = 0) -> TopicPartition:
    return TopicPartition(Names(settings.prefix).events, partition)


# ---------------------------------------------------------------- whoever sends


@asynchronous
async def test_events_of_all_clients_are_booked_once(prepare: Prepare) -> None:
    """Partitioned by another hash, compressed in every way, in both modes, and sent twice."""
    settings = await prepare(4)
    raws = contracts(60)
    async with working(settings) as writer:
        for number, codec in enumerate(("none", "gzip", "snappy", "lz4", "zstd")):
            some = raws[number * 20 : number * 20 + 20]
            await asyncio.to_thread(send_by_librdkafka, settings, some, **{"compression.type": codec})
        await booked(settings, 100)
        assert writer.counted("forwarded_total") > 0
        await send(settings, raws[100:], is_binary=True)
        await send(settings, raws[:100])
        await booked(settings, len(raws))
        await counted(writer, "duplicates_total", 100)
        assert writer.counted("booked_total") == len(raws)
        await counted(writer, "input_lag_events", 0)
        assert (await writer.service.not_live(), await writer.service.not_ready()) == ("", "")
    await check_ledger(settings, raws)
    assert await letters_of(settings) == []


@pytest.mark.slow
@asynchronous
async def test_an_idle_partition_notes_the_time(prepare: Prepare) -> None:
    """So that what is said of it becomes final; what comes afterwards is booked on top."""
    settings = await prepare(1, tick_seconds="1")
    async with working(settings):
        await send(settings, contract("a", 1))
        await until(lambda: has_blocks(settings, 4))
        await send(settings, contract("b", 1))
        await booked(settings, 2)
    assert [block.header.entries for block in await chain_of(settings)][:4] == [0, 1, 0, 0]
    await check_ledger(settings, [*contract("a", 1), *contract("b", 1)])


async def has_blocks(settings: Settings, count: int) -> bool:
    return len(await chain_of(settings)) >= count


@asynchronous
async def test_javas_client_knows_the_partitions(prepare: Prepare) -> None:
    """None of its events is a stray, whatever the account is called and however long that is."""
    settings = await prepare(7)
    names = ["x" * length for length in range(1, 9)] + ["Zoë", "株式会社", "🦄 & co", "a/b:c"]
    raws = [raw for name in names for raw in contract(name)] + contracts(40)
    async with working(settings) as writer:
        await send_by_java(settings, raws)
        await booked(settings, len(raws))
        assert writer.counted("forwarded_total") == 0
    await check_ledger(settings, raws)


@asynchronous
async def test_only_strays_are_sent_on(prepare: Prepare) -> None:
    settings = await prepare(3)
    raws = contracts(10)
    async with working(settings) as writer:
        await send(settings, raws)
        await booked(settings, len(raws))
        assert writer.counted("forwarded_total") == 0
        strays = contract("stray") + contract("other")
        wrong = (partition_of("stray", 3) + 1) % 3
        ours = [raw for raw in strays if partition_of(event_of(raw).subject, 3) == wrong]
        await send(settings, strays, wrong, is_binary=True)
        await booked(settings, len(raws) + len(strays))
        assert writer.counted("forwarded_total") == len(strays) - len(ours)
    await check_ledger(settings, raws + strays)


@asynchronous
async def test_transactions_count_once_they_are_committed(prepare: Prepare) -> None:
    """What was aborted is nothing, and the marks of a transaction are no events to wait for."""
    settings = await prepare()
    producer = ConfluentProducer({"bootstrap.servers": settings.kafka, "transactional.id": settings.prefix})
    raws = contract("a", 6)
    async with working(settings) as writer:
        await asyncio.to_thread(producer.init_transactions, 30)
        for number, raw in enumerate(raws):
            producer.begin_transaction()
            producer.produce(Names(settings.prefix).events, raw, "a", 0)
            await asyncio.to_thread(producer.flush, 30)
            end = producer.abort_transaction if number % 2 else producer.commit_transaction
            await asyncio.to_thread(end, 30)
        await booked(settings, 3)
        consumer = writer.service._consumer

        async def has_read_everything() -> bool:
            (booker,) = writer.service._bookers.values()
            ends: dict[TopicPartition, int] = await consumer.end_offsets([place_of(settings)])
            return booker.read_to == ends[place_of(settings)] == 12

        await until(has_read_everything)
        await counted(writer, "input_lag_events", 0)
    await check_ledger(settings, raws[::2])


# ---------------------------------------------------------------- what is no event


class _Name(str):
    """The name of a header as some client may write it."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return b"\xff\xfe"


@asynchronous
async def test_poison_is_kept_and_holds_nothing_up(prepare: Prepare) -> None:
    settings = await prepare()
    good = contract("a", 4)
    conflict = good[0].replace(b"2024-01-10", b"2024-01-11")
    garbage: list[bytes | None] = [b"\x00garbage", None, b"", b"[]", b"{}", conflict, b"\xff" * 300_000]
    values = [good[0], *garbage[:3], good[1], *garbage[3:6], good[2], garbage[6]]
    async with working(settings) as writer:
        offsets = await send(settings, values, 0)
        await read_to(settings, offsets[-1] + 1)
        assert writer.counted("refused_total") == len(garbage)
        await send(settings, good[3:])
        await booked(settings, len(good))
    await check_ledger(settings, good)
    letters = await letters_of(settings)
    assert [letter.raw for letter in letters] == [value or b"" for value in garbage]
    places = [offset for offset, value in zip(offsets, values, strict=True) if value not in good]
    topic = Names(settings.prefix).events
    assert [(letter.topic, letter.partition, letter.offset) for letter in letters] == [(topic, 0, it) for it in places]
    codes = ["not_json", "not_cloudevent", "not_json", "not_cloudevent", "not_cloudevent", "id_conflict", "too_large"]
    assert [letter.code for letter in letters] == codes
    assert all(letter.message for letter in letters)
    async with working(settings) as writer:
        await send(settings, contract("b", 1))
        await booked(settings, len(good) + 1)
        assert len(await letters_of(settings)) == len(garbage), "poison is read once, though nothing good follows it"


@asynchronous
async def test_a_partition_of_nothing_but_poison_is_read_once(prepare: Prepare) -> None:
    settings = await prepare()
    await send(settings, [b"%d" % number for number in range(250)], 0)
    for _ in range(2):
        async with working(settings) as writer:
            await read_to(settings, 250)
            await ready(writer)
    letters = await letters_of(settings)
    assert [letter.offset for letter in letters] == list(range(250))
    assert sum(block.header.entries for block in await chain_of(settings)) == 0


@asynchronous
async def test_a_header_that_the_client_cannot_read_stops_nothing(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = await prepare()
    good = contract("a", 3)
    async with working(settings):
        await send(settings, good[:1], 0)
        with monkeypatch.context() as patch:  # the builder in C takes nothing but a real str
            for place in ("producer.DefaultRecordBatchBuilder", "message_accumulator.DefaultRecordBatchBuilder"):
                patch.setattr(f"aiokafka.producer.{place}", _DefaultRecordBatchBuilderPy)
            (offset,) = await send(settings, good[1:2], 0, headers={_Name("x"): b""})
        await send(settings, good[2:], 0)
        await booked(settings, 2)
    await check_ledger(settings, [good[0], good[2]])
    (letter,) = await letters_of(settings)
    assert (letter.offset, letter.code) == (offset, "not_cloudevent")
    assert "name is not UTF-8" in letter.message


# ---------------------------------------------------------------- an input with holes, or another one


async def delete_before(settings: Settings, offset: int) -> None:
    async with kafka_admin(settings) as admin:
        await admin.delete_records({place_of(settings): RecordsToDelete(before_offset=offset)})


@asynchronous
async def test_events_deleted_before_they_were_booked_are_told(prepare: Prepare) -> None:
    settings = await prepare()
    raws = contract("a", 12)
    async with working(settings):
        await send(settings, raws[:4])
        await booked(settings, 4)
    await send(settings, raws[4:])
    await delete_before(settings, 9)
    for _ in range(2):
        async with working(settings) as writer:
            await booked(settings, 4 + 3)
            await ready(writer)
    await check_ledger(settings, raws[:4] + raws[9:])
    (letter,) = await letters_of(settings)
    assert "events from offset 4 to 8 were deleted" in letter.message
    assert (letter.offset, letter.raw) == (4, b"")


@asynchronous
async def test_retention_that_overtakes_a_running_writer_is_told(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = await prepare()
    is_writing, may_write = asyncio.Event(), asyncio.Event()
    write = Writer.write

    async def slowly(self: Writer, *args: Any, **options: Any) -> Any:
        is_writing.set()
        await may_write.wait()
        return await write(self, *args, **options)

    monkeypatch.setattr(Writer, "write", slowly)
    raws = [raw[:-1] + b', "extension": "%s"}' % (b"x" * 200_000) for raw in contract("a", 100)]
    async with working(settings):
        await send(settings, raws)
        await is_writing.wait()
        await delete_before(settings, 95)
        may_write.set()
        await read_to(settings, 100)
    (letter,) = await letters_of(settings)
    assert f"events from offset {letter.offset} to 94 were deleted" in letter.message
    assert 0 < letter.offset < 95
    await check_ledger(settings, raws[: letter.offset] + raws[95:])


@asynchronous
async def test_an_input_that_was_made_anew_is_not_read(prepare: Prepare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(booking, "END_LOOKS", 2)
    settings = await prepare()
    async with working(settings):
        await send(settings, contract("a", 3))
        await booked(settings, 3)
    async with kafka_admin(settings) as admin:
        await admin.delete_topics([Names(settings.prefix).events])
    await until(lambda: has_events_topic(settings))
    await send(settings, contract("b", 2))
    with pytest.raises(InputMadeAnew, match="ends at offset 2, and the ledger has read up to 3"):
        await died(settings)
    await check_ledger(settings, contract("a", 3))


async def has_events_topic(settings: Settings) -> bool:
    await made_topics(settings)
    async with kafka_admin(settings) as admin:
        return any(one["topic"] == Names(settings.prefix).events for one in await admin.describe_topics())
