"""Brokers: what is acknowledged outlives a kill, and three of them outlive the loss of a leader."""

from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.servers.brokers import takes_topics
from tests.servers.certificates import made_certificates
from tests.servers.doors import Door
from tests.servers.fixtures import StartKafka
from tests.servers.kafka import KAFKA, Kafka, shared_kafka
from tests.servers.needs import needing
from tests.servers.processes import NotStarted, free_port

SECONDS = 60.0


def make_topic(servers: str, name: str, copies: int) -> None:
    admin = AdminClient({"bootstrap.servers": servers})
    made = admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=copies)])
    made[name].result(SECONDS)


def produce(servers: str, topic: str, *values: bytes, **options: object) -> None:
    """Returns once all are acknowledged by the brokers in sync."""
    failed = []
    patience = {"acks": "all", "socket.timeout.ms": 3_000, "log_level": 0}  # with a broker that is paused
    producer = Producer({"bootstrap.servers": servers, **patience, **options})
    for value in values:
        producer.produce(topic, value, partition=0, on_delivery=lambda error, _: failed.append(error))
    assert producer.flush(SECONDS) == 0
    assert failed == [None] * len(values)


def consume(servers: str, topic: str, count: int) -> list[bytes]:
    """The first records of partition 0."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "-", "enable.auto.commit": False, "log_level": 0})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        return [value for record in consumer.consume(count, SECONDS) if (value := record.value()) is not None]
    finally:
        consumer.close()


def test_the_shared_broker_takes_topics_and_records(kafka: Kafka, prefix: str) -> None:
    make_topic(kafka.servers, prefix, copies=1)
    produce(kafka.servers, prefix, b"1", b"2")
    assert consume(kafka.servers, prefix, 2) == [b"1", b"2"]


def test_a_kafka_named_in_the_environment_is_used(kafka: Kafka) -> None:
    with shared_kafka({KAFKA: kafka.servers}) as named:
        assert named == kafka


def test_a_kafka_named_in_the_environment_must_answer() -> None:
    nobody = f"127.0.0.1:{free_port()}"
    with pytest.raises(NotStarted, match=f"{nobody}.*unset {KAFKA}"), shared_kafka({KAFKA: nobody}):
        pass


def test_a_killed_broker_comes_back_with_what_it_acknowledged(start_kafka: StartKafka, prefix: str) -> None:
    cluster = start_kafka()
    make_topic(cluster.servers, prefix, copies=1)
    produce(cluster.servers, prefix, b"1")
    cluster.brokers[0].kill()
    assert not takes_topics(cluster.servers)
    cluster.brokers[0].start()
    produce(cluster.servers, prefix, b"2")
    assert consume(cluster.servers, prefix, 2) == [b"1", b"2"]


def test_three_brokers_outlive_their_leader(start_kafka: StartKafka, prefix: str) -> None:
    cluster = start_kafka(brokers=3)
    make_topic(cluster.servers, prefix, copies=3)
    produce(cluster.servers, prefix, b"1")
    killed = cluster.leader(prefix, 0)
    killed.kill()
    produce(cluster.servers, prefix, b"2")
    assert cluster.leader(prefix, 0) is not killed
    killed.start()
    paused = cluster.leader(prefix, 0)
    paused.pause()
    produce(cluster.servers, prefix, b"3")
    paused.resume()
    assert consume(cluster.servers, prefix, 3) == [b"1", b"2", b"3"]


def test_the_door_asks_for_a_user_and_a_certificate(start_kafka: StartKafka, tmp_path: Path, prefix: str) -> None:
    with needing("kafka"):
        certificates = made_certificates(tmp_path / "certificates")
    door = Door("SASL_SSL", {"ann": "secret"}, certificates, client_certificates=True)
    cluster = start_kafka(door=door)
    make_topic(cluster.servers, prefix, copies=1)
    known = {
        "security.protocol": "sasl_ssl",
        "ssl.ca.location": str(certificates.authority),
        "ssl.certificate.location": str(certificates.certificate),
        "ssl.key.location": str(certificates.key),
        "sasl.username": "ann",
        "sasl.password": "secret",
    }
    for mechanism in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
        produce(cluster.door_servers, prefix, mechanism.encode(), **known, **{"sasl.mechanism": mechanism})
    assert len(consume(cluster.servers, prefix, 3)) == 3

    for wrong in ({"sasl.password": "guess"}, {"ssl.certificate.location": "", "ssl.key.location": ""}):
        stranger = Producer(
            {**known, **wrong, "bootstrap.servers": cluster.door_servers, "sasl.mechanism": "PLAIN", "log_level": 0}
        )
        stranger.produce(prefix, b"mine", partition=0)
        assert stranger.flush(2.0) == 1, "it was let in"
        stranger.purge()
