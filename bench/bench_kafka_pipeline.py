"""Kafka to Kafka to Redis: the whole pipeline beside a plain Faust agent, and two writers beside one."""

import asyncio
import time
from contextlib import ExitStack
from statistics import median
from typing import Final

from bench.cluster import (
    Servers,
    booked,
    cpu_seconds,
    environment_of,
    made,
    publish,
    servers,
    service,
    until_ready,
    visible,
)
from bench.commands import scratch
from bench.faust_sides import added_up
from bench.results import record
from bench.streams import demo_in_order
from tests.servers.processes import free_port

EVENTS: Final = 100_000
RUNS: Final = 3
TIMES_PLAIN: Final = 8
TIMES_ONE: Final = 1.7


def main() -> None:
    """Everything is in the topic before a clock starts; the processes start before it too, on an empty topic."""
    raws = demo_in_order(13_000)[:EVENTS]
    pipeline: list[float] = []
    plain: list[float] = []
    scaled: list[float] = []
    for _ in range(RUNS):
        with servers() as where:
            pipeline.append(len(raws) / _pipeline_seconds(where, raws))
            plain.append(len(raws) / _plain_agent_seconds(where, raws))
            one, two = (_writers_seconds(where, raws, writers) for writers in (1, 2))
            scaled.append(one / two)
    ratios = [mine / its for mine, its in zip(pipeline, plain, strict=True)]
    claim = "events through writer, ledger, projector and Redis, as many times as a plain Faust agent with a dict"
    record("kafka-pipeline", claim, ratios, "times", "at least", TIMES_PLAIN)
    print(f"  pipeline {median(pipeline):,.0f}, plain agent {median(plain):,.0f} events/s")
    record(
        "kafka-two-writers",
        "two writers on two partitions, as many times as one",
        scaled,
        "times",
        "at least",
        TIMES_ONE,
    )


def _pipeline_seconds(where: Servers, raws: list[bytes]) -> float:
    """Seconds from the first event sent, at full speed, to the last one in Redis; one writer, one projector."""
    environment = environment_of(where, 2)
    settings = made(environment)
    with ExitStack() as stack:
        data = stack.enter_context(scratch())
        for name in ("writer", "projector"):
            port = free_port()
            stack.enter_context(service(name, environment, port, data / name))
            until_ready(port)
        began = time.perf_counter()
        count = publish(settings, raws)
        asyncio.run(visible(settings, count))
        return time.perf_counter() - began


def _plain_agent_seconds(where: Servers, raws: list[bytes]) -> float:
    """Seconds that a plain Faust agent with a dict takes from the first event to the last, all of them in the topic."""
    settings = made(environment_of(where, 1))
    publish(settings, raws)
    return asyncio.run(added_up(settings, len(raws), time.perf_counter))


def _writers_seconds(where: Servers, raws: list[bytes], writers: int) -> float:
    """Seconds until all of the topic is in the ledger, by so many writers on two partitions."""
    environment = environment_of(where, 2)
    settings = made(environment)
    publish(settings, raws)
    with ExitStack() as stack:
        data = stack.enter_context(scratch())
        processes = [
            stack.enter_context(service("writer", environment, free_port(), data / str(number)))
            for number in range(writers)
        ]
        began, end = asyncio.run(booked(settings, len(raws)))
        spent = [cpu_seconds(process.pid) for process in processes]
        print(f"  {writers} writers: {end - began:.2f} s, CPU {spent}, broker {cpu_seconds(where.broker_pid):.1f}")
        return end - began


if __name__ == "__main__":
    main()
