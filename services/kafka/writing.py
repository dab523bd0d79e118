"""The writer service: books the events of the partitions its group gives it, each event once whatever dies when."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import IllegalStateError, KafkaError

from services.kafka.booking import InputMadeAnew, LedgersDiffer, Means, PartitionBooker
from services.kafka.connection import METADATA_MS, Names, client_options, started, stopped
from services.kafka.producing import Producer
from services.ledgers.counted import counted_ledger
from services.ledgers.kafka import kafka_ledger
from services.ledgers.port import Ledger, LedgerUnavailable
from services.metrics import Metrics
from services.settings import Settings
from services.tasks import cancelled

__all__ = ["InputMadeAnew", "LedgersDiffer", "WriterService", "writer_service"]

LOOK_SECONDS: Final = 1.0
"""How often the group is told how far the inputs were read, and the lag is measured."""
STANDSTILL_SECONDS: Final = 60.0
BUILD_MS: Final = 6 * 3_600_000
"""How long accounts may be built from the ledger without asking Kafka for events; the liveness watches over it."""
FETCH_BYTES: Final = 4 * 1024 * 1024
FETCH_MS: Final = 100
"""How long a broker waits for events; a partition that is resumed meanwhile has to wait as long for its first."""

_log = logging.getLogger("revledger")


@asynccontextmanager
async def writer_service(settings: Settings, metrics: Metrics) -> AsyncIterator["WriterService"]:
    """The writer service on the topics of the settings, which exist; nothing is read before it runs.

    Raises:
        LedgerUnavailable: Kafka does not answer.
    """
    ledger = counted_ledger(await kafka_ledger(settings), metrics)
    producer = Producer(settings)
    service = WriterService(settings, metrics, ledger, producer)
    try:
        await service.connect()
        yield service
    finally:
        await service.close()
        await producer.close()
        await ledger.close()


class WriterService(ConsumerRebalanceListener):  # type: ignore[misc]
    """The writers of the partitions that the group gave to this process."""

    def __init__(self, settings: Settings, metrics: Metrics, ledger: Ledger, producer: Producer) -> None:
        self._settings = settings
        self._metrics = metrics
        self._ledger = ledger
        self._producer = producer
        self._names = Names(settings.prefix)
        self._bookers: dict[int, PartitionBooker] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._told: dict[TopicPartition, int] = {}
        self._partitions = 0
        self._is_ending = False
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._consumer = AIOKafkaConsumer(
            **client_options(settings),
            group_id=self._names.group("writer"),
            enable_auto_commit=False,
            auto_offset_reset="none",  # what is no longer there is told, not skipped
            isolation_level="read_committed",
            session_timeout_ms=settings.session_seconds * 1_000,
            heartbeat_interval_ms=settings.session_seconds * 1_000 // 4,
            max_poll_interval_ms=BUILD_MS,
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_wait_ms=FETCH_MS,
            metadata_max_age_ms=METADATA_MS,
            # A class of its own, as that is where it keeps what this member had before.
            partition_assignment_strategy=(type("Sticky", (StickyPartitionAssignor,), {}),),
        )

    async def connect(self) -> None:
        """Connects, before it runs; raises LedgerUnavailable."""
        try:
            await started(self._consumer)
        except KafkaError as error:
            remedy = "Check that its brokers run and can be reached; then try again."
            raise LedgerUnavailable(f"Kafka does not answer ({error}).", remedy) from error
        self._partitions = await self._producer.partitions_of(self._names.events)

    async def run(self) -> None:
        """Books what comes in, until it is cancelled or something breaks.

        Raises:
            InputMadeAnew, LedgersDiffer, BlockDamaged, BooksDiffer: a person has to look at it.
            LedgerUnavailable: the group does not let this process take part.
        """
        looking: asyncio.Task[None] | None = None
        try:
            self._consumer.subscribe([self._names.events], listener=self)
            looking = asyncio.create_task(self._looking(), name="writer looking")
            await asyncio.wait([looking])
            looking.result()
        except KafkaError as error:
            problem = f"The group {self._names.group('writer')} cannot be taken part in ({error})."
            remedy = "Check that Kafka runs and that this user may Read the group and the topic; then start again."
            raise LedgerUnavailable(problem, remedy) from error
        finally:
            await cancelled([] if looking is None else [looking])
            await self.close()

    async def close(self) -> None:
        """Ends the work, keeps the accounts and leaves the group. Closing twice is harmless."""
        self._is_ending = True
        await self._end(list(self._tasks))
        await stopped(self._consumer)

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Called by the group: nothing of these partitions is booked here once it returns."""
        with self._failing():
            await self._end([place.partition for place in revoked])

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Called by the group: these partitions are booked here from now on."""
        if self._is_ending:
            return
        with self._failing():
            for place in assigned:  # until it is known from where
                self._consumer.pause(place)
                self._consumer.seek(place, 0)
            hot = max(1, self._settings.accounts_hot // max(1, len(assigned)))
            for partition in sorted(place.partition for place in assigned):
                self._begin(partition, hot)
            _log.info("this writer has partitions %s", sorted(self._tasks) or "none: others have all of them")

    async def not_live(self) -> str:
        """Why the process should be started again; empty if it should not."""
        if self._failed.done():
            return "a partition has ended with an error, which is in the log: start the writer again"
        now = asyncio.get_running_loop().time()
        for partition, booker in sorted(self._bookers.items()):
            if (seconds := booker.stands_for(now)) > STANDSTILL_SECONDS:
                return f"partition {partition} has events to book and has booked none for {seconds:.0f} s"
        return ""

    async def not_ready(self) -> str:
        """Why it does not book now; empty if it does, or stands by for others."""
        for partition, booker in sorted(self._bookers.items()):
            if booker.waits_for:
                return f"partition {partition} waits: {booker.waits_for}"
        if opening := sorted(partition for partition, booker in self._bookers.items() if booker.is_opening):
            return f"the accounts of partitions {opening} are brought up to the ledger"
        return ""

    def _begin(self, partition: int, hot: int) -> None:
        means = Means(self._settings, self._metrics, self._ledger, self._producer, self._consumer, self._partitions)
        booker = PartitionBooker(means, partition, hot)
        task = asyncio.create_task(booker.run(), name=f"writer {partition}")
        task.add_done_callback(self._ended)
        self._bookers[partition], self._tasks[partition] = booker, task

    async def _looking(self) -> None:
        """Tells the group how far the inputs were read, and watches over them; ends only with an error."""
        while True:
            await asyncio.wait([self._failed], timeout=LOOK_SECONDS)
            if self._failed.done():
                self._failed.result()
            # Without partitions nobody reads, and nobody else would be told that the group has fallen apart.
            self._consumer._coordinator.check_errors()  # noqa: SLF001
            now = asyncio.get_running_loop().time()
            for booker in self._bookers.values():
                booker.look(now)
            await self._tell()

    async def _tell(self) -> None:
        """Commits hints, for whoever watches the group's lag."""
        places = {TopicPartition(self._names.events, p): booker.read_to for p, booker in self._bookers.items()}
        offsets = {place: offset for place, offset in places.items() if offset is not None}
        if offsets and offsets != self._told:
            with suppress(KafkaError, IllegalStateError, TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._consumer.commit(offsets)
                self._told = offsets

    async def _end(self, partitions: Sequence[int]) -> None:
        tasks = [self._tasks.pop(partition) for partition in partitions if partition in self._tasks]
        await cancelled(tasks)
        for partition in partitions:
            self._bookers.pop(partition, None)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """What goes wrong in a callback ends the service; the client would log it and go on without."""
        try:
            yield
        except Exception as error:
            self._fail(error)
            raise

    def _fail(self, error: BaseException) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)
