"""One record in and out by every way of showing who we are, on real brokers; and options that cannot be."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from services.kafka.connection import (
    BATCH_BYTES,
    RECORD_BYTES_MAX,
    Names,
    client_options,
    producer_options,
    started,
    stopped,
)
from services.kafka.topics import ensure_topics
from services.settings import Settings, SettingsError
from tests.servers.certificates import made_certificates
from tests.servers.kafka import Kafka
from tests.servers.needs import kafka_tests
from tests.services.kafka.conftest import PASSWORDS, Guarded, secured
from tests.services.kafka.topics import distributed, made_topics
from tests.services.running import asynchronous

ANN = {"kafka_user": "ann", "kafka_password": PASSWORDS["ann"]}


async def there_and_back(settings: Settings) -> None:
    """A record is acknowledged by Kafka, and read from it."""
    await ensure_topics(settings)
    topic = Names(settings.prefix).events
    async with AIOKafkaProducer(**producer_options(settings)) as producer:
        sent = await producer.send_and_wait(topic, b"hello", partition=0)
    options = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    async with AIOKafkaConsumer(topic, **client_options(settings), **options) as consumer:
        record = await consumer.getone()
    assert (record.value, record.offset) == (b"hello", sent.offset)


@kafka_tests
def test_a_connection_that_broke_a_moment_ago_is_a_failure_of_kafka(kafka: Kafka) -> None:
    """And none of ours, which would end the process: whatever is not Kafka's is not tried again."""

    async def broken() -> None:
        host, port = kafka.servers.split(",")[0].split(":")
        connection = await create_conn(host, int(port))
        connection._writer.transport.abort()
        await asyncio.sleep(0)
        with pytest.raises(KafkaConnectionError):
            await connection.send(MetadataRequest([]))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(broken())


@kafka_tests
@pytest.mark.parametrize("mechanism", ["plain", "scram-sha-256", "scram-sha-512"])
def test_a_record_by_password(mechanism: str, by_password: Guarded, prefix: str) -> None:
    more = {**ANN, "kafka_security": "sasl_plaintext", "kafka_sasl": mechanism}
    asynchronous(there_and_back)(secured(by_password.door, prefix, more))


@kafka_tests
@pytest.mark.parametrize("mechanism", ["plain", "scram-sha-512"])
def test_a_record_by_password_inside_tls(mechanism: str, by_both: Guarded, prefix: str) -> None:
    authority = str(by_both.certificates.authority)
    more = {**ANN, "kafka_security": "sasl_ssl", "kafka_sasl": mechanism, "kafka_ca": authority}
    asynchronous(there_and_back)(secured(by_both.door, prefix, more))


@kafka_tests
def test_a_record_by_certificate(by_certificate: Guarded, prefix: str) -> None:
    files = by_certificate.certificates
    more = {"kafka_ca": str(files.authority), "kafka_cert": str(files.certificate), "kafka_key": str(files.key)}
    asynchronous(there_and_back)(secured(by_certificate.door, prefix, {**more, "kafka_security": "ssl"}))


def test_a_file_without_certificates_is_named(tmp_path: Path) -> None:
    files = made_certificates(tmp_path)
    (tmp_path / "empty.pem").write_text("no certificate")
    empty, certificate, key = str(tmp_path / "empty.pem"), str(files.certificate), str(files.key)
    wrong = [
        ({"kafka_ca": empty}, "REVLEDGER_KAFKA_CA=.*holds no certificate"),
        ({"kafka_cert": empty, "kafka_key": key}, "REVLEDGER_KAFKA_CERT=.* are not a certificate and its key"),
        ({"kafka_cert": certificate, "kafka_key": empty}, "REVLEDGER_KAFKA_KEY=.* are not a certificate and its key"),
        ({"kafka_cert": str(files.authority), "kafka_key": key}, "name a pair"),
    ]
    for more, words in wrong:
        with pytest.raises(SettingsError, match=words):
            client_options(secured(Kafka("127.0.0.1:1"), "x", {**more, "kafka_security": "ssl"}))


def test_options_say_where_to_and_as_whom_and_no_more() -> None:
    settings = distributed(Kafka("a:1,b:2"), prefix="books")
    assert client_options(settings) == {
        "bootstrap_servers": ["a:1", "b:2"],
        "security_protocol": "PLAINTEXT",
        "client_id": "books",
    }
    options = producer_options(settings)
    assert (options["acks"], options["enable_idempotence"]) == ("all", True)
    assert options["max_request_size"] == RECORD_BYTES_MAX
    assert options["max_batch_size"] == BATCH_BYTES


def test_names_begin_with_the_prefix() -> None:
    names = Names("books")
    assert (names.events, names.ledger, names.dead_letters) == ("books.events", "books.ledger", "books.dead-letters")
    assert (names.source(3), names.group("writer")) == ("books.events/3", "books-writer")


@asynchronous
async def test_a_stop_that_cancels_itself_is_contained_and_leaves_nothing_open(kafka: Kafka, prefix: str) -> None:
    settings = distributed(kafka, prefix=prefix)
    await made_topics(settings)
    consumer = AIOKafkaConsumer(Names(prefix).events, **client_options(settings))
    await consumer.start()
    unanswered = asyncio.create_task(asyncio.Event().wait())
    consumer._fetcher._pending_tasks.add(unanswered)
    await stopped(consumer)
    assert unanswered.cancelled()
    assert not any(connection.connected() for connection in consumer._client._conns.values())


@asynchronous
async def test_a_start_that_is_cut_off_leaves_nothing_open(
    kafka: Kafka, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off once it is connected, before it knows of any broker."""
    made: list[AIOKafkaConnection] = []
    connected = asyncio.Event()

    async def seen(*place: Any, **options: Any) -> AIOKafkaConnection:
        made.append(await create_conn(*place, **options))
        connected.set()
        return made[-1]

    monkeypatch.setattr("aiokafka.client.create_conn", seen)
    consumer = AIOKafkaConsumer(**client_options(distributed(kafka, prefix=prefix)))
    starting = asyncio.create_task(started(consumer))
    await connected.wait()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await stopped(consumer)
    assert made
    assert not any(connection.connected() for connection in made)
