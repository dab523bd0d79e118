"""A ledger on Kafka verified and proven by real commands: forks of a zombie do no harm, a changed byte is named."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from events.envelope import event_of
from events.partitions import partition_of
from events.policy import Policy
from services.accounts import Accounts
from services.kafka.connection import Names
from services.kafka.producing import Producer, Record
from services.ledgers.kafka import kafka_ledger
from services.ledgers.kafka_chain import HEADER, header_of_block
from services.ledgers.port import StoredBlock
from services.settings import Settings
from services.writer import Submitted, Writer
from tests.servers.kafka import Kafka
from tests.services.audit.chains import chain_of, with_data
from tests.services.cli.calling import Called, process, signed
from tests.services.kafka.topics import distributed, environment, made_topics
from tests.services.running import asynchronous

PARTITIONS = 2
ACCOUNTS = [f"a{number}" for number in range(40)]


def events_of(partition: int, first: int, last: int) -> list[Submitted]:
    """Events of accounts that belong to a partition."""
    mine = [name for name in ACCOUNTS if partition_of(name, PARTITIONS) == partition]
    return [Submitted(json.dumps(signed(f"s-{name}", subject=name)).encode()) for name in mine[first:last]]


async def begun(settings: Settings, partition: int, stack: AsyncExitStack) -> Writer:
    """A writer of a partition, with a client of its own, at the head of the ledger."""
    ledger = await kafka_ledger(settings)
    stack.push_async_callback(ledger.close)
    accounts = Accounts(None, partition, 1_000)
    writer = Writer(ledger, accounts, Policy(), None, partition=partition, partitions=PARTITIONS)
    stack.push_async_callback(writer.close)
    await writer.begin()
    return writer


async def commanded(environ: dict[str, str], *arguments: str, stdin: bytes = b"") -> Called:
    """A command as a process of its own, while our clients go on."""
    return await asyncio.to_thread(lambda: process(*arguments, stdin=stdin, **environ))


@pytest.fixture
def environ(kafka: Kafka, prefix: str, tmp_path: Path) -> dict[str, str]:
    """What commands need to find the ledger."""
    return environment(kafka, prefix=prefix, partitions=PARTITIONS, data=str(tmp_path))


async def write_with_a_zombie(settings: Settings) -> None:
    """Two writers of partition 0: the first is overtaken by the second, and goes on as if nothing had happened."""
    async with AsyncExitStack() as stack:
        zombie, other = [await begun(settings, partition, stack) for partition in range(PARTITIONS)]
        heir = await begun(settings, 0, stack)
        await zombie.write(events_of(0, 0, 3))
        await heir.write(events_of(0, 3, 5))
        outcomes = await zombie.write(events_of(0, 5, 8))
        assert {one.status for one in outcomes} == {"accepted"}
        await other.write(events_of(1, 0, 6))


@asynchronous
async def test_forks_of_a_zombie_are_counted_and_do_no_harm(kafka: Kafka, prefix: str, environ: dict[str, str]) -> None:
    settings = distributed(kafka, prefix=prefix, partitions=PARTITIONS)
    await made_topics(settings)
    await write_with_a_zombie(settings)
    done = await commanded(environ, "verify", "--format", "json")
    assert done.status == 0, done.err or done.out
    said = done.json["partitions"]
    assert [(one["partition"], one["forks"], one["entries"]) for one in said] == [(0, 1, 8), (1, 0, 6)]
    assert "1 record of partition 0 not in the chain" in (await commanded(environ, "verify")).out
    for account in (events_of(0, 5, 6)[0], events_of(1, 2, 3)[0]):
        event = event_of(account.raw)
        made = await commanded(environ, "prove", event.source, event.id)
        assert made.status == 0, made.err
        head = said[partition_of(event.subject, PARTITIONS)]["hash"]
        checked = await commanded(environ, "check-proof", "-", "--head", head, stdin=made.out.encode())
        assert checked.status == 0, checked.out


async def put(settings: Settings, blocks: Sequence[StoredBlock]) -> None:
    """Records in the topic as they are, as somebody with access to the brokers may put them there."""
    producer = Producer(settings)
    headers = [[(HEADER, header_of_block(block))] for block in blocks]
    topic = Names(settings.prefix).ledger
    await producer.send(
        [Record(topic, one.partition, None, one.data, header) for one, header in zip(blocks, headers, strict=True)]
    )
    await producer.close()


@asynchronous
async def test_a_changed_byte_and_a_lost_record_are_named(kafka: Kafka, tmp_path: Path, prefix: str) -> None:
    chain = await chain_of([signed(f"s{number}", subject=f"a{number}") for number in range(30)], a_block=3)
    spot = chain[4].data.index(b"team")
    changes = {
        "changed": (with_data(chain, 4, spot, ord("T")), "merkle", 4),
        "lost": ([one for one in chain if one.height != 6], "file", 6),
    }
    for name, (blocks, check, height) in changes.items():
        settings = distributed(kafka, prefix=f"{prefix}-{name}")
        await made_topics(settings)
        await put(settings, blocks)
        environ = environment(kafka, prefix=f"{prefix}-{name}", data=str(tmp_path))
        done = await commanded(environ, "verify", "--format", "json")
        assert done.status == 1, done.err
        found = done.json["findings"][0]
        assert (found["check"], found["height"]) == (check, height), done.json["findings"]
        assert f"lock {height} of partition 0" in found["sentence"]
