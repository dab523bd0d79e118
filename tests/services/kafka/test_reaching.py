"""Whoever is not let in learns why: the password, the certificate, the protocol, or that nobody is there."""

import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack

import pytest

from services import distributed as composition
from services.kafka.reaching import KafkaAway, KafkaRefuses, kafka_admin, require_kafka
from services.ledgers.port import LedgerUnavailable
from tests.servers.kafka import Kafka
from tests.servers.needs import kafka_tests
from tests.servers.processes import free_port
from tests.services.kafka.conftest import PASSWORDS, Guarded, secured
from tests.services.kafka.topics import distributed
from tests.services.running import asynchronous

ANN = {"kafka_user": "ann", "kafka_password": PASSWORDS["ann"], "kafka_sasl": "plain"}


async def refusal(
    kafka: Kafka, secrets: Mapping[str, str], kind: type[LedgerUnavailable] = KafkaRefuses
) -> str:
    """What is said about not being let in; never a password."""
    with pytest.raises(kind) as caught:
        await require_kafka(secured(kafka, "x", secrets))
    assert not any(password in str(caught.value) for password in (*PASSWORDS.values(), "wr0ng"))
    return str(caught.value)


@kafka_tests
@asynchronous
async def test_a_wrong_password_is_told(by_password: Guarded) -> None:
    for mechanism in ("plain", "scram-sha-256", "scram-sha-512"):
        for user in ("ann", "nobody"):
            login = {"kafka_user": user, "kafka_password": "wr0ng", "kafka_sasl": mechanism}
            said = await refusal(by_password.door, {**login, "kafka_security": "sasl_plaintext"})
            assert said.startswith(f"Kafka does not let us in. {by_password.door.servers}: it does not accept ")
            assert f"the password of user '{user}' by {mechanism}." in said
            assert "REVLEDGER_KAFKA_PASSWORD" in said


@kafka_tests
@asynchronous
async def test_who_waits_for_the_ledger_is_told_and_ends(by_password: Guarded) -> None:
    wrong = {**ANN, "kafka_password": "wr0ng", "kafka_security": "sasl_plaintext"}
    settings = secured(by_password.door, "x", wrong)
    with pytest.raises(KafkaRefuses, match="the password of user 'ann'"):
        await composition.begun(settings)  # a projector
    async with AsyncExitStack() as stack:
        with pytest.raises(KafkaRefuses, match="the password of user 'ann'"):
            await composition.patiently(lambda: stack.enter_async_context(composition.gateway(settings)))


@kafka_tests
@asynchronous
async def test_an_untrusted_certificate_is_told(by_both: Guarded) -> None:
    trusted, unknown = by_both.certificates.authority, by_both.strangers.authority
    for authority in ({}, {"kafka_ca": str(unknown)}):
        said = await refusal(by_both.door, {**ANN, **authority, "kafka_security": "sasl_ssl"})
        assert "its certificate is not trusted" in said
        assert "REVLEDGER_KAFKA_CA" in said
    wrong = {**ANN, "kafka_password": "wr0ng", "kafka_ca": str(trusted), "kafka_security": "sasl_ssl"}
    assert "does not accept the password" in await refusal(by_both.door, wrong)


@kafka_tests
@asynchronous
async def test_a_client_without_the_right_certificate_is_turned_away(by_certificate: Guarded) -> None:
    ssl = {"kafka_security": "ssl", "kafka_ca": str(by_certificate.certificates.authority)}
    strangers = by_certificate.strangers
    pair = {"kafka_cert": str(strangers.certificate), "kafka_key": str(strangers.key)}
    for secrets in (ssl, {**ssl, **pair}):
        assert "REVLEDGER_KAFKA_CERT" in await refusal(by_certificate.door, secrets, LedgerUnavailable)


@kafka_tests
@asynchronous
async def test_the_wrong_port_for_a_protocol_is_told(by_both: Guarded) -> None:
    plain, door = Kafka(by_both.cluster.servers), by_both.door
    ca = {"kafka_ca": str(by_both.certificates.authority)}
    for kafka, secrets in [
        (door, {"kafka_security": "plaintext"}),
        (door, {"kafka_security": "sasl_plaintext", **ANN}),
        (door, {"kafka_security": "ssl", **ca}),
        (plain, {"kafka_security": "sasl_plaintext", **ANN}),
        (plain, {"kafka_security": "ssl", **ca}),
    ]:
        said = await refusal(kafka, secrets, LedgerUnavailable)
        assert f"it ends the connection when spoken to as {secrets['kafka_security']}" in said, secrets
        assert "REVLEDGER_KAFKA_SECURITY" in said


@asynchronous
async def test_nobody_there_is_told_server_by_server() -> None:
    closed = f"127.0.0.1:{free_port()}"
    with pytest.raises(KafkaAway) as caught:
        await require_kafka(distributed(Kafka(f"{closed},nowhere.invalid:9092"), prefix="x"))
    said = str(caught.value)
    assert f"{closed}: " in said
    assert "nowhere.invalid:9092: nobody knows this name" in said
    assert "can be reached at REVLEDGER_KAFKA" in said


@asynchronous
async def test_a_server_that_says_nothing_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.kafka.reaching.CONNECT_MS", 200)

    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(KafkaAway, match="no answer within"):
            await require_kafka(distributed(Kafka(address), prefix="x"))


@asynchronous
async def test_one_server_of_several_is_enough(kafka: Kafka) -> None:
    await require_kafka(distributed(Kafka(f"127.0.0.1:{free_port()},{kafka.servers}"), prefix="x"))


@asynchronous
async def test_the_admin_tells_when_kafka_goes_away(kafka: Kafka) -> None:
    settings = distributed(kafka, prefix="x")
    async with kafka_admin(settings) as admin:
        assert (await admin.describe_cluster())["brokers"]
    with pytest.raises(KafkaAway, match="advertised"):
        async with kafka_admin(settings):
            raise ConnectionResetError("gone")
