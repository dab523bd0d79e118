"""How soon an event published to Kafka is in Redis, at 2,000 events a second."""

import asyncio
import time
from contextlib import ExitStack
from statistics import quantiles
from typing import Final

from aiokafka import AIOKafkaProducer

from bench.cluster import Servers, environment_of, made, servers, service, until_ready
from bench.commands import scratch
from bench.results import record
from bench.streams import demo_in_order
from events.envelope import event_of
from events.partitions import partition_of
from services.kafka.connection import Names, producer_options
from services.settings import Settings
from services.views.redis import redis_views
from tests.servers.processes import free_port

RATE: Final = 2_000
SECONDS: Final = 20
RUNS: Final = 3
PARTITIONS: Final = 2
TARGET_MS: Final = 150
LINGER_MS: Final = 5
"""How long the sender gathers events: what Kafka's own clients do since version 4.0 unless told otherwise."""


def main() -> None:
    """One writer and one projector; the clock of an event starts when it is handed to the producer."""
    raws = demo_in_order(7_000)[: RATE * SECONDS]
    runs = []
    with servers() as where:
        for _ in range(RUNS):
            seen = sorted(_measured(where, raws))
            runs.append(quantiles(seen, n=100)[98])
            print(f"  median {seen[len(seen) // 2]:.1f} ms, most {seen[-1]:.1f} ms")
    claim = f"99th percentile from publishing an event to Kafka to its being in Redis, at {RATE:,} events/s"
    record("kafka-visible", claim, runs, "ms", "at most", TARGET_MS)


def _measured(where: Servers, raws: list[bytes]) -> list[float]:
    environment = environment_of(where, PARTITIONS)
    settings = made(environment)
    with ExitStack() as stack:
        data = stack.enter_context(scratch())
        for name in ("writer", "projector"):
            port = free_port()
            stack.enter_context(service(name, environment, port, data / name))
            until_ready(port)
        return asyncio.run(_Run(settings, raws).run())


class _Run:
    """A sender at a steady rate, and a poller of the positions: the n-th event of a partition is its n-th entry."""

    def __init__(self, settings: Settings, raws: list[bytes]) -> None:
        self._settings = settings
        self._places = [(partition_of(event_of(raw).subject, PARTITIONS), raw) for raw in raws]
        self._sent: list[list[float]] = [[] for _ in range(PARTITIONS)]
        self._seen: list[list[float]] = [[] for _ in range(PARTITIONS)]

    async def run(self) -> list[float]:
        """Milliseconds, event by event."""
        producer = AIOKafkaProducer(**producer_options(self._settings), linger_ms=LINGER_MS)
        await producer.start()
        polling = asyncio.create_task(self._poll())
        began = time.perf_counter()
        topic = Names(self._settings.prefix).events
        for number, (partition, raw) in enumerate(self._places):
            due = began + number / RATE
            if due > time.perf_counter():
                await asyncio.sleep(due - time.perf_counter())
            self._sent[partition].append(time.perf_counter())
            await producer.send(topic, raw, partition=partition)
        await polling
        await producer.stop()
        pairs = zip(self._sent, self._seen, strict=True)
        return [(at - since) * 1_000 for sent, seen in pairs for since, at in zip(sent, seen, strict=True)]

    async def _poll(self) -> None:
        views = redis_views(self._settings.redis, namespace=self._settings.prefix)
        while sum(map(len, self._seen)) < len(self._places):
            for partition, times in enumerate(self._seen):
                position = await views.position(partition)
                reached = 0 if position is None else position.last_seq + 1
                times.extend([time.perf_counter()] * (reached - len(times)))
            await asyncio.sleep(0.002)
        await views.close()


if __name__ == "__main__":
    main()
