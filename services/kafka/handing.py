"""The Faust app that hands the records of the ledger's topic over; what Faust gets wrong is put right here.

It runs inside our own loop, without Faust's command line, web server, tables and topics of its own.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Final, Protocol

import faust
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.app.base import BootStrategy
from faust.auth import SASLCredentials, SSLCredentials
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP
from faust.types.auth import CredentialsT
from faust.types.transports import ConsumerT

from services.kafka.connection import METADATA_MS, REQUEST_MS, Names, client_options
from services.settings import Settings

FETCH_BYTES: Final = 4 * 1024 * 1024
"""What Kafka gives of a partition at once; a record that is larger comes alone."""
WAITING_RECORDS_MAX: Final = 64
"""How many records Faust holds for its agent before it stops fetching; each is a block of up to about 700 kB."""
NO_ENVIRONMENT: Final[Mapping[str, str]] = {}
"""Faust would let variables such as BROKER_URL or TOPIC_ALLOW_DECLARE overrule what it is told here."""
IDLE_SECONDS_MAX: Final = 24 * 3600.0
"""How long a member may not ask for records: while Redis is away none does, and nobody else could do more."""
COMMIT_SECONDS: Final = 2.0
RETRY_SECONDS: Final = 0.5
_log = logging.getLogger("revledger")


class Hands(Protocol):
    """Who takes the records; called in the loop of the app."""

    async def assigned(self, partitions: Iterable[int]) -> None:
        """These partitions, and no others, are ours from now on."""
        ...

    async def revoked(self, partitions: Iterable[int]) -> None:
        """These partitions may be another's as soon as this returns."""
        ...

    async def starts(self, partitions: Iterable[int]) -> Mapping[int, int]:
        """From which offset on each is to be handed over; one that is left out, from where the group committed."""
        ...

    async def take(self, message: Any, ack: Callable[[], object]) -> None:
        """Takes a record over; returns once it wants the next."""
        ...


class HandingApp(faust.App):
    """One agent on the ledger's topic; it is started by `start` and ended by `stop`."""

    def __init__(self, settings: Settings, hands: Hands, service: str = "projector") -> None:
        self.hands = hands
        names = Names(settings.prefix)
        super().__init__(names.group(service), env=NO_ENVIRONMENT, **_options(settings))
        topic = self.topic(names.ledger, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
        self.agent(topic, name=f"{names.ledger}.{service}", concurrency=1)(self._hand_over)
        self.on_partitions_assigned.connect(self._assigned)
        self.on_partitions_revoked.connect(self._revoked)

    async def _hand_over(self, stream: Any) -> None:
        # `noack_take` waits a fixed time for company even when one block comes alone. Whoever takes the events makes
        # batches of what waits, and acknowledges: nothing is acknowledged here, not even what raises.
        async for event in stream.noack().events():
            await self.hands.take(event.message, event.ack)

    async def _assigned(self, _app: Any, /, *given: Any, signal: Any, **_more: Any) -> None:  # noqa: ARG002
        await self.hands.assigned(sorted(place.partition for places in given for place in places))

    async def _revoked(self, _app: Any, /, *given: Any, signal: Any, **_more: Any) -> None:  # noqa: ARG002
        await self.hands.revoked(sorted(place.partition for places in given for place in places))

    def _new_transport(self) -> Transport:
        return _Transport(self.conf.broker_consumer, self)

    def _create_directories(self) -> None:
        """None is made: there is nothing to keep."""


class _OnlyConsumer(BootStrategy):
    enable_kafka_producer = False


HandingApp.BootStrategy = _OnlyConsumer


class _Thread(AIOKafkaConsumerThread):
    async def on_start(self) -> None:
        """Connects; Faust would end the process where Kafka has gone away since the topics were looked at."""
        is_told = False
        while True:
            try:
                await super().on_start()
            except KafkaConnectionError as error:
                if not is_told:
                    _log.warning("this service waits: Kafka does not answer (%s)", error)
                is_told = True
                await self._ensure_consumer().stop()
            else:
                return
            await self.sleep(RETRY_SECONDS)
            if self.should_stop:
                return

    async def on_thread_stop(self) -> None:
        """Stops the client; where no broker answers, aiokafka ends this with a cancellation that nobody asked for."""
        try:
            await super().on_thread_stop()
        except asyncio.CancelledError:
            await self._ensure_consumer()._client.close()  # noqa: SLF001


class _Consumer(Consumer):
    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Goes to where the views are; Faust comes here last after each assignment.

        A seek made any earlier, as in a handler of the assignment, is overwritten by this one.
        """
        places = {place.partition: place for place in self.assignment()}
        starts = await self.app.hands.starts(sorted(places))  # type: ignore[attr-defined]
        offsets = {places[partition]: offset for partition, offset in starts.items()}
        await self.seek_wait(offsets)
        return offsets

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Commits hints for whoever watches the group's lag; Faust would end the app where Kafka does not take them."""
        known = self.assignment()
        hints = {TopicPartition(*place): OffsetAndMetadata(at, "") for place, at in offsets.items() if place in known}
        return bool(await self._thread.call_thread(_is_committed, self._thread, hints))


async def _is_committed(thread: AIOKafkaConsumerThread, hints: Mapping[TopicPartition, OffsetAndMetadata]) -> bool:
    """Commits in the thread of the consumer; without the limit it would be tried for as long as Kafka is away."""
    try:
        async with asyncio.timeout(COMMIT_SECONDS):
            await thread._ensure_consumer().commit(hints)  # noqa: SLF001
    except (KafkaError, TimeoutError, ValueError):
        return False
    return True


class _Transport(Transport):
    Consumer: ClassVar[type[ConsumerT]] = _Consumer


def _options(settings: Settings) -> dict[str, Any]:
    """The settings of Faust, all that matter in words: its defaults are others."""
    return {
        "broker": [f"aiokafka://{server}" for server in settings.kafka.split(",")],
        "broker_credentials": _credentials(settings),
        "broker_client_id": settings.prefix,
        "broker_session_timeout": float(settings.session_seconds),
        "broker_heartbeat_interval": settings.session_seconds / 4,
        "broker_request_timeout": max(REQUEST_MS / 1_000, float(settings.session_seconds)),
        "broker_max_poll_interval": IDLE_SECONDS_MAX,
        "consumer_max_fetch_size": FETCH_BYTES,
        "consumer_auto_offset_reset": "earliest",
        "consumer_metadata_max_age_ms": METADATA_MS,
        "stream_buffer_maxsize": WAITING_RECORDS_MAX,
        "stream_wait_empty": False,
        "processing_guarantee": "at_least_once",
        "key_serializer": "raw",
        "value_serializer": "raw",
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "topic_partitions": settings.partitions,
        "topic_replication_factor": settings.replication,
        "table_standby_replicas": 0,  # otherwise Faust's own assignor, which is for tables
        "web_enabled": False,
        "autodiscover": False,
        "store": "memory://",
    }


def _credentials(settings: Settings) -> CredentialsT | None:
    """The same as in `client_options`, in Faust's words."""
    options = client_options(settings)
    tls = options.get("ssl_context")
    if "sasl_mechanism" in options:
        return SASLCredentials(
            username=options["sasl_plain_username"],
            password=options["sasl_plain_password"],
            mechanism=options["sasl_mechanism"],
            ssl_context=tls,
        )
    return None if tls is None else SSLCredentials(tls)
