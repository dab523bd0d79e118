"""Dead letters on Kafka: what was refused, whole and with the reason, in a topic of one partition.

A letter's number is its offset. The topic keeps what it has for as long as its retention says: a retry does not
take a letter out, and sending one twice is harmless, for an event that is booked already is a duplicate.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from msgspec import Struct
from msgspec.structs import replace

from events.days import moment_of_text, text_of_moment
from services.kafka.connection import RECORD_BYTES_MAX, Names, client_options, started
from services.kafka.producing import Producer, Record
from services.ledgers.port import LedgerUnavailable
from services.settings import Settings

PARTITION: Final = 0
"""Where all letters go, so that an offset is enough to name one."""
LETTER_BYTES_MAX: Final = RECORD_BYTES_MAX - 64 * 1024
"""How much of something refused is kept; beside it there is room for its headers."""
SILENCE_SECONDS: Final = 10.0
PAGE_RECORDS: Final = 200
POLL_MS: Final = 50


class KafkaRefusal(Struct, frozen=True):
    """Something refused, and why; `at` in microseconds.

    A record of Kafka is named by `topic`, `partition` and `offset`; of what came in otherwise these are empty and -1,
    and `source` says how it came: `http`, a file and line. `size` is how many bytes it had, where only the start was
    kept; else 0.
    """

    raw: bytes
    key: bytes | None
    code: str
    message: str
    field: str
    topic: str
    partition: int
    offset: int
    at: int
    source: str = ""
    size: int = 0

    @property
    def origin(self) -> str:
        """Where it came in, in words."""
        return f"{self.topic}/{self.partition}:{self.offset}" if self.topic else self.source


class KafkaLetter(Struct, frozen=True):
    """A refusal that the topic holds."""

    number: int
    refusal: KafkaRefusal


class DeadLetterTopic:
    """The topic that refused events are kept in; it is written through a producer that somebody else closes."""

    def __init__(self, settings: Settings, producer: Producer) -> None:
        self._topic = Names(settings.prefix).dead_letters
        self._producer = producer

    async def put_many(self, refusals: Sequence[KafkaRefusal]) -> list[int]:
        """Keeps what was refused and returns the numbers, once all of it is durable; raises LedgerUnavailable."""
        kept = [_fitting(one) for one in refusals]
        return await self._producer.send(
            [Record(self._topic, PARTITION, one.key, one.raw, _headers(one)) for one in kept]
        )


class LetterReader:
    """Reads the topic of dead letters, beside whoever writes into it; `start` first, `close` once."""

    def __init__(self, settings: Settings) -> None:
        self.topic: Final = Names(settings.prefix).dead_letters
        self._place = TopicPartition(self.topic, PARTITION)
        options = {"enable_auto_commit": False, "auto_offset_reset": "none", "fetch_max_wait_ms": POLL_MS}
        self._client = AIOKafkaConsumer(**client_options(settings), **options)

    async def start(self) -> None:
        """Connects; raises LedgerUnavailable."""
        await self._answered(started(self._client))
        self._client.assign([self._place])

    async def close(self) -> None:
        """Lets go of the connection."""
        await self._client.stop()

    async def bounds(self) -> tuple[int, int]:
        """The first number the topic still holds, and the one the next letter gets; raises LedgerUnavailable."""
        first = await self._answered(self._client.beginning_offsets([self._place]))
        end = await self._answered(self._client.end_offsets([self._place]))
        return int(first[self._place]), int(end[self._place])

    async def letters(self, start: int = 0, until: int | None = None) -> AsyncIterator[KafkaLetter]:
        """The letters with `start <= number < until`, by default up to the last there is; raises LedgerUnavailable."""
        first, end = await self.bounds()
        number, stop = max(start, first), end if until is None else min(until, end)
        self._client.seek(self._place, number)
        while number < stop:
            for record in await self._page():
                if record.offset >= stop:
                    return
                number = record.offset + 1
                yield KafkaLetter(record.offset, refusal_of_record(record))

    async def _page(self) -> Sequence[ConsumerRecord]:
        """The next records; there are some, so silence is an error."""
        loop = asyncio.get_running_loop()
        end = loop.time() + SILENCE_SECONDS
        while loop.time() < end:
            polled = self._client.getmany(self._place, timeout_ms=POLL_MS, max_records=PAGE_RECORDS)
            records: Sequence[ConsumerRecord] = (await self._answered(polled)).get(self._place, ())
            if records:
                return records
        raise _unavailable(self.topic, f"nothing came within {SILENCE_SECONDS:g} s")

    async def _answered(self, answer: Any) -> Any:
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                return await answer
        except (KafkaError, OSError, TimeoutError) as error:
            raise _unavailable(self.topic, str(error) or type(error).__name__) from error


def refusal_of_record(record: ConsumerRecord) -> KafkaRefusal:
    """The refusal in a record; what another program wrote there has no code."""
    told = {name: data.decode("utf-8", "replace") for name, data in record.headers}
    return KafkaRefusal(
        record.value or b"",
        record.key,
        told.get("code", ""),
        told.get("message", ""),
        told.get("field", ""),
        told.get("topic", ""),
        _number(told.get("partition", ""), -1),
        _number(told.get("offset", ""), -1),
        _moment(told.get("at", ""), record.timestamp * 1_000),
        told.get("source", ""),
        _number(told.get("size", ""), 0),
    )


def _headers(one: KafkaRefusal) -> list[tuple[str, bytes]]:
    """What a letter says of itself; a header without anything to say is left out."""
    told: dict[str, str] = {"code": one.code, "message": one.message, "field": one.field, "source": one.source}
    if one.topic:
        told |= {"topic": one.topic, "partition": str(one.partition), "offset": str(one.offset)}
    if one.size:
        told["size"] = str(one.size)
    told["at"] = text_of_moment(one.at)
    return [(name, text.encode("utf-8", "replace")) for name, text in told.items() if text]


def _fitting(one: KafkaRefusal) -> KafkaRefusal:
    """What fits into a record: a poisonous one of Kafka's largest size must not hold its partition up."""
    if len(one.raw) + len(one.key or b"") <= LETTER_BYTES_MAX:
        return one
    return replace(one, raw=one.raw[:LETTER_BYTES_MAX], key=None, size=len(one.raw))


def _moment(text: str, default: int) -> int:
    try:
        return moment_of_text(text)
    except ValueError:
        return default


def _number(text: str, default: int) -> int:
    return int(text) if text.isascii() and text.isdigit() else default


def _unavailable(topic: str, said: str) -> LedgerUnavailable:
    return LedgerUnavailable(f"{topic} cannot be read ({said}).", "Check that Kafka's brokers run and can be reached.")
