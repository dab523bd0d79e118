"""The ledger in one Kafka topic: a block is a record, and the reader rule decides which records are in the chain.

Kafka appends whatever it is sent, so two writers of one partition may both append a block of the same height.
All readers decide alike which one counts: the first. Therefore a writer has one unconfirmed block at most: it
learns the offset of its record, and where others came in between, whether the rule accepted it. So the
parent of every record is in the chain, and the block of a height is the first record with that height.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any, Final, Protocol

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from services.kafka.connection import Names, client_options, stopped
from services.kafka.producing import Producer, Record
from services.ledgers.kafka_chain import HEADER, Chain, HeightIndex, block_of_record, header_of_block, tail_in
from services.ledgers.port import (
    HeightTaken,
    Ledger,
    LedgerError,
    LedgerUnavailable,
    StoredBlock,
    closed_ledger,
    require_chain,
)
from services.settings import Settings

SILENCE_SECONDS: Final = 10.0
"""How long Kafka may give nothing of what it has before that is an error."""
FETCH_BYTES: Final = 4 * 1024 * 1024
RECORDS_MAX: Final = 64
"""How many records are taken from the client at once; each is a block of up to about 700 kB."""
POLL_MS: Final = 50
TOPIC_TRIES: Final = 20
TOPIC_PAUSE_SECONDS: Final = 0.1
IDLE_MAX: Final = 4
"""How many connections are kept for the next who reads, and how many ask for ends of partitions at once."""
FAR_RECORDS: Final = 256
"""From how many unread records on the tail is looked for from the end of the topic."""


class End(msgspec.Struct, frozen=True):
    """The end of a partition as far as it was read: the next offset, and the last block of the chain."""

    offset: int
    tail: StoredBlock | None


class KafkaLedger(Ledger, Protocol):
    """A ledger that also says where in its topic things are."""

    def offset_of(self, partition: int, height: int) -> int:
        """An offset at which, or soon after which, the block of a height is or will be."""
        ...

    async def end_offset(self, partition: int) -> int:
        """The offset that the next record will have. Raises LedgerUnavailable."""
        ...


async def kafka_ledger(settings: Settings) -> KafkaLedger:
    """The ledger on the Kafka servers of the settings; its topic must exist (`services.kafka.topics`).

    An append of several blocks that fails may have stored the first of them. Raises LedgerUnavailable.
    """
    ledger = _KafkaLedger(settings)
    try:
        await ledger.start()
    except BaseException:
        await ledger.close()
        raise
    return ledger


class _KafkaLedger:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = Names(settings.prefix).ledger
        self._ends: dict[int, End] = {}
        self._indexes: dict[int, HeightIndex] = {}
        self._turns: dict[int, asyncio.Lock] = {}
        self._producer = Producer(settings)
        self._consumers: set[AIOKafkaConsumer] = set()
        self._idle: list[AIOKafkaConsumer] = []
        self._asking = asyncio.Semaphore(IDLE_MAX)
        self._stopping: set[asyncio.Task[None]] = set()
        self._closed = False

    async def start(self) -> None:
        """Makes sure that the topic is there; one just made takes a moment until every broker knows it."""
        for _ in range(TOPIC_TRIES):
            async with self._consuming() as consumer:
                if self._topic in await _waited(consumer.topics()):
                    return
            await asyncio.sleep(TOPIC_PAUSE_SECONDS)
        problem = f"Kafka has no topic {self._topic}."
        raise LedgerUnavailable(
            problem, "Start a writer (`revledger run writer`), which makes it, or check the prefix."
        )

    async def append(self, blocks: Sequence[StoredBlock]) -> None:
        partitions = sorted({block.partition for block in blocks})
        async with AsyncExitStack() as stack:
            for partition in partitions:
                await stack.enter_async_context(self._turn(partition))
            try:
                require_chain({p: (await self._known_end(p)).tail for p in partitions}, blocks)
            except LedgerError:
                require_chain({p: (await self._read_on(p)).tail for p in partitions}, blocks)
            for block in blocks:
                await self._append(block)

    async def tail(self, partition: int) -> StoredBlock | None:
        async with self._turn(partition):
            return (await self._read_on(partition)).tail

    async def read(
        self, partition: int, from_height: int = 0, until_height: int | None = None
    ) -> AsyncGenerator[StoredBlock, None]:
        height = max(from_height, 0)
        offset, end = self._index(partition).start_of(height), await self._end_offset(partition)
        chain = Chain(partition, height)
        while offset < end and (until_height is None or chain.next_height < until_height):
            async with aclosing(self._records(partition, offset, end)) as records:
                async for record in records:
                    block = block_of_record(record)
                    if chain.accepts(block):
                        self._index(partition).note(block, record.offset)
                        yield block
                        if until_height is not None and chain.next_height >= until_height:
                            return
            offset, end = end, await self._end_offset(partition)

    async def follow(self, partition: int, from_height: int) -> AsyncGenerator[StoredBlock, None]:
        chain = Chain(partition, max(from_height, 0))
        start = min(self._index(partition).start_of(chain.next_height), await self._end_offset(partition))
        async with self._consuming() as consumer:
            place = TopicPartition(self._topic, partition)
            consumer.assign([place])
            consumer.seek(place, start)
            while True:
                for record in await self._some(consumer, place, POLL_MS):
                    block = block_of_record(record)
                    if chain.accepts(block):
                        self._index(partition).note(block, record.offset)
                        yield block

    async def block_of(self, partition: int, seq: int) -> StoredBlock | None:
        tail = await self.tail(partition)
        if tail is None or not 0 <= seq < tail.end_seq:
            return None
        low, high = self._index(partition).heights_around(seq, tail.height)
        while low < high:
            middle = (low + high + 1) // 2
            block = await self._block_at(partition, middle)
            low, high = (middle, high) if block.first_seq <= seq else (low, middle - 1)
        return await self._block_at(partition, low)

    async def forks(self, partition: int) -> int:
        while True:
            tail = await self.tail(partition)
            end = await self._end_offset(partition)
            if await self.tail(partition) == tail:  # else a writer appends meanwhile
                return end - (0 if tail is None else tail.height + 1)

    def offset_of(self, partition: int, height: int) -> int:
        return self._index(partition).start_of(height)

    async def end_offset(self, partition: int) -> int:
        return await self._end_offset(partition)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self._producer.close()
        for consumer in self._idle:
            self._consumers.discard(consumer)
            self._stop(consumer)
        if self._consumers:  # those in the middle of a call end by themselves: one that connects is not to be stopped
            await asyncio.sleep(4 * POLL_MS / 1_000)
        for consumer in self._consumers:
            self._stop(consumer)
        if self._stopping:
            await asyncio.wait(self._stopping, timeout=SILENCE_SECONDS)

    async def _append(self, block: StoredBlock) -> None:
        """Appends one record and makes sure that the rule accepts it."""
        partition = block.partition
        end = self._ends.pop(partition)  # whatever happens to the record now, only reading tells
        record = Record(self._topic, partition, None, block.data, [(HEADER, header_of_block(block))])
        (offset,) = await self._producer.send([record])
        if offset == end.offset:
            self._index(partition).note(block, offset)
            self._ends[partition] = End(offset + 1, block)
            return
        self._ends[partition] = end
        if not await self._was_accepted(block):
            raise HeightTaken(partition, block.height)

    async def _was_accepted(self, block: StoredBlock) -> bool:
        """Whether a block that was appended after records of others is in the chain."""
        found = False

        def seen(accepted: StoredBlock) -> None:
            nonlocal found
            found |= accepted.hash == block.hash

        await self._read_on(block.partition, seen)
        return found

    async def _known_end(self, partition: int) -> End:
        return self._ends.get(partition) or await self._read_on(partition)

    async def _read_on(self, partition: int, seen: Callable[[StoredBlock], None] | None = None) -> End:
        """Reads to the end of a partition; every block of the chain on the way is shown to `seen`."""
        offset = await self._end_offset(partition)
        known = self._ends.get(partition)
        if known is None or (seen is None and offset - known.offset > FAR_RECORDS):
            known = End(offset, await self._tail_before(partition, offset))
        elif known.offset < offset:
            tail = known.tail
            chain = Chain(partition, 0 if tail is None else tail.height + 1, None if tail is None else tail.hash)
            async with aclosing(self._records(partition, known.offset, offset)) as records:
                async for record in records:
                    block = block_of_record(record)
                    if chain.accepts(block):
                        self._index(partition).note(block, record.offset)
                        tail = block
                        if seen is not None:
                            seen(block)
            known = End(offset, tail)
        elif known.offset > offset:
            raise _lost(self._topic, partition, known.offset - offset)
        self._ends[partition] = known
        return known

    async def _tail_before(self, partition: int, end: int) -> StoredBlock | None:
        """The last block of the chain, found from the end of the topic."""
        size = 2
        while end:
            start = max(0, end - size)
            async with aclosing(self._records(partition, start, end)) as records:
                window = [(record.offset, block_of_record(record)) async for record in records]
            found = tail_in(window, is_whole=start == 0)
            if found is not None:
                self._index(partition).note(found[1], found[0])
                return found[1]
            size *= 4
        return None

    async def _block_at(self, partition: int, height: int) -> StoredBlock:
        async with aclosing(self.read(partition, height, height + 1)) as reading:
            async for block in reading:
                return block
        raise _lost(self._topic, partition, 1)

    async def _records(self, partition: int, offset: int, end: int) -> AsyncGenerator[ConsumerRecord, None]:
        """The records from an offset to before another, which must be there."""
        async with self._consuming() as consumer:
            place = TopicPartition(self._topic, partition)
            consumer.assign([place])
            consumer.seek(place, offset)
            loop = asyncio.get_running_loop()
            heard = loop.time()
            while offset < end:
                records = await self._some(consumer, place, POLL_MS)
                for record in records:
                    if record.offset >= end:
                        return
                    offset = record.offset + 1
                    yield record
                if records:
                    heard = loop.time()
                elif loop.time() - heard > SILENCE_SECONDS:
                    problem = f"Kafka gives nothing of {self._topic} partition {partition} from offset {offset} on."
                    raise LedgerUnavailable(problem, "Check that its brokers run; it will be tried again.")

    async def _some(self, consumer: AIOKafkaConsumer, place: TopicPartition, wait_ms: int) -> list[ConsumerRecord]:
        self._require_open()
        try:
            found = await consumer.getmany(place, timeout_ms=wait_ms, max_records=RECORDS_MAX)
        except OffsetOutOfRangeError as error:
            problem = f"{self._topic} partition {place.partition} no longer has what was to be read."
            remedy = "Its retention must be -1 (never); restore the topic from a copy before anything is written to it."
            raise LedgerUnavailable(problem, remedy) from error
        except (KafkaError, OSError) as error:
            raise _unavailable(f"{self._topic} cannot be read", error) from error
        return list(found.get(place, ()))

    async def _end_offset(self, partition: int) -> int:
        place = TopicPartition(self._topic, partition)
        async with self._asking, self._consuming() as consumer:
            if place not in consumer.assignment():
                consumer.assign([place])  # else a new client does not know whom to ask, and pauses before it looks
                consumer.pause(place)
                consumer.seek(place, 0)
            return int((await _waited(consumer.end_offsets([place])))[place])

    @asynccontextmanager
    async def _consuming(self) -> AsyncIterator[AIOKafkaConsumer]:
        """A consumer without a group, for one use; of those that did well a few are used again."""
        self._require_open()
        consumer = self._idle.pop() if self._idle else await self._new_consumer()
        did_well = False
        try:
            yield consumer
            did_well = True
        except GeneratorExit:
            did_well = True
            raise
        finally:
            if did_well and not self._closed and len(self._idle) < IDLE_MAX:
                consumer.pause(*consumer.assignment())
                self._idle.append(consumer)
            elif consumer in self._consumers:
                self._consumers.discard(consumer)
                self._stop(consumer)

    async def _new_consumer(self) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_wait_ms=POLL_MS,
        )
        starting = asyncio.ensure_future(consumer.start())
        try:
            await _waited(asyncio.shield(starting))
            self._require_open()
        except BaseException:
            self._stop(consumer, starting)
            raise
        self._consumers.add(consumer)
        return consumer

    def _stop(self, client: AIOKafkaConsumer, starting: asyncio.Future[None] | None = None) -> None:
        task = asyncio.ensure_future(stopped(client, starting))
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    def _turn(self, partition: int) -> asyncio.Lock:
        return self._turns.setdefault(partition, asyncio.Lock())

    def _index(self, partition: int) -> HeightIndex:
        return self._indexes.setdefault(partition, HeightIndex())

    def _require_open(self) -> None:
        if self._closed:
            raise closed_ledger()


async def _waited(answer: Any) -> Any:
    """An answer of Kafka, its errors as ours."""
    try:
        async with asyncio.timeout(SILENCE_SECONDS):
            return await answer
    except (KafkaError, OSError, TimeoutError) as error:
        raise _unavailable("Kafka does not answer", error) from error


def _unavailable(problem: str, error: Exception) -> LedgerUnavailable:
    said = str(error) or type(error).__name__
    return LedgerUnavailable(f"{problem} ({said}).", "Check that its brokers run and can be reached; then try again.")


def _lost(topic: str, partition: int, records: int) -> LedgerUnavailable:
    problem = f"{topic} partition {partition} has lost {records} records that were there before."
    return LedgerUnavailable(problem, "Stop the writers, and see which broker lost them (unclean leader election?).")
