"""A ledger of its own on the shared broker: settings with a prefix nobody else has, and the topics."""

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from services.kafka.connection import RECORD_BYTES_MAX, Names, client_options
from services.settings import Settings, settings_from
from tests.servers.kafka import Kafka

NOWHERE = "redis://127.0.0.1:1/0"
"""For tests that need no views."""


def distributed(kafka: Kafka, *, prefix: str, partitions: int = 1, redis: str = NOWHERE, **more: str) -> Settings:
    """Settings of the distributed form on one broker."""
    return settings_from(environment(kafka, prefix=prefix, partitions=partitions, redis=redis, **more))


def environment(kafka: Kafka, *, prefix: str, partitions: int = 1, redis: str = NOWHERE, **more: str) -> dict[str, str]:
    """The same as variables; `more` without `REVLEDGER_`."""
    return {
        "REVLEDGER_KAFKA": kafka.servers,
        "REVLEDGER_REDIS": redis,
        "REVLEDGER_PREFIX": prefix,
        "REVLEDGER_PARTITIONS": str(partitions),
        "REVLEDGER_REPLICATION": "1",
        "REVLEDGER_MIN_ISR": "1",
        **{f"REVLEDGER_{name.upper()}": text for name, text in more.items()},
    }


async def made_topics(settings: Settings) -> None:
    """The topics, made bare; a second call finds them there."""
    names = Names(settings.prefix)
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        large = {"max.message.bytes": str(RECORD_BYTES_MAX)}
        partitions, replication = settings.partitions, settings.replication
        topics = [NewTopic(name, partitions, replication, topic_configs=large) for name in (names.events, names.ledger)]
        await admin.create_topics([*topics, NewTopic(names.dead_letters, 1, replication, topic_configs=large)])
    finally:
        await admin.close()
