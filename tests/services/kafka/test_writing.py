"""The writer service on a real broker: each event once, wherever it starts, whoever comes and goes."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, suppress
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import NewPartitions
from confluent_kafka.admin import AdminClient
from msgspec.structs import replace

from events.policy import Policy
from services.accounts import Accounts
from services.kafka import booking
from services.kafka.booking import PartitionBooker
from services.kafka.connection import Names, client_options
from services.kafka.reaching import kafka_admin
from services.kafka.writing import LedgersDiffer
from services.ledgers.port import Ledger, LedgerUnavailable, StoredBlock
from services.settings import Settings
from services.writer import Submitted, Writer
from tests.services.kafka.writers import (
    Prepare,
    Working,
    booked,
    chain_of,
    check_ledger,
    contract,
    contracts,
    counted,
    died,
    is_true,
    ledger_of,
    ready,
    send,
    send_by_librdkafka,
    until,
    working,
)
from tests.services.running import asynchronous


def place_of(settings: Settings, partition: int = 0) -> TopicPartition:
    return TopicPartition(Names(settings.prefix).events, partition)


# ---------------------------------------------------------------- stop and start


async def commit(settings: Settings, offset: int) -> None:
    """Commits an offset for the writers' group by hand."""
    group = Names(settings.prefix).group("writer")
    consumer = AIOKafkaConsumer(**client_options(settings), group_id=group, enable_auto_commit=False)
    await consumer.start()
    consumer.assign([place_of(settings)])
    await consumer.commit({place_of(settings): offset})
    await consumer.stop()


@pytest.mark.parametrize("committed", [None, 3, 10**6])
@asynchronous
async def test_it_begins_where_the_ledger_says_whatever_is_committed(prepare: Prepare, committed: int | None) -> None:
    settings = await prepare()
    raws = contract("a", 20)
    async with working(settings):
        await send(settings, raws[:10])
        await booked(settings, 10)
    group = Names(settings.prefix).group("writer")
    admin = AdminClient({"bootstrap.servers": settings.kafka})
    (deleted,) = admin.delete_consumer_groups([group]).values()
    await asyncio.to_thread(deleted.result)
    if committed is not None:
        await commit(settings, committed)
    await send(settings, raws[10:])
    async with working(settings) as writer:
        await booked(settings, 20)
        assert writer.counted("booked_total") == 10
        assert writer.counted("duplicates_total") == 0
    await check_ledger(settings, raws)


@asynchronous
async def test_accounts_that_were_deleted_are_built_again(prepare: Prepare) -> None:
    settings = await prepare()
    raws = contracts(8)
    async with working(settings):
        await send(settings, raws[:12])
        await booked(settings, 12)
    (kept,) = settings.data.glob("accounts-0.db")
    kept.unlink()
    async with working(settings) as writer:
        await send(settings, raws)
        await booked(settings, len(raws))
        await counted(writer, "duplicates_total", 12)
    await check_ledger(settings, raws)
    accounts = Accounts(kept, 0, 100)
    assert accounts.reached.height == len(await chain_of(settings)) - 1
    accounts.close()


@asynchronous
async def test_progress_is_noted_where_there_is_nothing_to_book(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = await prepare()
    raws = contract("a", 10)
    monkeypatch.setattr("services.writer.PROGRESS_EVENTS", 30)
    async with working(settings) as writer:
        await send(settings, raws)
        await booked(settings, 10)
        for again in range(1, 7):
            await send(settings, raws)
            await counted(writer, "duplicates_total", 10 * again)
    chain = await chain_of(settings)
    read = [block.header.sources.get(Names(settings.prefix).source(0), 0) for block in chain]
    assert read[-1] >= 40, "what is not noted is less than 30 events"
    assert sum(block.header.entries == 0 for block in chain[1:]) == 2
    await check_ledger(settings, raws)


class Flaky:
    """A ledger that fails in the middle of reading, a few times."""

    def __init__(self, ledger: Ledger, failures: int) -> None:
        self._ledger = ledger
        self._failures = failures

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    async def read(self, partition: int, start: int = 0, until: int | None = None) -> AsyncIterator[StoredBlock]:
        async for block in self._ledger.read(partition, start, until):
            yield block
            if block.height == 2 and self._failures:
                self._failures -= 1
                raise LedgerUnavailable("The ledger is away.", "Wait.")


@asynchronous
async def test_a_start_that_is_interrupted_goes_on_where_it_was(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accounts that are half built are neither forgotten nor built on twice."""
    monkeypatch.setattr(booking, "RETRY_SECONDS", 0.01)
    settings, other = await prepare(), await prepare(data="two")
    raws = contract("a", 6)
    async with working(settings):
        for number, raw in enumerate(raws[:4]):
            await send(settings, [raw])
            await booked(settings, number + 1)
    await send(settings, raws[4:])
    async with working(other, lambda ledger: Flaky(ledger, 3)):
        await booked(settings, 6)
    await check_ledger(settings, raws)


# ---------------------------------------------------------------- several writers


@asynchronous
async def test_writers_come_and_go_and_each_event_is_booked_once(prepare: Prepare) -> None:
    seed = Random().randrange(10**9)
    print(f"seed {seed}")  # noqa: T201
    dice = Random(seed)
    raws = contracts(120)
    settings = await prepare(4)
    places = [replace(await prepare(4, data=f"data-{number}")) for number in range(3)]

    async def sending() -> None:
        for start in range(0, len(raws), 12):
            await asyncio.to_thread(send_by_librdkafka, settings, raws[start : start + 12])
            await asyncio.sleep(dice.random() * 0.2)

    async with AsyncExitStack() as stack:
        sender = asyncio.create_task(sending())
        running: dict[int, AsyncExitStack] = {}
        for _ in range(7):
            number = dice.randrange(3)
            if number in running:
                await running.pop(number).aclose()
            else:
                running[number] = await stack.enter_async_context(AsyncExitStack())
                await running[number].enter_async_context(working(places[number]))
            await asyncio.sleep(dice.random() * 0.5)
        if not running:
            await stack.enter_async_context(working(places[0]))
        await sender
        await booked(settings, len(raws))
    await check_ledger(settings, raws)


@asynchronous
async def test_a_second_writer_takes_half_and_hands_it_back(prepare: Prepare) -> None:
    settings, other = await prepare(4), await prepare(4, data="two")
    raws = contracts(60)
    async with working(settings) as first:
        await send(settings, raws[:60])
        await booked(settings, 60)
        async with working(other) as second:
            await until(lambda: is_true(len(first.service._tasks) == len(second.service._tasks) == 2))
            await send(settings, raws[60:120])
            await booked(settings, 120)
            assert first.counted("booked_total") + second.counted("booked_total") == 120
            assert second.counted("booked_total") > 0
        await until(lambda: is_true(len(first.service._tasks) == 4))
        await send(settings, raws[120:])
        await booked(settings, 180)
        assert first.counted("duplicates_total") + second.counted("duplicates_total") == 0
    await check_ledger(settings, raws)


@asynchronous
async def test_a_zombie_on_the_same_partition_forks_nothing(prepare: Prepare) -> None:
    """A writer that does not know that its time is over books the same input; the reader rule sorts it out."""
    settings = await prepare()
    raws = contracts(40)
    async with working(settings) as writer, ledger_of(settings) as ledger:
        await ready(writer)
        zombie = Writer(ledger, Accounts(None, 0, 1_000), Policy(), None, find_places=False)
        await zombie.begin()

        async def haunt() -> None:
            source = Names(settings.prefix).source(0)
            for end in range(5, len(raws) + 1, 5):
                await zombie.write([Submitted(raw) for raw in raws[end - 5 : end]], {source: end})

        haunting = asyncio.create_task(haunt())
        for start in range(0, len(raws), 10):
            await send(settings, raws[start : start + 10])
        await haunting
        await booked(settings, len(raws))
        await until(lambda: is_true(writer.counted("booked_total") + writer.counted("duplicates_total") == len(raws)))
        await zombie.close()
        last = contract("last", 1)
        await send(settings, last)
        await booked(settings, len(raws) + 1)
    await check_ledger(settings, raws + last)


@pytest.mark.slow
@asynchronous
async def test_a_writer_that_was_stopped_for_too_long_does_no_harm(prepare: Prepare) -> None:
    """Its session runs out, another one takes over, and when it goes on it finds that it has no partition any more."""
    settings, other = await prepare(2), await prepare(2, data="two")
    raws = contracts(30)
    own = os.environ | {
        "REVLEDGER_KAFKA": settings.kafka,
        "REVLEDGER_PREFIX": settings.prefix,
        "REVLEDGER_SESSION_SECONDS": "2",
        "REVLEDGER_DATA": str(settings.data),
        "REVLEDGER_REPLICATION": "1",
        "REVLEDGER_MIN_ISR": "1",
        "REVLEDGER_REDIS": settings.redis,
    }
    command = [sys.executable, "-m", "services.cli.main", "run", "writer", "--port", "0"]
    stopped = await asyncio.create_subprocess_exec(*command, env=own, stdout=DEVNULL, stderr=PIPE)
    try:
        await send(settings, raws[:30])
        await booked(settings, 30)
        sending = asyncio.create_task(send_slowly(settings, raws[30:]))
        stopped.send_signal(signal.SIGSTOP)
        async with working(other) as writer:
            await until(lambda: is_true(len(writer.service._tasks) == 2))
            stopped.send_signal(signal.SIGCONT)
            await until(lambda: is_true(len(writer.service._tasks) == 1))
            await sending
            await booked(settings, len(raws))
        stopped.send_signal(signal.SIGTERM)
        _, said = await stopped.communicate()
        assert stopped.returncode == 0, said.decode()
    finally:
        with suppress(ProcessLookupError):
            stopped.kill()
        await stopped.wait()
    await check_ledger(settings, raws)


async def send_slowly(settings: Settings, raws: Sequence[bytes]) -> None:
    """Sends events over about three seconds."""
    for start in range(0, len(raws), 2):
        await send(settings, raws[start : start + 2])
        await asyncio.sleep(0.05)


# ---------------------------------------------------------------- rules, and what ends a writer


@asynchronous
async def test_other_partitions_than_the_ledger_has_are_refused(prepare: Prepare) -> None:
    settings = await prepare(2)
    async with working(settings) as writer:
        await send(settings, contract("a", 3))
        await booked(settings, 3)
        await ready(writer)
    async with kafka_admin(settings) as admin:
        await admin.create_partitions({Names(settings.prefix).events: NewPartitions(3)})
    with pytest.raises(LedgersDiffer, match="has 3 partitions, and the ledger was begun with 2"):
        await died(settings)
    await check_ledger(settings, contract("a", 3))


@asynchronous
async def test_partitions_added_meanwhile_end_the_writer(prepare: Prepare) -> None:
    settings = await prepare()

    async def add(writer: Working) -> None:
        await send(settings, contract("a", 3))
        await booked(settings, 3)
        async with kafka_admin(settings) as admin:
            await admin.create_partitions({Names(settings.prefix).events: NewPartitions(2)})
        writer.service._consumer._client.force_metadata_update()

    with pytest.raises(LedgersDiffer, match="has got more partitions than 1"):
        await died(settings, add)


@asynchronous
async def test_the_rules_that_a_ledger_began_with_hold_for_all(prepare: Prepare) -> None:
    """Not those of the settings: a second writer with another zone books by the first one's."""
    settings, other = await prepare(2, zone="Asia/Tokyo"), await prepare(2, data="two", zone="America/New_York")
    raws = contracts(6)
    async with working(settings):
        await send(settings, raws[:9])
        await booked(settings, 9)
    async with working(other):
        await send(settings, raws[9:])
        await booked(settings, 18)
    for partition in range(2):
        chain = await chain_of(settings, partition)
        assert chain[0].header.genesis is not None
        assert chain[0].header.genesis.policy.zone == "Asia/Tokyo"
        assert {block.header.policy for block in chain} == {Policy(zone="Asia/Tokyo").stamp}
    async with ledger_of(settings) as ledger:
        for partition in range(2):
            accounts = Accounts(None, partition, 100)
            again = Writer(ledger, accounts, Policy(zone="Asia/Tokyo"), ZoneInfo("Asia/Tokyo"), partition=partition)
            await again.start()  # raises BooksDiffer for an entry that was booked by another zone
            await again.close()


@asynchronous
async def test_what_breaks_in_a_callback_of_the_group_ends_the_writer(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = await prepare()

    def broken(*_: object) -> None:
        raise RuntimeError("no room")

    monkeypatch.setattr(PartitionBooker, "__init__", broken)
    with pytest.raises(RuntimeError, match="no room"):
        await died(settings)


@asynchronous
async def test_a_service_that_never_ran_leaves_nothing_open(prepare: Prepare) -> None:
    settings = await prepare()
    async with working(settings) as writer:
        writer.task.cancel()
        with suppress(asyncio.CancelledError):
            await writer.task
    assert await chain_of(settings) == []
