"""Fixtures of real servers, for all tests; one broker serves a whole run, whatever the number of its processes."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest

from tests.servers.brokers import Cluster, kafka_cluster
from tests.servers.doors import NO_DOOR, Door
from tests.servers.kafka import KAFKA, Kafka, shared_kafka
from tests.servers.needs import kafka_tests, needing
from tests.servers.redis import REDIS, Options, RedisServer, SharedRedis, own_redis, shared_redis

StartKafka = Callable[..., Cluster]
"""Starts a cluster for one test: `start_kafka(brokers=3, door=..., properties=...)`."""

StartRedis = Callable[..., RedisServer]
"""Starts a Redis for one test: `start_redis(Options(keeping="dump"))`."""

ENVIRONMENT: Final = dict(os.environ)
"""As the run was started: which servers it is to use."""

_GROUPED: Final = frozenset({"kafka", "start_kafka"})


def pytest_itemcollected(item: pytest.Item) -> None:
    """All tests with Kafka run in one process (`--dist loadgroup`): one broker, never two clusters at once."""
    if isinstance(item, pytest.Function) and not _GROUPED.isdisjoint(item.fixturenames):
        item.add_marker(kafka_tests)


@pytest.fixture(autouse=True)
def embedded_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers that the tests use are no settings of what is tested."""
    for name in (KAFKA, REDIS):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def kafka() -> Iterator[Kafka]:
    """A Kafka that all tests share: each uses topics and groups with its own `prefix`."""
    with ExitStack() as running:
        with needing("kafka"):
            shared = running.enter_context(shared_kafka(ENVIRONMENT))
        yield shared


@pytest.fixture(scope="session")
def redis_server() -> Iterator[SharedRedis]:
    """A Redis that the tests of a process share: each uses keys that begin with its own `prefix`."""
    with ExitStack() as running:
        with needing("redis"):
            shared = running.enter_context(shared_redis(ENVIRONMENT))
        yield shared


@pytest.fixture
def prefix() -> str:
    """The start of names that no other test uses, for topics, groups and keys."""
    return f"test-{uuid4().hex[:12]}"


@pytest.fixture
def start_kafka(tmp_path: Path) -> Iterator[StartKafka]:
    """Starts clusters that belong to this test alone, to be killed and paused; they end with the test."""
    with ExitStack() as running:

        def start(brokers: int = 1, *, door: Door = NO_DOOR, properties: dict[str, str] | None = None) -> Cluster:
            place = tmp_path / f"kafka-{uuid4().hex[:8]}"
            with needing("kafka"):
                return running.enter_context(kafka_cluster(place, brokers, door=door, properties=properties))

        yield start


@pytest.fixture
def start_redis(tmp_path: Path) -> Iterator[StartRedis]:
    """Starts servers that belong to this test alone, to be killed, paused and emptied; they end with the test."""
    with ExitStack() as running:

        def start(options: Options | None = None) -> RedisServer:
            place = tmp_path / f"redis-{uuid4().hex[:8]}"
            with needing("redis"):
                return running.enter_context(own_redis(place, options))

        yield start
