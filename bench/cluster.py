"""The distributed form to measure on: a broker and a Redis of our own, and services in processes of their own."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

from confluent_kafka import Producer
from msgspec import Struct

from bench.commands import COMMAND, ROOT, is_ready, scratch
from services.kafka.topics import ensure_topics
from services.ledgers.kafka import kafka_ledger
from services.settings import Settings, settings_from
from services.views.redis import redis_views
from tests.servers.brokers import kafka_cluster
from tests.servers.redis import own_redis

TICKS: Final = os.sysconf("SC_CLK_TCK")
PATIENCE_SECONDS: Final = 300.0


class Servers(Struct, frozen=True):
    """Where Kafka and Redis are, and the process of the broker."""

    kafka: str
    redis: str
    broker_pid: int


@contextmanager
def servers() -> Iterator[Servers]:
    """One broker and one Redis, gone afterwards."""
    with ExitStack() as stack:
        cluster = stack.enter_context(kafka_cluster(stack.enter_context(scratch())))
        redis = stack.enter_context(own_redis(stack.enter_context(scratch())))
        yield Servers(cluster.servers, redis.url, cluster.brokers[0].pid)


def environment_of(where: Servers, partitions: int) -> dict[str, str]:
    """The variables of a ledger that is new."""
    return {
        "REVLEDGER_KAFKA": where.kafka,
        "REVLEDGER_REDIS": where.redis,
        "REVLEDGER_PREFIX": f"bench-{uuid4().hex[:8]}",
        "REVLEDGER_PARTITIONS": str(partitions),
        "REVLEDGER_REPLICATION": "1",
        "REVLEDGER_MIN_ISR": "1",
        "REVLEDGER_LOG": "warning",
        "REVLEDGER_SESSION_SECONDS": "6",
    }


def made(environment: Mapping[str, str]) -> Settings:
    """The settings, with the topics made."""
    settings = settings_from(environment)
    asyncio.run(ensure_topics(settings))
    return settings


def publish(settings: Settings, raws: Iterable[bytes]) -> int:
    """Puts events into the topic as fast as librdkafka does, keyed and partitioned as they should be; how many."""
    producer = Producer({"bootstrap.servers": settings.kafka, "partitioner": "murmur2_random", "linger.ms": 5})
    count = 0
    for raw in raws:
        while True:
            try:
                producer.produce(f"{settings.prefix}.events", raw, key=json.loads(raw)["subject"].encode())
                break
            except BufferError:
                producer.poll(0.05)
        count += 1
    assert producer.flush(60) == 0, "Kafka did not take all events"
    return count


@contextmanager
def service(name: str, environment: Mapping[str, str], port: int, data: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`revledger run NAME` in a process of its own, ended afterwards."""
    command = [*COMMAND, "run", name, "--port", str(port), *(["--data", str(data)] if name == "writer" else [])]
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=sys.stderr
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def until_ready(port: int) -> None:
    """Waits until a service says that it is ready."""
    until(lambda: is_ready(f"http://127.0.0.1:{port}"))


def until(is_there: Callable[[], bool], pause_seconds: float = 0.05) -> None:
    """Waits until something is so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_there():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(pause_seconds)


async def booked(settings: Settings, count: int) -> tuple[float, float]:
    """Waits until the ledger has so many entries; when it had the first, and when all of them."""
    ledger = await kafka_ledger(settings)
    first = entries = 0.0
    while entries < count:
        await asyncio.sleep(0.02)
        tails = [await ledger.tail(partition) for partition in range(settings.partitions)]
        entries = sum(tail.end_seq for tail in tails if tail)
        first = first or (time.perf_counter() if entries else 0.0)
    await ledger.close()
    return first, time.perf_counter()


async def visible(settings: Settings, count: int) -> None:
    """Waits until the views reflect so many entries."""
    views = redis_views(settings.redis, namespace=settings.prefix)
    entries = 0
    while entries < count:
        await asyncio.sleep(0.02)
        found = [await views.position(partition) for partition in range(settings.partitions)]
        entries = sum(one.last_seq + 1 for one in found if one)
    await views.close()


def cpu_seconds(pid: int) -> float:
    """The CPU time of a process so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
