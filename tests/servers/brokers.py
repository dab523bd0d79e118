"""Apache Kafka from its jars: brokers in KRaft combined mode, alone or three together."""

import subprocess
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from msgspec import Struct

from tests.servers.doors import NO_DOOR, Door
from tests.servers.jars import java, kafka_jars
from tests.servers.processes import HOST, START_SECONDS, STARTS, NotStarted, Server, free_port, is_open

ASK_SECONDS: Final = 3.0
FORMAT_SECONDS: Final = 60.0

_JAVA: Final = (
    *("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC"),
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    *("-Dorg.slf4j.simpleLogger.showDateTime=true", "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS"),
)


class Address(Struct, frozen=True):
    """Where one broker listens: for clients, for the quorum, and at the door that asks who comes."""

    node: int
    port: int
    quorum_port: int
    door_port: int


def common_properties(brokers: int) -> dict[str, str]:
    """What is the same in all brokers of a cluster, wherever it runs."""
    copies, in_sync = str(brokers), str(min(brokers, 2))
    return {
        "process.roles": "broker,controller",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "auto.create.topics.enable": "false",
        "default.replication.factor": copies,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": copies,
        "offsets.topic.num.partitions": "1",
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": in_sync,
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        "log.cleaner.dedupe.buffer.size": "1048577",
        # How soon the others lead what a killed broker led, and how soon it may come back itself.
        "broker.heartbeat.interval.ms": "500",
        "broker.session.timeout.ms": "3000",
        # How long they wait for an answer of a broker that is paused.
        "controller.socket.timeout.ms": "3000",
        "replica.socket.timeout.ms": "3000",
    }


class Broker(Server):
    """One broker that is a controller too; killed or stopped, it starts again on the same data and ports."""

    def __init__(
        self,
        directory: Path,
        cluster_id: str,
        address: Address,
        addresses: Sequence[Address],
        door: Door = NO_DOOR,
        properties: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(directory)
        self.node = address.node
        self.port = address.port
        self.servers = f"{HOST}:{address.port}"
        self.door_servers = f"{HOST}:{address.door_port}"
        self._cluster_id = cluster_id
        self._door = door
        self._class_path = f"{kafka_jars()}/*"
        chosen = common_properties(len(addresses)) | self._listening(address, addresses)
        chosen |= door.properties() | dict(properties or {})
        lines = [f"{name}={value}\n" for name, value in chosen.items()]
        (directory / "server.properties").write_text("".join(lines), "utf-8")

    def command(self) -> list[str]:
        return [java(), *_JAVA, "-cp", self._class_path, "kafka.Kafka", "server.properties"]

    def start(self) -> None:
        self._format()
        super().start()

    def answers(self) -> bool:
        """Whether the broker would take a partition of a new topic: the quorum knows it and counts on it."""
        if not is_open(self.port):
            return False
        topic = NewTopic("would-this-work", num_partitions=1, replica_assignment=[[self.node]])
        return _could_create(_admin(self.servers), topic)

    def _listening(self, address: Address, addresses: Sequence[Address]) -> dict[str, str]:
        listeners = f"PLAINTEXT://{self.servers}" + (f",DOOR://{self.door_servers}" if self._door.protocol else "")
        return {
            "node.id": str(address.node),
            "listeners": f"{listeners},CONTROLLER://{HOST}:{address.quorum_port}",
            "advertised.listeners": listeners,
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"
            + (f",DOOR:{self._door.protocol}" if self._door.protocol else ""),
            "controller.quorum.voters": ",".join(f"{one.node}@{HOST}:{one.quorum_port}" for one in addresses),
            "log.dirs": str(self.directory / "data"),
        }

    def _format(self) -> None:
        if (self.directory / "data" / "meta.properties").exists():
            return
        tool = [java(), *_JAVA, "-XX:TieredStopAtLevel=1", "-cp", self._class_path, "kafka.tools.StorageTool"]
        users = [part for user in self._door.scram() for part in ("--add-scram", user)]
        with self.log.open("ab") as log:
            formatting = subprocess.run(
                [*tool, "format", "-t", self._cluster_id, "-c", "server.properties", *users],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=FORMAT_SECONDS,
            )
        if formatting.returncode:
            raise NotStarted(f"{self} cannot be formatted.\n{self.log_end()}")


class Cluster:
    """The brokers of one quorum, with a port each; a topic has by default a copy on each of them."""

    def __init__(
        self, directory: Path, brokers: int = 1, *, door: Door = NO_DOOR, properties: Mapping[str, str] | None = None
    ) -> None:
        # Any 16 bytes as text, except that the tool would take a first "-" for an option.
        cluster_id = "A" + urlsafe_b64encode(uuid4().bytes)[1:22].decode()
        nodes = range(1, brokers + 1)
        addresses = [Address(node, free_port(), free_port(), free_port()) for node in nodes]
        self.brokers = [
            Broker(directory / f"broker-{one.node}", cluster_id, one, addresses, door, properties) for one in addresses
        ]

    @property
    def servers(self) -> str:
        """The addresses of all brokers, as clients want them."""
        return ",".join(broker.servers for broker in self.brokers)

    @property
    def door_servers(self) -> str:
        """The addresses of the doors that ask who comes; of use if the cluster was made with a door."""
        return ",".join(broker.door_servers for broker in self.brokers)

    def start(self) -> None:
        """Starts all brokers at once, and waits until a topic with a copy on each could be created.

        Raises:
            NotStarted: one of them does not start, or they do not find together.
        """
        with ThreadPoolExecutor(len(self.brokers)) as together:
            list(together.map(Broker.start, self.brokers))
        deadline = time.monotonic() + START_SECONDS
        topic = NewTopic("would-this-work", num_partitions=1, replication_factor=len(self.brokers))
        while not _could_create(_admin(self.servers), topic):
            if time.monotonic() > deadline:
                logs = "\n".join(broker.log_end() for broker in self.brokers)
                raise NotStarted(f"the brokers have not found together in {START_SECONDS:g} s.\n{logs}")

    def kill(self) -> None:
        """Ends all brokers by SIGKILL."""
        for broker in self.brokers:
            broker.kill()

    def leader(self, topic: str, partition: int) -> Broker:
        """The broker that leads a partition; while none does, it waits for the next one.

        Raises:
            TimeoutError: nobody has led it for `START_SECONDS`.
        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            node = self._leading_node(topic, partition)
            found = [broker for broker in self.brokers if broker.node == node and broker.is_running]
            if found:
                return found[0]
            time.sleep(0.05)
        raise TimeoutError(f"nobody leads {topic}/{partition}")

    def _leading_node(self, topic: str, partition: int) -> int | None:
        try:
            known = _admin(self.servers).list_topics(topic, timeout=ASK_SECONDS).topics[topic].partitions
        except KafkaException:
            return None
        return known[partition].leader if partition in known else None


@contextmanager
def kafka_cluster(
    directory: Path, brokers: int = 1, *, door: Door = NO_DOOR, properties: Mapping[str, str] | None = None
) -> Iterator[Cluster]:
    """A cluster of its own that answers, with its data below the directory; killed at the end of the block.

    Raises:
        Unavailable: this machine cannot run Kafka.
        NotStarted: the last of `STARTS` attempts failed.
    """
    cluster: Cluster | None = None
    try:
        for attempt in range(1, STARTS + 1):
            cluster = Cluster(directory / f"start-{attempt}", brokers, door=door, properties=properties)
            try:
                cluster.start()
                break
            except NotStarted:
                cluster.kill()
                if attempt == STARTS:
                    raise
        assert cluster is not None
        yield cluster
    finally:
        if cluster is not None:
            cluster.kill()


def takes_topics(servers: str) -> bool:
    """Whether a topic could be created at the brokers now."""
    return _could_create(_admin(servers), NewTopic("would-this-work", num_partitions=1, replication_factor=1))


def _could_create(admin: AdminClient, topic: NewTopic) -> bool:
    """Whether a topic would be created; the brokers check all of it and then leave it."""
    try:
        answers = admin.create_topics([topic], validate_only=True, request_timeout=ASK_SECONDS)
        for answer in answers.values():
            answer.result()
    except KafkaException:
        return False
    return True


def _admin(servers: str) -> AdminClient:
    # What it would print about brokers that are down is what the tests bring about.
    return AdminClient({"bootstrap.servers": servers, "log_level": 0})
