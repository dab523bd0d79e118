"""The Faust app: as whom it comes, and that nothing but our settings tells it what to do."""

from typing import Any

import pytest
from faust.auth import SASLCredentials, SSLCredentials

from services.kafka.handing import HandingApp
from tests.servers.kafka import Kafka
from tests.servers.needs import kafka_tests
from tests.servers.redis import SharedRedis
from tests.services.kafka.conftest import PASSWORDS, Guarded
from tests.services.kafka.projected import projecting, written
from tests.services.kafka.topics import distributed
from tests.services.running import asynchronous

SOMEWHERE = Kafka("kafka-1:9092,kafka-2:9093")


def options_of(**more: str) -> Any:
    """The configuration of the app under some settings."""
    hands: Any = None
    return HandingApp(distributed(SOMEWHERE, prefix="books", partitions=8, **more), hands).conf


def test_names_and_limits_are_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_URL", "kafka://elsewhere:1")
    monkeypatch.setenv("TOPIC_ALLOW_DECLARE", "1")
    conf = options_of(session_seconds="20")
    assert conf.id == "books-projector"
    assert [(url.host, url.port) for url in conf.broker_consumer] == [("kafka-1", 9092), ("kafka-2", 9093)]
    assert (conf.broker_session_timeout, conf.broker_heartbeat_interval) == (20.0, 5.0)
    assert conf.broker_request_timeout >= conf.broker_session_timeout, "Faust would refuse to start"
    assert not conf.topic_allow_declare
    assert not conf.web_enabled
    assert conf.broker_credentials is None


def test_credentials_are_those_of_the_settings() -> None:
    ann = {"kafka_user": "ann", "kafka_password": "x"}
    scram = options_of(kafka_security="sasl_plaintext", kafka_sasl="scram-sha-512", **ann)
    assert isinstance(scram.broker_credentials, SASLCredentials)
    assert scram.broker_credentials.protocol.value == "SASL_PLAINTEXT"
    assert scram.broker_credentials.mechanism.value == "SCRAM-SHA-512"
    assert (scram.broker_credentials.username, scram.broker_credentials.password) == ("ann", "x")
    both = options_of(kafka_security="sasl_ssl", **ann)
    assert both.broker_credentials.protocol.value == "SASL_SSL"
    tls = options_of(kafka_security="ssl")
    assert isinstance(tls.broker_credentials, SSLCredentials)
    assert tls.broker_credentials.context.check_hostname


@kafka_tests
@asynchronous
async def test_it_comes_in_by_password_inside_tls(by_both: Guarded, redis_server: SharedRedis, prefix: str) -> None:
    settings = distributed(
        by_both.door,
        prefix=prefix,
        redis=redis_server.url,
        kafka_security="sasl_ssl",
        kafka_sasl="scram-sha-256",
        kafka_user="ann",
        kafka_password=PASSWORDS["ann"],
        kafka_ca=str(by_both.certificates.authority),
    )
    async with written(settings) as books:
        await books.write(3)
        async with projecting(settings):
            await books.check()
