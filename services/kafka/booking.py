"""Booking one partition of the events topic: from where its ledger has read to, each event once."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from msgspec import Struct

from events import block as blocks
from events.block import Genesis
from events.partitions import partition_of
from events.policy import Policy
from events.refusals import Refused
from services import clock
from services.accounts import Accounts
from services.kafka.connection import Names
from services.kafka.dead_letters import DeadLetterTopic, KafkaRefusal
from services.kafka.inbox import Read, read_records
from services.kafka.producing import Producer, Record
from services.ledgers.port import HeightTaken, Ledger, LedgerUnavailable
from services.metrics import Metrics
from services.policies import PolicyDiffers, policy_in_force, zone_of
from services.settings import Settings
from services.writer import Outcome, Submitted, Writer, first_block, stored

RECORDS_MAX: Final = 1_000
"""How many records are booked at once: what fits into one block."""
LETTERS_MAX: Final = 100
"""How many refused records are kept at once."""
KEEP_EVERY: Final = 100_000
"""Entries between two writes of the accounts' file: so many are booked again after a crash, in a second or two."""
PACE_SECONDS: Final = 0.015
"""From one reading to the next at least: what comes meanwhile shares the cost of a block, for all who handle it."""
POLL_MS: Final = 500
RETRY_SECONDS: Final = 0.5
BEGIN_SECONDS: Final = 0.1
"""How often it is looked whether the ledger has begun."""
REMIND_SECONDS: Final = 60.0
"""How often the log says again what is waited for."""
END_LOOKS: Final = 10
"""How often the end of the topic is looked at before it counts as lost: a new leader knows less for a moment."""

T = TypeVar("T")
_log = logging.getLogger("revledger")


class InputMadeAnew(Exception):
    """The events topic ends before the place up to which the ledger has read it."""


class LedgersDiffer(Exception):
    """Partitions of one ledger were begun under different rules."""


class Means(Struct, frozen=True):
    """What the partitions of a process work with; `consumer` has been given them."""

    settings: Settings
    metrics: Metrics
    ledger: Ledger
    producer: Producer
    consumer: AIOKafkaConsumer
    partitions: int


class PartitionBooker:
    """Books one partition, which the consumer has paused; `run` once."""

    def __init__(self, means: Means, partition: int, accounts_hot: int) -> None:
        self.is_opening = True
        self.waits_for = ""
        """What went wrong last, while it is tried again."""
        self.read_to: int | None = None
        """The offset to read next, as far as events were booked."""
        self._means = means
        self._partition = partition
        self._accounts_hot = accounts_hot
        self._names = Names(means.settings.prefix)
        self._place = TopicPartition(self._names.events, partition)
        self._source = self._names.source(partition)
        self._letters = DeadLetterTopic(means.settings, means.producer)
        self._last_read = 0.0
        self._has_warned = False
        self._standing: tuple[tuple[int, int], float] | None = None
        self._writer: Writer | None = None

    async def run(self) -> None:
        """Books until it is cancelled.

        Raises:
            InputMadeAnew, LedgersDiffer, BlockDamaged, BooksDiffer: a person has to look at it.
            KafkaError: the group or the topic cannot be read any more.
        """
        path = self._means.settings.data / f"accounts-{self._partition}.db"
        accounts = Accounts(path, self._partition, self._accounts_hot)
        try:
            writer = self._writer = await self._begun(accounts)
        except BaseException:
            accounts.close()
            raise
        try:
            assert writer.head is not None, "a writer that has begun has a head"
            start = writer.head.header.sources.get(self._source, 0)
            while True:
                await self._patiently(lambda start=start: self._go_to(writer, start))  # type: ignore[misc]
                self.is_opening = False
                with suppress(OffsetOutOfRangeError):  # retention was quicker, or the topic was made anew
                    await self._book_on(writer)
                assert self.read_to is not None, "it has read up to somewhere"
                start = self.read_to
        finally:
            self.read_to = None
            with suppress(KeyError):
                self._means.metrics.input_lag.remove(str(self._partition))
            self._writer = None
            await writer.close()

    def look(self, now: float) -> None:
        """Measures how far it is behind; `now` in seconds of the event loop's clock."""
        if self.read_to is None:
            return
        # The last stable offset, as what follows it is not given to anybody before its transaction ends.
        lag = max(0, (self._means.consumer.last_stable_offset(self._place) or 0) - self.read_to)
        self._means.metrics.input_lag.labels(str(self._partition)).set(lag)
        head = self._writer.head if self._writer else None
        reached = (self.read_to, -1 if head is None else head.header.height)
        if not lag or self.waits_for:
            self._standing = None
        elif self._standing is None or self._standing[0] != reached:
            self._standing = (reached, now)

    def stands_for(self, now: float) -> float:
        """For how many seconds there have been events to book and nothing that was waited for, and none was booked."""
        return 0.0 if self._standing is None else now - self._standing[1]

    async def _begun(self, accounts: Accounts) -> Writer:
        """The writer at the head of its ledger, under the rules that partition 0 began with."""
        genesis = await self._patiently(self._rules)
        policy = genesis.policy
        writer = Writer(
            self._means.ledger,
            accounts,
            policy,
            zone_of(policy),
            partition=self._partition,
            partitions=genesis.partitions,
            keep_every=KEEP_EVERY,
            find_places=False,
            free_text=self._means.settings.free_text,
        )
        await self._patiently(writer.begin)
        own = await self._patiently(lambda: self._genesis(self._partition))
        if own != genesis:
            raise LedgersDiffer(f"partition {self._partition} was begun as {own}, and partition 0 as {genesis}")
        return writer

    async def _rules(self) -> Genesis:
        """What partition 0 began with; whoever has it begins it."""
        events, partitions = self._names.events, self._means.partitions
        if self._partition >= partitions:
            raise LedgersDiffer(f"{events} has got more partitions than {partitions}: accounts would change places.")
        while (genesis := await self._genesis(0)) is None:
            if self._partition:
                await asyncio.sleep(BEGIN_SECONDS)
                continue
            first = first_block(0, Genesis(partitions, self._policy(None)))
            with suppress(HeightTaken):
                await self._means.ledger.append([stored(first)])
        if genesis.partitions != partitions:
            raise LedgersDiffer(
                f"{events} has {partitions} partitions, and the ledger was begun with {genesis.partitions}: accounts"
                f" would change places. Make a new topic with {genesis.partitions}."
            )
        self._policy(genesis.policy)
        return genesis

    def _policy(self, begun: Policy | None) -> Policy:
        """The policy of a ledger that was begun under one, or is to begin."""
        settings = self._means.settings
        try:
            return policy_in_force(begun, settings.policy, settings.zone)
        except PolicyDiffers as error:
            raise LedgersDiffer(
                f"the ledger was begun under policy {error.begun.stamp}, and REVLEDGER_POLICY names"
                f" {error.wanted.stamp}: a ledger on Kafka keeps the policy it began under. Unset it, or name a file"
                " with that one; to see the books under another policy, ask for reports with --policy"
            ) from error

    async def _genesis(self, partition: int) -> Genesis | None:
        async for one in self._means.ledger.read(partition, 0, 1):
            return blocks.block_of(one.data).header.genesis
        return None

    async def _go_to(self, writer: Writer, start: int) -> None:
        """Goes to the first event that was not read; what the group has committed is but a hint."""
        consumer, place = self._means.consumer, self._place
        for _ in range(END_LOOKS):
            begin = (await consumer.beginning_offsets([place]))[place]
            end = (await consumer.end_offsets([place]))[place]
            if start <= end:
                break
            await asyncio.sleep(RETRY_SECONDS)
        else:
            raise InputMadeAnew(
                f"{place.topic} partition {place.partition} ends at offset {end}, and the ledger has read up to"
                f" {start}: it was made anew or lost its end. Use a new REVLEDGER_PREFIX, or bring the topic back."
            )
        if start < begin:
            await self._note_hole(writer, start, begin)
        self.read_to = max(start, begin)
        consumer.seek(place, self.read_to)
        consumer.resume(place)

    async def _note_hole(self, writer: Writer, start: int, begin: int) -> None:
        """Says, and keeps as a refusal, that events are gone."""
        sentence = (
            f"the events from offset {start} to {begin - 1} were deleted by the topic's retention before they were"
            " booked: send them again from where they came from, and give the topic a longer retention.ms"
        )
        _log.error("%s partition %d: %s", self._place.topic, self._partition, sentence)
        refused = Refused("not_cloudevent", sentence)
        await self._write(writer, Read([Submitted(b"", None, refused)], [self._nothing_at(start)], [], begin))

    async def _book_on(self, writer: Writer) -> None:
        """Books what comes from where the consumer is; raises OffsetOutOfRangeError where that is not there."""
        assert self.read_to is not None, "it knows from where"
        coming = self._start_reading(self.read_to)
        try:
            while True:
                read = await self._arrived(writer, coming)
                coming = self._start_reading(read.next_offset)  # is decoded while these are written
                if read.strays:
                    await self._patiently(lambda read=read: self._forward(read))  # type: ignore[misc]
                await self._write(writer, read)
                self.read_to = read.next_offset
        finally:
            coming.cancel()
            await asyncio.wait([coming])

    async def _arrived(self, writer: Writer, coming: "asyncio.Task[Read]") -> Read:
        """What comes next; while nothing does, the ledger notes the time now and then."""
        tick_seconds = self._means.settings.tick_seconds
        while not (await asyncio.wait([coming], timeout=tick_seconds or None))[0]:
            await self._patiently(lambda: writer.tick(tick_seconds))
        return await coming

    def _start_reading(self, known: int) -> asyncio.Task[Read]:
        task = asyncio.create_task(self._next(known), name=f"read {self._partition}")
        task.add_done_callback(_noticed)
        return task

    async def _next(self, known: int) -> Read:
        """The next records, decoded; none if there was something else, such as the end of a transaction."""
        consumer, place, records_max = self._means.consumer, self._place, RECORDS_MAX
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._last_read + PACE_SECONDS - loop.time()))
        while True:
            try:
                found = await consumer.getmany(place, timeout_ms=POLL_MS, max_records=records_max)
            except UnicodeDecodeError as error:
                if records_max == 1:
                    return await self._unreadable(error)
                records_max = 1  # what comes before the one that the client cannot read
                continue
            position = await consumer.position(place)
            if position > known:
                self._last_read = loop.time()
                return read_records(found.get(place, ()), place.partition, self._means.partitions, position)

    async def _unreadable(self, error: UnicodeDecodeError) -> Read:
        """A record that the client cannot read is refused without what it holds, like those sent together with it."""
        position = await self._means.consumer.position(self._place)
        self._means.consumer.seek(self._place, position + 1)
        sentence = f"the record has a header whose name is not UTF-8 ({error}): send it with names in UTF-8"
        refused = Refused("not_cloudevent", sentence)
        return Read([Submitted(b"", None, refused)], [self._nothing_at(position)], [], position + 1)

    async def _write(self, writer: Writer, read: Read) -> None:
        """Books what was read; before the ledger notes that, what is not booked here is safe elsewhere."""
        kept: set[int] = set()

        async def keep(first: int, outcomes: Sequence[Outcome]) -> None:
            refused = [
                _refusal(record, outcome)
                for record, outcome in zip(read.records[first:], outcomes, strict=False)
                if outcome.status == "refused" and record.offset not in kept
            ]
            for start in range(0, len(refused), LETTERS_MAX):
                some = refused[start : start + LETTERS_MAX]
                await self._letters.put_many(some)
                kept.update(letter.offset for letter in some)

        sources = {self._source: read.next_offset}
        self._count(await self._patiently(lambda: writer.write(read.items, sources, keep)))

    async def _forward(self, read: Read) -> None:
        """Sends events to the partition of their account, where they count as duplicates should they come twice."""
        if not self._has_warned:
            self._has_warned = True
            _log.warning(
                "events in partition %d belong elsewhere and are sent on: a producer does not partition by murmur2 of"
                " the account (librdkafka: partitioner=murmur2_random); the first is of account %r",
                self._partition,
                read.strays[0][1].subject,
            )
        topic, partitions = self._names.events, self._means.partitions
        await self._means.producer.send(
            [
                Record(topic, partition_of(event.subject, partitions), event.subject.encode(), raw)
                for raw, event in read.strays
            ]
        )
        self._means.metrics.forwarded.labels(str(self._partition)).inc(len(read.strays))

    def _count(self, outcomes: Sequence[Outcome]) -> None:
        name, metrics = str(self._partition), self._means.metrics
        statuses = [outcome.status for outcome in outcomes]
        metrics.booked.labels(name).inc(statuses.count("accepted"))
        metrics.duplicates.labels(name).inc(statuses.count("duplicate"))
        for outcome in outcomes:
            if outcome.status == "refused":
                metrics.refused.labels(outcome.code).inc()

    def _nothing_at(self, offset: int) -> ConsumerRecord:
        """A record of which nothing is known but its place."""
        topic, partition = self._place
        return ConsumerRecord(topic, partition, offset, -1, -1, None, b"", None, -1, -1, ())

    async def _patiently(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """What an attempt gives in the end: while Kafka is away, it is tried again."""
        loop, warn_at = asyncio.get_running_loop(), 0.0
        while True:
            try:
                found = await attempt()
            except (LedgerUnavailable, KafkaError) as error:
                self.waits_for = str(error) or type(error).__name__
            else:
                if self.waits_for:
                    _log.info("partition %d goes on", self._partition)
                self.waits_for = ""
                return found
            if loop.time() >= warn_at:
                _log.warning("partition %d waits: %s", self._partition, self.waits_for)
                warn_at = loop.time() + REMIND_SECONDS
            await asyncio.sleep(RETRY_SECONDS)


def _refusal(record: Any, outcome: Outcome) -> KafkaRefusal:
    """A record as a dead letter."""
    return KafkaRefusal(
        raw=record.value or b"",
        key=record.key,
        code=outcome.code,
        message=outcome.message,
        field=outcome.field,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        at=clock.now(),
    )


def _noticed(reading: asyncio.Task[Read]) -> None:
    """Takes note of an error that nobody waits for any more."""
    if not reading.cancelled():
        reading.exception()
