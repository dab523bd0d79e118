"""Writer services in this process, events sent by real clients, and what must hold of the ledger afterwards."""

import asyncio
import json
from asyncio.subprocess import PIPE
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from confluent_kafka import Producer as ConfluentProducer

from events import block as blocks
from events.block import Block
from events.envelope import binary_of_structured
from events.partitions import partition_of
from services.accounts import Accounts
from services.kafka.connection import Names, client_options
from services.kafka.dead_letters import KafkaRefusal, LetterReader
from services.kafka.writing import WriterService, writer_service
from services.ledgers.kafka import kafka_ledger
from services.ledgers.memory import memory_ledger
from services.ledgers.port import Ledger
from services.metrics import Metrics
from services.settings import Settings
from services.writer import Submitted, Writer
from tests.model.notation import fact, line
from tests.servers.jars import java, kafka_jars
from tests.servers.needs import needing
from tests.services.books import raw_of

PAUSE_SECONDS = 0.02

Prepare = Callable[..., Awaitable[Settings]]
"""Makes the topics and answers the settings for them: `prepare(partitions, data=..., zone=...)`."""


class Working:
    """A writer service that runs in a task."""

    def __init__(self, service: WriterService, metrics: Metrics) -> None:
        self.service = service
        self.metrics = metrics
        self.task = asyncio.create_task(service.run())

    def counted(self, name: str, **labels: str) -> float:
        """A metric of the service, over all labels that are not given."""
        return sum(
            sample.value
            for family in self.metrics.registry.collect()
            for sample in family.samples
            if sample.name == f"revledger_{name}" and labels.items() <= sample.labels.items()
        )

    async def end(self) -> None:
        """Stops it in order; raises what it died of."""
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


@asynccontextmanager
async def working(settings: Settings, ledger: Callable[[Ledger], Any] | None = None) -> AsyncIterator[Working]:
    """A running writer service, ended in order; raises what it died of. `ledger` puts another in place of its own."""
    metrics = Metrics()
    async with writer_service(settings, metrics) as service:
        if ledger is not None:
            service._ledger = ledger(service._ledger)
        one = Working(service, metrics)
        try:
            yield one
        finally:
            await one.end()


@asynccontextmanager
async def ledger_of(settings: Settings) -> AsyncIterator[Ledger]:
    """The ledger, to be looked at."""
    ledger = await kafka_ledger(settings)
    try:
        yield ledger
    finally:
        await ledger.close()


def contract(account: str, steps: int = 3) -> list[bytes]:
    """A contract and its changes, each an event."""
    number = f"{account}-1"
    events = [fact("signed", number, "2024-01-10", lines=[line(1000)])]
    days = [date(2024, 2, 1) + timedelta(n) for n in range(steps - 1)]
    events += [fact("upgraded", number, f"{day}", lines=[line(2000 + n)]) for n, day in enumerate(days)]
    return [raw_of(event | {"subject": account, "id": f"{account}/{n}"}) for n, event in enumerate(events)]


def contracts(count: int, steps: int = 3, name: str = "account") -> list[bytes]:
    """Contracts of many accounts, one step of all after the other."""
    each = [contract(f"{name}-{n}", steps) for n in range(count)]
    return [events[step] for step in range(steps) for events in each]


def account_of(raw: bytes) -> str:
    """Whose event it is."""
    account: str = json.loads(raw)["subject"]
    return account


def identity_of(raw: bytes) -> tuple[str, str]:
    """What makes an event the same event."""
    said: dict[str, Any] = json.loads(raw)
    return said["source"], said["id"]


def send_by_librdkafka(settings: Settings, raws: Iterable[bytes], **options: str) -> None:
    """Sends events as a client of librdkafka does by default: partitions by another hash of the key than Java."""
    producer = ConfluentProducer({"bootstrap.servers": settings.kafka, "linger.ms": 20, **options})
    for raw in raws:
        producer.produce(Names(settings.prefix).events, raw, account_of(raw))
    assert producer.flush(30) == 0


async def send(
    settings: Settings,
    values: Iterable[bytes | None],
    partition: int | None = None,
    *,
    is_binary: bool = False,
    headers: Mapping[str, bytes] | None = None,
) -> list[int]:
    """Sends records by aiokafka, with the account as the key where there is one, and returns their offsets."""
    producer = AIOKafkaProducer(**client_options(settings), max_request_size=2**24)
    try:
        await producer.start()
        answers = []
        for value in values:
            data, own = value, dict(headers or {})
            if is_binary and value is not None:
                texts, data = binary_of_structured(value)
                own |= {name: text.encode() for name, text in texts.items()}
            key = b"key" if partition is not None or value is None else account_of(value).encode()
            sending = producer.send(Names(settings.prefix).events, data, key, partition, headers=list(own.items()))
            answers.append(await sending)
        return [(await answer).offset for answer in answers]
    finally:
        await producer.stop()


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Waits until something holds; whoever hangs is ended by the test's limit."""
    while not await holds():  # noqa: ASYNC110  # it happens in a broker
        await asyncio.sleep(PAUSE_SECONDS)


async def is_true(holds: bool) -> bool:
    """A condition that needs no waiting, for `until`."""
    return holds


async def booked(settings: Settings, entries: int) -> None:
    """Waits until the ledger has so many entries in all its partitions."""
    async with ledger_of(settings) as ledger:

        async def holds() -> bool:
            tails = [await ledger.tail(partition) for partition in range(settings.partitions)]
            return sum(tail.end_seq for tail in tails if tail is not None) >= entries

        await until(holds)


async def read_to(settings: Settings, offset: int, partition: int = 0) -> None:
    """Waits until the ledger notes that the input was read to an offset."""
    async with ledger_of(settings) as ledger:

        async def holds() -> bool:
            tail = await ledger.tail(partition)
            source = Names(settings.prefix).source(partition)
            return tail is not None and blocks.block_of(tail.data).header.sources.get(source, 0) >= offset

        await until(holds)


async def chain_of(settings: Settings, partition: int = 0) -> list[Block]:
    """All blocks of a partition, each checked against the one before and its own entries."""
    chain: list[Block] = []
    async with ledger_of(settings) as ledger:
        async for one in ledger.read(partition):
            block = blocks.block_of(one.data)
            blocks.check_next(chain[-1] if chain else None, block)
            blocks.check_entries(block)
            chain.append(block)
    return chain


async def letters_of(settings: Settings) -> list[KafkaRefusal]:
    """The dead letters."""
    reader = LetterReader(settings)
    await reader.start()
    try:
        return [letter.refusal async for letter in reader.letters()]
    finally:
        await reader.close()


async def check_ledger(settings: Settings, expected: Sequence[bytes]) -> None:
    """Each event once, in the partition of its account; booked again from scratch it is the same to the byte."""
    found: Counter[tuple[str, str]] = Counter()
    for partition in range(settings.partitions):
        chain = await chain_of(settings, partition)
        entries = [entry for block in chain for entry in block.entries]
        found.update(identity_of(entry.event) for entry in entries)
        assert {partition_of(account_of(entry.event), settings.partitions) for entry in entries} <= {partition}
        genesis = chain[0].header.genesis
        assert genesis is not None
        scratch = memory_ledger()
        accounts = Accounts(None, partition, 100_000)
        writer = Writer(scratch, accounts, genesis.policy, None, partition=partition, partitions=genesis.partitions)
        await writer.begin()
        await writer.write([Submitted(entry.event) for entry in entries])
        again = [blocks.block_of(one.data) async for one in scratch.read(partition)]
        assert [entry for block in again for entry in block.entries] == entries
        await writer.close()
        read = [block.header.sources.get(Names(settings.prefix).source(partition), 0) for block in chain]
        assert read == sorted(read), "no block takes back what another has read"
    assert found == Counter({identity_of(raw): 1 for raw in expected})


async def counted(writer: Working, name: str, value: float) -> None:
    """Waits until a metric of a service has a value."""
    await until(lambda: is_true(writer.counted(name) == value))


async def ready(writer: Working) -> None:
    """Waits until it has partitions, and books all of them."""

    async def holds() -> bool:
        return bool(writer.service._bookers) and not await writer.service.not_ready()

    await until(holds)


async def died(settings: Settings, meanwhile: Callable[[Working], Awaitable[None]] | None = None) -> None:
    """Runs a writer until it ends by itself; raises what it died of."""
    async with working(settings) as writer:
        if meanwhile is not None:
            await meanwhile(writer)
        await asyncio.wait([writer.task])
        assert "ended with an error" in await writer.service.not_live()


async def send_by_java(settings: Settings, raws: Iterable[bytes]) -> None:
    """Sends events as Java's own client does; it is skipped where there is no Java that compiles."""
    with needing("kafka"):
        classes = f"{kafka_jars()}/*"
        command = [java(), "-XX:TieredStopAtLevel=1", "-cp", classes, str(Path(__file__).with_name("Send.java"))]
    sending = await asyncio.create_subprocess_exec(
        *command, settings.kafka, Names(settings.prefix).events, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    lines = [account_of(raw).encode() + b"\t" + raw + b"\n" for raw in raws]
    _, said = await sending.communicate(b"".join(lines))
    assert sending.returncode == 0, said.decode()
