"""Brokers that ask who comes, one for each kind of door; they serve all tests of this folder."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from msgspec import Struct

from services.kafka.topics import ensure_topics
from services.settings import Settings, settings_from
from tests.servers.brokers import Cluster, kafka_cluster
from tests.servers.certificates import Certificates, made_certificates
from tests.servers.doors import Door
from tests.servers.kafka import Kafka
from tests.servers.needs import needing
from tests.services.kafka.topics import distributed, environment
from tests.services.kafka.writers import Prepare

PASSWORDS = {"ann": "s3cret-of-ann", "bob": "s3cret-of-bob"}
"""Who may come in by SASL: ann may do all, bob nothing."""
_RIGHTS = {
    "auto.create.topics.enable": "true",  # as Kafka has it by default
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS;User:ann",
}


def secured(kafka: Kafka, prefix: str, secrets: Mapping[str, str]) -> Settings:
    """Settings of the distributed form with what shows who we are; names as fields of the settings."""
    given = {f"REVLEDGER_{name.upper()}": text for name, text in secrets.items()}
    return settings_from(environment(kafka, prefix=prefix) | given)


class Guarded(Struct, frozen=True):
    """A broker with a door; `strangers` are certificates of another authority than that of the door."""

    cluster: Cluster
    certificates: Certificates
    strangers: Certificates

    @property
    def door(self) -> Kafka:
        """The way in by the door."""
        return Kafka(self.cluster.door_servers)


@pytest.fixture(scope="session")
def by_password(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """SASL without TLS, and rights; it makes topics that are asked for by name."""
    yield from _guarded(tmp_path_factory.mktemp("sasl"), "SASL_PLAINTEXT", _RIGHTS)


@pytest.fixture(scope="session")
def by_certificate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """TLS in both directions."""
    yield from _guarded(tmp_path_factory.mktemp("tls"), "SSL", {})


@pytest.fixture(scope="session")
def by_both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """SASL inside TLS."""
    yield from _guarded(tmp_path_factory.mktemp("both"), "SASL_SSL", {})


def _guarded(directory: Path, protocol: str, properties: dict[str, str]) -> Iterator[Guarded]:
    with needing("kafka"):
        own, strangers = made_certificates(directory / "own"), made_certificates(directory / "strangers")
        users = PASSWORDS if "SASL" in protocol else {}
        tls = own if protocol.endswith("SSL") else None
        door = Door(protocol, users, tls, client_certificates=protocol == "SSL")
        running = kafka_cluster(directory / "kafka", door=door, properties=properties)
        cluster = running.__enter__()
    try:
        yield Guarded(cluster, own, strangers)
    finally:
        running.__exit__(None, None, None)


@pytest.fixture
def prepare(kafka: Kafka, prefix: str, tmp_path: Path) -> Prepare:
    """Topics that exist, and the settings of a writer; `data` names its directory, one for each writer."""

    async def prepared(partitions: int = 1, data: str = "one", **more: str) -> Settings:
        (tmp_path / data).mkdir(exist_ok=True)
        place = str(tmp_path / data)
        settings = distributed(kafka, prefix=prefix, partitions=partitions, data=place, session_seconds="2", **more)
        await ensure_topics(settings)
        return settings

    return prepared
