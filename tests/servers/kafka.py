"""The Kafka that tests share: the one named in the environment, a container, or a broker from its jars."""

import gc
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

from docker.errors import DockerException
from msgspec import Struct
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient

from tests.servers.brokers import common_properties, kafka_cluster, takes_topics
from tests.servers.jars import KAFKA_VERSION
from tests.servers.processes import START_SECONDS, NotStarted, free_port, scratch

KAFKA: Final = "REVLEDGER_KAFKA"
IMAGE: Final = f"apache/kafka:{KAFKA_VERSION}"


class Kafka(Struct, frozen=True):
    """Where a Kafka is: its bootstrap servers, HOST:PORT separated by commas."""

    servers: str


@contextmanager
def shared_kafka(environment: Mapping[str, str] = os.environ) -> Iterator[Kafka]:
    """A Kafka with one broker at least; one that was started here ends with the block.

    Raises:
        NotStarted: the one named in the environment does not answer, or one from its jars does not start.
        Unavailable: none is named, no container engine runs one, and there are no jars to start one from.
    """
    named = environment.get(KAFKA, "")
    if named:
        if not takes_topics(named):
            raise NotStarted(f"{KAFKA} is {named}, and no topic can be created there; start it or unset {KAFKA}.")
        yield Kafka(named)
        return
    container = _started_container()
    if container is not None:
        try:
            yield Kafka(container[1])
        finally:
            container[0].stop()
        return
    with scratch("revledger-kafka-") as directory, kafka_cluster(directory) as cluster:
        yield Kafka(cluster.servers)


def _started_container() -> tuple[DockerContainer, str] | None:
    """A container that answers, and its address; None if no engine answers or it cannot fetch or run the image."""
    engine = _engine()
    if engine is None:
        return None
    container, address = _container(engine.host())
    try:
        container.start()
    except (DockerException, OSError):
        return None
    deadline = time.monotonic() + START_SECONDS
    while not takes_topics(address):
        if time.monotonic() > deadline:
            container.stop()
            return None
        time.sleep(0.1)
    return container, address


def _engine() -> DockerClient | None:
    """The container engine of this machine, if there is one that answers."""
    # The client leaves a socket that could not connect to the garbage collector, and its warning to whatever test
    # runs by then.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        engine: DockerClient | None = None
        with suppress(DockerException, OSError):
            found = DockerClient()
            found.client.ping()
            engine = found
        gc.collect()
    return engine


def _container(host: str) -> tuple[DockerContainer, str]:
    """A container with the same properties as a broker from its jars; clients reach it at the address returned."""
    port = free_port()
    properties = common_properties(brokers=1) | {
        "node.id": "1",
        "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "advertised.listeners": f"PLAINTEXT://{host}:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.quorum.voters": "1@localhost:9093",
    }
    container = DockerContainer(IMAGE).with_bind_ports(9092, port)
    for name, value in properties.items():
        container = container.with_env(f"KAFKA_{name.upper().replace('.', '_')}", value)
    return container, f"{host}:{port}"
