"""Dead letters on Kafka: kept whole with all that is known of them, named by a number, read back as they were."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.kafka import dead_letters as module
from services.kafka.connection import Names
from services.kafka.dead_letters import DeadLetterTopic, KafkaLetter, KafkaRefusal, LetterReader
from services.kafka.producing import Producer, Record
from services.settings import Settings
from tests.servers.kafka import Kafka
from tests.services.kafka.topics import distributed, made_topics
from tests.services.running import asynchronous

AT = 1_700_000_000_123_456
FROM_KAFKA = KafkaRefusal(b"{", b"acme", "not_json", "not JSON: 世界", "", "x.events", 3, 41, AT)
FROM_HTTP = KafkaRefusal(b"\x00\xff", None, "invalid_time", "no time", "time", "", -1, -1, AT, "http")


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[tuple[DeadLetterTopic, Producer, LetterReader]]:
    await made_topics(settings)
    producer, reader = Producer(settings), LetterReader(settings)
    await reader.start()
    try:
        yield DeadLetterTopic(settings, producer), producer, reader
    finally:
        await reader.close()
        await producer.close()


@asynchronous
async def test_letters_are_read_back_as_they_were(kafka: Kafka, prefix: str) -> None:
    async with opened(distributed(kafka, prefix=prefix)) as (topic, _, reader):
        assert await reader.bounds() == (0, 0)
        assert [one async for one in reader.letters()] == []
        assert await topic.put_many([]) == []
        assert await topic.put_many([FROM_KAFKA, FROM_HTTP]) == [0, 1]
        assert await topic.put_many([FROM_KAFKA]) == [2]
        kept = [KafkaLetter(0, FROM_KAFKA), KafkaLetter(1, FROM_HTTP), KafkaLetter(2, FROM_KAFKA)]
        assert [one async for one in reader.letters()] == kept
        assert [one async for one in reader.letters(1, 2)] == kept[1:2]
        assert [one async for one in reader.letters(1)] == kept[1:]
        assert [one async for one in reader.letters(3)] == []
        assert await reader.bounds() == (0, 3)
    assert (FROM_KAFKA.origin, FROM_HTTP.origin) == ("x.events/3:41", "http")


@asynchronous
async def test_of_what_is_too_large_the_start_is_kept(kafka: Kafka, prefix: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LETTER_BYTES_MAX", 100)
        async with opened(distributed(kafka, prefix=prefix)) as (topic, _, reader):
            large = KafkaRefusal(b"a" * 99 + b"bc", b"k", "too_large", "too large", "", "x.events", 0, 0, AT)
            await topic.put_many([large, FROM_KAFKA])
            first, second = [one.refusal async for one in reader.letters()]
            assert (first.raw, first.key, first.size) == (b"a" * 99 + b"b", None, 101)
            assert (first.code, first.offset, second) == ("too_large", 0, FROM_KAFKA)


@asynchronous
async def test_what_another_program_wrote_there_is_read_without_a_reason(kafka: Kafka, prefix: str) -> None:
    settings = distributed(kafka, prefix=prefix)
    async with opened(settings) as (_, producer, reader):
        headers = [("partition", b"x"), ("at", b"yesterday")]
        await producer.send([Record(Names(prefix).dead_letters, 0, None, b"hello", headers)])
        (letter,) = [one async for one in reader.letters()]
        assert (letter.refusal.raw, letter.refusal.code, letter.refusal.partition) == (b"hello", "", -1)
        assert letter.refusal.at > AT, "the time of the record, for want of another"
