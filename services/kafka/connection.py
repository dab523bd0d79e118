"""The way to Kafka: names of topics and groups, the options every client connects with, and how it ends."""

import asyncio
import ssl
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError
from msgspec import Struct

from services.settings import Settings, SettingsError

RECORD_BYTES_MAX: Final = 32 * 1024 * 1024
"""The largest record: a block with one event, and its postings, of the largest kind must fit."""
REQUEST_MS: Final = 10_000
"""How long a request may take, retries included, before the caller is told."""
BATCH_BYTES: Final = 256 * 1024
"""How much a producer sends to a partition at once: with aiokafka's 16 kB thousands of events take as many trips."""
CUT_OFF_SECONDS: Final = 2.0
"""How long a start that nobody waits for any more may take to end by itself."""
METADATA_MS: Final = 5_000
"""How often a member of a group looks which partitions there are.

A broker that has just started may not know them yet when a group shares them out; until the next look all have none.
"""


_sent: Final = AIOKafkaConnection.send


def _send(connection: AIOKafkaConnection, *arguments: Any, **named: Any) -> Any:
    """The one of aiokafka, which knows only OSError for a connection that has just broken; uvloop says RuntimeError."""
    try:
        return _sent(connection, *arguments, **named)
    except RuntimeError as error:
        connection.close(reason=CloseReason.CONNECTION_BROKEN)
        raise KafkaConnectionError(f"the connection is broken: {error}") from error


AIOKafkaConnection.send = _send


class Names(Struct, frozen=True):
    """What is called how in one cluster; `prefix` keeps ledgers apart."""

    prefix: str

    @property
    def events(self) -> str:
        """The topic that events come in by; the key is the account."""
        return f"{self.prefix}.events"

    @property
    def ledger(self) -> str:
        """The topic of blocks."""
        return f"{self.prefix}.ledger"

    @property
    def dead_letters(self) -> str:
        """The topic of what was refused."""
        return f"{self.prefix}.dead-letters"

    @property
    def alerts(self) -> str:
        """The topic of alerts."""
        return f"{self.prefix}.alerts"

    def source(self, partition: int) -> str:
        """What a block calls a partition of the events topic."""
        return f"{self.events}/{partition}"

    def group(self, service: str) -> str:
        """The consumer group of a service."""
        return f"{self.prefix}-{service}"


def client_options(settings: Settings) -> dict[str, Any]:
    """What every aiokafka client is made with: where to, and as whom.

    Raises:
        SettingsError: a file of certificates or keys holds none.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka.split(","),
        "security_protocol": settings.kafka_security.upper(),
        "client_id": settings.prefix,
    }
    if settings.kafka_security.endswith("ssl"):
        options["ssl_context"] = _tls(settings)
    if settings.kafka_security.startswith("sasl"):
        options["sasl_mechanism"] = settings.kafka_sasl.upper()
        options["sasl_plain_username"] = settings.kafka_user
        options["sasl_plain_password"] = settings.kafka_password
    return options


def _tls(settings: Settings) -> ssl.SSLContext:
    """Servers are always checked: their certificate and their name in it."""
    try:
        context = ssl.create_default_context(cafile=settings.kafka_ca)
    except (ssl.SSLError, OSError) as error:
        problem = f"REVLEDGER_KAFKA_CA={settings.kafka_ca} holds no certificate in PEM format: name one that does"
        raise SettingsError([problem]) from error
    if settings.kafka_cert is not None:
        try:
            context.load_cert_chain(settings.kafka_cert, settings.kafka_key, password="")
        except (ssl.SSLError, OSError) as error:
            problem = (
                f"REVLEDGER_KAFKA_CERT={settings.kafka_cert} and REVLEDGER_KAFKA_KEY={settings.kafka_key} are not a"
                " certificate and its key without a passphrase, in PEM format: name a pair"
            )
            raise SettingsError([problem]) from error
    return context


def producer_options(settings: Settings) -> dict[str, Any]:
    """What a producer is made with: nothing is acknowledged before it is on enough brokers."""
    return {
        **client_options(settings),
        "acks": "all",
        "enable_idempotence": True,
        "max_request_size": RECORD_BYTES_MAX,
        "max_batch_size": BATCH_BYTES,
        "request_timeout_ms": REQUEST_MS,
    }


async def started(client: Any) -> None:
    """Starts a client, which is to be stopped also where this is cut off. Raises its errors.

    A start that is cancelled between its first connection and the next forgets the first, which nobody can close then:
    so whoever cuts it off waits until it is over.
    """
    starting = asyncio.ensure_future(client.start())
    try:
        await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait([starting], timeout=CUT_OFF_SECONDS)
        starting.cancel()
        await asyncio.wait([starting])
        if not starting.cancelled():
            starting.exception()
        raise


async def stopped(client: Any, starting: asyncio.Future[None] | None = None) -> None:
    """Stops a client once its start is over: a start that is cut off leaves its connection open for good."""
    if starting is not None:
        await asyncio.wait([starting])
        if not starting.cancelled():
            starting.exception()
    # A consumer cancels fetches that no broker answers, waits for them, and so is cancelled itself, before it has let
    # go of its connections. In a task of its own that goes no further, and hides no error that is on its way.
    stopping = asyncio.ensure_future(client.stop())
    await asyncio.wait([stopping])
    if not stopping.cancelled():
        stopping.result()
    elif isinstance(client, AIOKafkaConsumer):
        await client._client.close()  # noqa: SLF001
