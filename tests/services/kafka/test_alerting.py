"""Alerts of the distributed form, on real servers: from a block on Kafka to the topic and to a webhook."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from msgspec.structs import replace

from events.partitions import partition_of
from services.kafka.alerting import AlerterService, alerter_service
from services.kafka.connection import Names, client_options
from services.metrics import Metrics
from services.settings import Settings
from services.writer import Submitted
from tests.model.days import Event
from tests.model.notation import fact, line
from tests.servers.kafka import Kafka
from tests.servers.redis import SharedRedis
from tests.services.alerts.desk import ONLY, rule
from tests.services.alerts.receiver import SECRET, receiver
from tests.services.books import raw_of
from tests.services.kafka.projected import Written, projecting, written
from tests.services.kafka.topics import distributed
from tests.services.running import asynchronous

PARTITIONS = 2
SINKS = """
[[sink]]
name = "topic"
kind = "kafka"
[[sink]]
name = "crm"
kind = "webhook"
url = "URL"
secret_env = "SECRET"
"""


@asynccontextmanager
async def alerting(settings: Settings) -> AsyncIterator[AlerterService]:
    """An alerter service that runs meanwhile; an error it ended with is raised."""
    async with alerter_service(settings, Metrics()) as service:
        running = asyncio.create_task(service.run())
        try:
            yield service
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


def day(ago: int) -> str:
    """A day so many days ago."""
    return (datetime.now(UTC) - timedelta(days=ago)).date().isoformat()


def account(partition: int, number: int) -> str:
    """The name of an account of a partition."""
    names = (f"acct-{number}-{count}" for count in range(100))
    return next(name for name in names if partition_of(name, PARTITIONS) == partition)


async def write(books: Written, partition: int, *events: Event) -> None:
    """Books events into a partition."""
    outcomes = await books._writers[partition].write([Submitted(raw_of(event)) for event in events])
    assert {outcome.status for outcome in outcomes} == {"accepted"}


def signed(name: str) -> Event:
    return fact("signed", f"c-{name}", day(30), lines=[line(1_000)]) | {"subject": name}


def leaves(name: str) -> Event:
    return fact("cancelled", f"c-{name}", day(1)) | {"subject": name}


async def on_topic(settings: Settings, count: int) -> list[Any]:
    """The first so many alerts on the topic, with their keys."""
    topic = Names(settings.prefix).alerts
    consumer = AIOKafkaConsumer(**client_options(settings), auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, partition) for partition in range(settings.partitions)])
        found = [await consumer.getone() for _ in range(count)]
        assert {one.headers for one in found} == {(("content-type", b"application/cloudevents+json"),)}
        return [(one.key.decode(), json.loads(one.value)) for one in found]
    finally:
        await consumer.stop()


@asynchronous
async def test_from_the_ledger_to_the_topic_and_a_webhook(
    kafka: Kafka, redis_server: SharedRedis, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", SECRET)
    rules = tmp_path / "alerts.toml"
    with receiver() as hook:
        rules.write_text(ONLY + rule("gone", "churn") + SINKS.replace("URL", hook.url))
        settings = distributed(kafka, prefix=prefix, partitions=PARTITIONS, redis=redis_server.url)
        settings = replace(settings, alerts=rules)
        names = {partition: [account(partition, number) for number in range(3)] for partition in range(PARTITIONS)}
        async with written(settings) as books:
            for partition, some in names.items():
                await write(books, partition, *map(signed, some))
            async with projecting(settings), alerting(settings):
                for partition, some in names.items():
                    await write(books, partition, leaves(some[0]))
                await asyncio.to_thread(hook.until, 2)
                first = await on_topic(settings, 2)
            for partition, some in names.items():
                await write(books, partition, leaves(some[1]))
            async with projecting(settings), alerting(settings) as service:
                await asyncio.to_thread(hook.until, 4)
                assert await service.not_live() == ""
    gone = sorted(name for some in names.values() for name in some[:2])
    assert sorted(one.event["subject"] for one in hook.got) == gone
    assert len(set(hook.ids())) == 4
    assert sorted(key for key, _ in first) == sorted(some[0] for some in names.values())
    assert all(event["subject"] == key and event["data"]["share"] for key, event in first)
    (share,) = {event["data"]["share"] for _, event in first if event["data"]["position"]["partition"] == 0}
    assert share in {"0.16666667", "0.20000000"}, "of the MRR of all partitions"
