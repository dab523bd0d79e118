"""The topic of alerts: made if it is missing, and a sink like any other."""

from typing import Any, Final

from aiokafka.admin import NewTopic
from aiokafka.errors import NoError, TopicAlreadyExistsError, for_code

from events.envelope import STRUCTURED
from events.partitions import partition_of
from projections.alerts import Message
from services.alerts.sending.attempts import SinkAway
from services.kafka.connection import Names
from services.kafka.producing import Producer, Record
from services.kafka.reaching import KafkaAway, kafka_admin
from services.ledgers.port import LedgerUnavailable
from services.settings import Settings

KEPT_DAYS: Final = 30
"""How long a new topic keeps alerts."""
_HEADERS: Final = (("content-type", STRUCTURED.encode()),)


class AlertTopic:
    """Sends alerts to the topic, in structured mode; the key is the subject, so an account has one partition."""

    def __init__(self, settings: Settings) -> None:
        self._topic = Names(settings.prefix).alerts
        self._producer = Producer(settings)
        self._partitions = 0

    async def send(self, message: Message, now_seconds: int) -> None:  # noqa: ARG002 - Kafka has a clock of its own
        """Sends a message; raises SinkAway."""
        key = message.subject.encode()
        try:
            self._partitions = self._partitions or await self._producer.partitions_of(self._topic)
            place = partition_of(message.subject, self._partitions)
            await self._producer.send([Record(self._topic, place, key, message.body, _HEADERS)])
        except LedgerUnavailable as error:
            raise SinkAway(error.problem) from error

    async def close(self) -> None:
        """Lets go of the connection."""
        await self._producer.close()


async def ensure_alert_topic(settings: Settings) -> None:
    """Makes the topic if it is missing, with as many partitions as the settings say. Raises KafkaAway, KafkaRefuses."""
    name = Names(settings.prefix).alerts
    properties = {"retention.ms": str(KEPT_DAYS * 24 * 3_600_000), "min.insync.replicas": str(settings.min_isr)}
    async with kafka_admin(settings) as admin:
        if any(topic["topic"] == name for topic in await admin.describe_topics()):
            return
        new = NewTopic(name, settings.partitions, settings.replication, topic_configs=properties)
        answer: Any = await admin.create_topics([new])
    for _, code, said in answer.topic_errors:
        error = for_code(code)
        if error not in {NoError, TopicAlreadyExistsError}:
            raise KafkaAway(f"Kafka did not make {name} ({said or error.message}).", "Make it, or leave out the sink.")
