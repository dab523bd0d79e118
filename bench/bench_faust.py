"""How many entries a second the projector takes through Faust, and how many events a plain Faust agent."""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

from aiokafka import AIOKafkaProducer
from redis import Redis

from bench.commands import ROOT
from bench.results import record
from bench.streams import demo_in_order
from events.envelope import event_of
from events.policy import Policy
from services.accounts import Accounts
from services.kafka.connection import Names, client_options
from services.ledgers.kafka import kafka_ledger
from services.settings import Settings, settings_from
from services.writer import BLOCK_ENTRIES_MAX, Submitted, Writer
from tests.servers.kafka import shared_kafka
from tests.servers.redis import own_redis
from tests.services.kafka.topics import environment, made_topics

RUNS: Final = 5
ENTRIES: Final = 200_000
AGENT_EVENTS: Final = 50_000
TARGET: Final = 100_000
TARGET_TIMES: Final = 8
AGENT_EXPECTED: Final = 10_000
"""Less would mean that the agent is not given its best."""


def main() -> None:
    """Fills the topics, then measures both sides in turns; brokers and Redis are processes of their own."""
    raws = demo_in_order(28_000)[:ENTRIES]
    assert len(raws) == ENTRIES
    projector: list[float] = []
    agent: list[float] = []
    with _servers() as variables:
        settings = settings_from(variables)
        height = asyncio.run(filled(settings, raws))
        for _ in range(RUNS):
            with Redis.from_url(settings.redis) as client:
                client.flushall()
            projector.append(ENTRIES / _seconds(variables, "projector", height))
            agent.append(AGENT_EVENTS / _seconds(variables, "agent", AGENT_EVENTS))
    record(
        "projector-faust",
        f"entries projected through Faust into Valkey, from blocks of {BLOCK_ENTRIES_MAX:,}",
        projector,
        "entries/s of CPU time",
        "at least",
        TARGET,
    )
    record(
        "agent-faust",
        "events added up by a plain Faust agent (MRR by month and kind, in a dict), for comparison",
        agent,
        "events/s of CPU time",
        "at least",
        AGENT_EXPECTED,
    )
    record(
        "projector-times-agent",
        "entries of the projector for each event of the plain Faust agent",
        [mine / plain for mine, plain in zip(projector, agent, strict=True)],
        "",
        "at least",
        TARGET_TIMES,
    )


@contextmanager
def _servers() -> Iterator[dict[str, str]]:
    """The variables of a Kafka and a Redis that run meanwhile."""
    with (
        shared_kafka() as kafka,
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place,
        own_redis(Path(place)) as redis,
    ):
        yield environment(kafka, prefix=f"bench-{uuid4().hex[:8]}", redis=redis.url)


async def filled(settings: Settings, raws: Sequence[bytes]) -> int:
    """Books the events into the ledger's topic and puts some of them into that of events; the last block's height."""
    await made_topics(settings)
    ledger = await kafka_ledger(settings)
    writer = Writer(ledger, Accounts(None, 0, 50_000), Policy(), None)
    for start in range(0, len(raws), BLOCK_ENTRIES_MAX):
        await writer.write([Submitted(raw) for raw in raws[start : start + BLOCK_ENTRIES_MAX]])
    tail = await ledger.tail(0)
    await ledger.close()
    assert tail is not None
    assert tail.end_seq == len(raws)
    producer = AIOKafkaProducer(**client_options(settings), linger_ms=5, max_batch_size=256 * 1024)
    async with producer:
        topic = Names(settings.prefix).events
        for raw in raws[:AGENT_EVENTS]:
            await producer.send(topic, raw, key=event_of(raw).subject.encode(), partition=0)
    return tail.height


def _seconds(variables: dict[str, str], side: str, bound: int) -> float:
    """Seconds of CPU time of one side, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.faust_sides", side, str(bound)],
        cwd=ROOT,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        check=True,
    )
    return float(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
