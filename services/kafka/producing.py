"""Producing: records into Kafka, of which nothing is acknowledged before enough brokers have it."""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from msgspec import Struct

from services.kafka.connection import REQUEST_MS, producer_options, stopped
from services.ledgers.port import LedgerUnavailable
from services.settings import Settings

SEND_SECONDS: Final = REQUEST_MS / 1_000
"""How long Kafka may take for a piece of what is sent before the caller is told."""
PIECE_RECORDS: Final = 1_000
PIECE_BYTES: Final = 32 * 1024 * 1024
"""How many records and bytes of values a piece has at most; a larger record is one by itself."""
STOP_SECONDS: Final = 5.0
AGAIN: Final = "Check that its brokers run and can be reached; then send all of it again: that is harmless."


class Record(Struct, frozen=True):
    """One record, as it is to be in Kafka."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes
    headers: Sequence[tuple[str, bytes]] = ()


class RecordTooLarge(LedgerUnavailable):
    """Kafka takes no record of this size."""


class Producer:
    """Sends records to Kafka; it connects when first used, and anew after every failure. Close it once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Any = None
        self._starting = asyncio.Lock()
        self._stopping: set[asyncio.Task[None]] = set()

    async def send(self, records: Sequence[Record]) -> list[int]:
        """Sends records; their offsets, in order, once all of them are durable.

        Raises:
            RecordTooLarge: one of them can never be sent; others of the call may be in Kafka.
            LedgerUnavailable: some of them may be in Kafka, some not. Sending all again is safe for events.
        """
        offsets: list[int] = []
        for piece in _pieces(records):
            offsets += await self._sent(piece)
        return offsets

    async def partitions_of(self, topic: str) -> int:
        """How many partitions a topic has; raises LedgerUnavailable, also where there is none."""
        try:
            async with asyncio.timeout(SEND_SECONDS):
                return len(await (await self._started()).partitions_for(topic))
        except (KafkaError, OSError, TimeoutError) as error:
            raise LedgerUnavailable(f"Kafka does not tell of {topic} ({error}).", AGAIN) from error

    async def close(self) -> None:
        """Lets go of the connections; what was not acknowledged by then may be in Kafka or not."""
        async with self._starting:
            self._drop(self._client)
        if self._stopping:
            await asyncio.wait(self._stopping, timeout=STOP_SECONDS)

    async def _sent(self, records: Sequence[Record]) -> list[int]:
        client: Any = None
        try:
            async with asyncio.timeout(SEND_SECONDS):
                client = await self._started()
                return await sent(client, records)
        except MessageSizeTooLargeError as error:
            self._drop(client)  # the record has used up a sequence number, and whatever follows would be out of order
            largest = max(records, key=lambda one: len(one.value))
            problem = f"{largest.topic} takes no record of {len(largest.value)} bytes."
            raise RecordTooLarge(problem, f"Raise max.message.bytes of {largest.topic}.") from error
        except (KafkaError, OSError, TimeoutError) as error:
            self._drop(client)
            said = str(error) or f"no answer within {SEND_SECONDS:g} s"
            problem = f"Kafka did not take what was sent to {records[0].topic} ({said})."
            raise LedgerUnavailable(problem, AGAIN) from error
        except asyncio.CancelledError:
            self._drop(client)
            raise

    async def _started(self) -> Any:
        async with self._starting:
            if self._client is None:
                client = AIOKafkaProducer(**producer_options(self._settings))
                starting = asyncio.ensure_future(client.start())
                try:
                    await asyncio.shield(starting)
                except BaseException:
                    self._drop(client, starting)
                    raise
                self._client = client
            return self._client

    def _drop(self, client: Any, starting: asyncio.Future[None] | None = None) -> None:
        """Ends a client; another begins with numbers of its own, and is not held up by what this one could not send."""
        if client is None:
            return
        if client is self._client:
            self._client = None
        # Without this an idempotent producer tries for ever, and whoever stops it waits as long.
        waiting = client._message_accumulator  # noqa: SLF001
        waiting.fail_all(KafkaError("the producer was given up"))
        for batch in chain.from_iterable(waiting._batches.values()):  # noqa: SLF001
            batch._drain_waiter.exception()  # noqa: SLF001  # is known, else asyncio logs it as lost
        task = asyncio.ensure_future(stopped(client, starting))
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)


def _pieces(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Records cut, in order, into what Kafka takes in the time that a call may wait."""
    piece: list[Record] = []
    size = 0
    for one in records:
        if piece and (len(piece) >= PIECE_RECORDS or size + len(one.value) > PIECE_BYTES):
            yield piece
            piece, size = [], 0
        piece.append(one)
        size += len(one.value)
    if piece:
        yield piece


async def sent(client: Any, records: Sequence[Record]) -> list[int]:
    """Sends records through a client; their offsets, once Kafka has answered for each. Raises its errors."""
    answers: list[asyncio.Future[Any]] = []
    for one in records:
        sending = client.send(one.topic, one.value, key=one.key, partition=one.partition, headers=list(one.headers))
        answer = await sending
        answer.add_done_callback(_noticed)
        answers.append(answer)
    await asyncio.wait(answers)
    return [answer.result().offset for answer in answers]


def _noticed(answer: asyncio.Future[Any]) -> None:
    """Takes note of an error that nobody waits for any more."""
    if not answer.cancelled():
        answer.exception()
