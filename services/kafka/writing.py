"""The writer service: books the events of the partitions its group gives it, each event once whatever dies when."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import IllegalStateError, KafkaError

from events import block as blocks
from events.block import Genesis
from events.partitions import partition_of
from events.policy import Policy
from services import clock
from services.accounts import Accounts
from services.kafka.connection import Names, client_options
from services.kafka.dead_letters import DeadLetterTopic, KafkaRefusal
from services.kafka.inbox import Read, read_records
from services.kafka.producing import Producer, Record
from services.ledgers.kafka import kafka_ledger
from services.ledgers.port import Ledger, LedgerUnavailable
from services.metrics import Metrics
from services.settings import Settings
from services.writer import Outcome, Writer

RECORDS_MAX: Final = 1_000
"""How many records are booked at once: what fits into one block."""
POLL_MS: Final = 500
RETRY_SECONDS: Final = 0.5
LOOK_SECONDS: Final = 1.0
"""How often the group is told how far the inputs were read, and the lag is measured."""
STANDSTILL_SECONDS: Final = 60.0
BUILD_MS: Final = 6 * 3_600_000
"""How long accounts may be built from the ledger without asking Kafka for events; the liveness watches over it."""
FETCH_BYTES: Final = 4 * 1024 * 1024

T = TypeVar("T")
_log = logging.getLogger("revledger")


class InputMadeAnew(Exception):
    """The events topic ends before the place up to which the ledger has read it."""


class LedgersDiffer(Exception):
    """Partitions of one ledger were begun under different rules."""


@asynccontextmanager
async def writer_service(settings: Settings, metrics: Metrics) -> AsyncIterator["WriterService"]:
    """The writer service on the topics of the settings, which exist; nothing is read before it runs.

    Raises:
        LedgerUnavailable: Kafka does not answer.
    """
    ledger = await kafka_ledger(settings)
    producer = Producer(settings)
    try:
        yield WriterService(settings, metrics, ledger, producer)
    finally:
        await producer.close()
        await ledger.close()


class WriterService(ConsumerRebalanceListener):
    """The writers of the partitions that the group gave to this process."""

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        ledger: Ledger,
        producer: Producer,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._ledger = ledger
        self._producer = producer
        self._letters = DeadLetterTopic(settings, producer)
        self._names = Names(settings.prefix)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._read_to: dict[int, int] = {}
        self._opening: set[int] = set()
        self._moved_at: dict[int, tuple[int, float]] = {}
        self._warned: set[int] = set()
        self._partitions = 0
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._consumer = AIOKafkaConsumer(
            **client_options(settings),
            group_id=self._names.group("writer"),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            session_timeout_ms=settings.session_seconds * 1_000,
            heartbeat_interval_ms=settings.session_seconds * 1_000 // 4,
            max_poll_interval_ms=BUILD_MS,
            max_partition_fetch_bytes=FETCH_BYTES,
            partition_assignment_strategy=(StickyPartitionAssignor,),
        )

    async def run(self) -> None:
        """Books what comes in, until it is cancelled or something breaks.

        Raises:
            InputMadeAnew, LedgersDiffer, BlockDamaged, BooksDiffer: a person has to look at it.
        """
        try:
            await self._consumer.start()
            self._partitions = await self._number_of_partitions()
            self._consumer.subscribe([self._names.events], listener=self)
            await self._looking()
        finally:
            await self._end(list(self._tasks))
            await self._consumer.stop()

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Called by the group: nothing of these partitions is booked here once it returns."""
        await self._end([place.partition for place in revoked])

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Called by the group: these partitions are booked here from now on."""
        if assigned:
            self._consumer.pause(*assigned)  # until it is known from where
        hot = max(1, self._settings.accounts_hot // max(1, len(assigned)))
        for partition in sorted(place.partition for place in assigned):
            self._opening.add(partition)
            task = asyncio.create_task(self._serve(partition, hot), name=f"writer {partition}")
            task.add_done_callback(self._ended)
            self._tasks[partition] = task
        _log.info("this writer has partitions %s", sorted(self._tasks) or "none: others have all of them")

    async def not_live(self) -> str:
        """Why the process should be started again; empty if it should not."""
        if self._failed.done():
            return "a partition has ended with an error, which is in the log: start the writer again"
        now = asyncio.get_running_loop().time()
        for partition, (_, since) in self._moved_at.items():
            if now - since > STANDSTILL_SECONDS:
                return f"partition {partition} has events to book and has booked none for {now - since:.0f} s"
        return ""

    async def not_ready(self) -> str:
        """Why it does not book now; empty if it does, or stands by for others."""
        if self._opening:
            return f"the accounts of partitions {sorted(self._opening)} are brought up to the ledger"
        return ""

    async def _number_of_partitions(self) -> int:
        """How many partitions the events topic has, which was made or checked before."""
        await self._consumer.topics()
        found = self._consumer.partitions_for_topic(self._names.events)
        if not found:
            raise LedgerUnavailable(
                f"Kafka has no topic {self._names.events}.", "Start again: it is made at the start."
            )
        return len(found)

    async def _serve(self, partition: int, hot: int) -> None:
        """Books one partition until it is cancelled."""
        place = TopicPartition(self._names.events, partition)
        accounts = Accounts(self._settings.data / f"accounts-{partition}.db", partition, hot)
        try:
            writer = await _patiently(lambda: self._writer_of(partition, accounts))
        except BaseException:
            accounts.close()
            raise
        try:
            await _patiently(lambda: self._find_start(place, writer))
            self._opening.discard(partition)
            self._consumer.resume(place)
            coming = asyncio.create_task(self._next(place))
            try:
                while True:
                    read = await coming
                    coming = asyncio.create_task(self._next(place))  # is decoded while these are written
                    await _patiently(lambda read=read: self._book(partition, writer, read))  # type: ignore[misc]
                    self._read_to[partition] = read.next_offset
            finally:
                coming.cancel()
        finally:
            await writer.close()

    async def _writer_of(self, partition: int, accounts: Accounts) -> Writer:
        """The writer of a partition at the head of its ledger, under the rules that partition 0 began with."""
        genesis = await self._genesis()
        policy = Policy(zone=self._settings.zone) if genesis is None else genesis.policy
        if genesis is not None and genesis.partitions != self._partitions:
            raise LedgersDiffer(
                f"{self._names.events} has {self._partitions} partitions, and the ledger was begun with"
                f" {genesis.partitions}: accounts would change places. Make a new topic with {genesis.partitions}."
            )
        writer = Writer(
            self._ledger,
            accounts,
            policy,
            None if policy.zone == "UTC" else ZoneInfo(policy.zone),
            partition=partition,
            partitions=self._partitions,
            find_places=False,
        )
        while genesis is None and partition:
            await asyncio.sleep(RETRY_SECONDS)
            if await self._genesis() is not None:
                return await self._writer_of(partition, accounts)
        await writer.begin()
        own = await self._genesis(partition)
        if genesis is not None and own != genesis:
            raise LedgersDiffer(f"partition {partition} was begun as {own}, and partition 0 as {genesis}")
        return writer

    async def _genesis(self, partition: int = 0) -> Genesis | None:
        async for stored in self._ledger.read(partition, 0, 1):
            return blocks.block_of(stored.data).header.genesis
        return None

    async def _find_start(self, place: TopicPartition, writer: Writer) -> None:
        """Goes to the first event that the ledger has not read; what the group has committed is but a hint."""
        assert writer.head is not None, "a writer that has begun has a head"
        begin = (await self._consumer.beginning_offsets([place]))[place]
        end = (await self._consumer.end_offsets([place]))[place]
        start = writer.head.header.sources.get(self._names.source(place.partition), 0)
        if start > end:
            raise InputMadeAnew(
                f"{place.topic} partition {place.partition} ends at offset {end}, and the ledger has read up to"
                f" {start}: it was made anew or lost its end. Use a new REVLEDGER_PREFIX, or bring the topic back."
            )
        if 0 < start < begin:
            await self._report_hole(place, start, begin)
        self._consumer.seek(place, max(start, begin))
        self._read_to[place.partition] = max(start, begin)

    async def _report_hole(self, place: TopicPartition, start: int, begin: int) -> None:
        sentence = (
            f"the events from offset {start} to {begin - 1} were deleted by the topic's retention before they were"
            " booked: send them again from where they came from, and give the topic a longer retention.ms"
        )
        _log.error("%s partition %d: %s", place.topic, place.partition, sentence)
        letter = KafkaRefusal(
            raw=b"",
            key=None,
            code="not_cloudevent",
            message=sentence,
            field="",
            topic=place.topic,
            partition=place.partition,
            offset=start,
            at=clock.now(),
        )
        await self._letters.put_many([letter])

    async def _next(self, place: TopicPartition) -> Read:
        """The next events of a partition, decoded."""
        while True:
            found = await self._consumer.getmany(place, timeout_ms=POLL_MS, max_records=RECORDS_MAX)
            if records := found.get(place):
                return read_records(records, place.partition, self._partitions)

    async def _book(self, partition: int, writer: Writer, read: Read) -> None:
        """Books what was read; before the ledger notes that, what is not booked here is safe elsewhere."""
        letters = [_refusal(record, refused.code, refused.message, refused.field) for record, refused in read.refused]
        if letters:
            await self._letters.put_many(letters)
        if read.strays:
            await self._forward(partition, read)

        async def keep(outcomes: Sequence[Outcome]) -> None:
            await self._letters.put_many(
                [
                    _refusal(record, outcome.code, outcome.message, outcome.field)
                    for record, outcome in zip(read.booked, outcomes, strict=True)
                    if outcome.status == "refused"
                ]
            )

        outcomes = await writer.write(read.items, {self._names.source(partition): read.next_offset}, keep)
        self._count(partition, outcomes, [letter.code for letter in letters])

    async def _forward(self, partition: int, read: Read) -> None:
        """Sends events to the partition of their account, where they count as duplicates should they come twice."""
        if partition not in self._warned:
            self._warned.add(partition)
            _log.warning(
                "events in partition %d belong elsewhere and are sent on: a producer does not partition by murmur2 of"
                " the account (librdkafka: partitioner=murmur2_random); the first is of account %r",
                partition,
                read.strays[0][1].subject,
            )
        await self._producer.send(
            [
                Record(
                    self._names.events,
                    partition_of(event.subject, self._partitions),
                    event.subject.encode(),
                    record.value or b"",
                    record.headers,
                )
                for record, event in read.strays
            ]
        )
        self._metrics.forwarded.labels(str(partition)).inc(len(read.strays))

    def _count(self, partition: int, outcomes: Sequence[Outcome], refused: Sequence[str]) -> None:
        name = str(partition)
        statuses = [outcome.status for outcome in outcomes]
        accepted = statuses.count("accepted")
        self._metrics.booked.labels(name).inc(accepted)
        self._metrics.duplicates.labels(name).inc(statuses.count("duplicate"))
        for code in (*refused, *(outcome.code for outcome in outcomes if outcome.status == "refused")):
            self._metrics.refused.labels(code).inc()

    async def _looking(self) -> None:
        """Tells the group how far the inputs were read, and watches over them; ends only with an error."""
        while True:
            await asyncio.wait([self._failed], timeout=LOOK_SECONDS)
            if self._failed.done():
                self._failed.result()
            now = asyncio.get_running_loop().time()
            for partition, offset in list(self._read_to.items()):
                lag = max(0, (self._consumer.highwater(self._place(partition)) or offset) - offset)
                self._metrics.input_lag.labels(str(partition)).set(lag)
                known = self._moved_at.get(partition)
                if not lag:
                    self._moved_at.pop(partition, None)
                elif known is None or known[0] != offset:
                    self._moved_at[partition] = (offset, now)
            with suppress(KafkaError, IllegalStateError):  # hints, for whoever watches the group's lag
                await self._consumer.commit({self._place(p): offset for p, offset in self._read_to.items()})

    async def _end(self, partitions: Sequence[int]) -> None:
        tasks = [self._tasks.pop(partition) for partition in partitions if partition in self._tasks]
        for task in tasks:
            task.cancel()
        for partition in partitions:
            self._opening.discard(partition)
            self._read_to.pop(partition, None)
            self._moved_at.pop(partition, None)
        if tasks:
            await asyncio.wait(tasks)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None and not self._failed.done():
            self._failed.set_exception(task.exception() or RuntimeError)

    def _place(self, partition: int) -> TopicPartition:
        return TopicPartition(self._names.events, partition)


def _refusal(record: Any, code: str, message: str, field: str) -> KafkaRefusal:
    """A record as a dead letter."""
    return KafkaRefusal(
        raw=record.value or b"",
        key=record.key,
        code=code,
        message=message,
        field=field,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        at=clock.now(),
    )


async def _patiently(attempt: Callable[[], Awaitable[T]]) -> T:
    """What an attempt gives in the end: while Kafka is away, it is tried again."""
    warned = False
    while True:
        try:
            return await attempt()
        except (LedgerUnavailable, KafkaError, OSError) as error:
            if not warned:
                _log.warning("the writer waits: %s", error)
                warned = True
        await asyncio.sleep(RETRY_SECONDS)
