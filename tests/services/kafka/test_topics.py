"""Topics are made as the books need them, left as they are, and refused with every problem and its remedy."""

import asyncio
from collections.abc import Mapping

import pytest
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from services.kafka.connection import RECORD_BYTES_MAX, Names
from services.kafka.reaching import KafkaAway, KafkaRefuses, kafka_admin
from services.kafka.topics import EVENT_RECORD_BYTES_MIN, OPERATIONS, TopicsWrong, ensure_topics, rules
from services.settings import Settings
from tests.servers.kafka import Kafka
from tests.servers.needs import kafka_tests
from tests.servers.processes import free_port
from tests.services.kafka.conftest import PASSWORDS, Guarded, secured
from tests.services.kafka.topics import distributed
from tests.services.running import asynchronous

NOTHING: Mapping[str, str] = {}
MADE = {
    "cleanup.policy": "delete",
    "unclean.leader.election.enable": "false",
    "min.insync.replicas": "1",
}
# Topic -> a property with a value that will not do -> what it must be.
WRONG = [
    ("events", "cleanup.policy", "compact", "delete"),
    ("events", "cleanup.policy", "compact,delete", "delete"),
    ("ledger", "cleanup.policy", "compact", "delete"),
    ("dead-letters", "cleanup.policy", "compact", "delete"),
    ("events", "unclean.leader.election.enable", "true", "false"),
    ("ledger", "unclean.leader.election.enable", "true", "false"),
    ("ledger", "retention.ms", "604800000", "-1"),
    ("ledger", "retention.bytes", "1073741824", "-1"),
    ("ledger", "max.message.bytes", "1048588", "at least 33554432"),
    ("dead-letters", "max.message.bytes", "1048588", "at least 33554432"),
    ("events", "max.message.bytes", "1000000", "at least 1048576"),
]


async def properties(settings: Settings, topic: str) -> dict[str, str]:
    """What Kafka says of a topic."""
    async with kafka_admin(settings) as admin:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    return {entry[0]: entry[1] for entry in answer.resources[0][4]}


async def counts(settings: Settings) -> list[int]:
    """The partitions of events, ledger and dead letters; 0 of those that are not there."""
    names = Names(settings.prefix)
    async with kafka_admin(settings) as admin:
        found = {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}
    return [found.get(name, 0) for name in (names.events, names.ledger, names.dead_letters)]


async def make(settings: Settings, topic: str, partitions: int = 1, changed: Mapping[str, str] = NOTHING) -> None:
    """A topic somebody else made: as it should be but for what is changed."""
    name = f"{settings.prefix}.{topic}"
    good = {rule.name: rule.value for rule in rules(settings)[name]}
    async with kafka_admin(settings) as admin:
        answer = await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=good | dict(changed))])
    assert [code for _, code, _ in answer.topic_errors] == [0]


async def problems(settings: Settings) -> list[str]:
    with pytest.raises(TopicsWrong) as caught:
        await ensure_topics(settings)
    assert str(caught.value).splitlines() == caught.value.problems
    return caught.value.problems


@asynchronous
async def test_missing_topics_are_made_as_the_books_need_them(kafka: Kafka, prefix: str) -> None:
    settings = distributed(kafka, prefix=prefix, partitions=3)
    assert await ensure_topics(settings) == 3
    assert await counts(settings) == [3, 3, 1]
    ledger, events = await properties(settings, f"{prefix}.ledger"), await properties(settings, f"{prefix}.events")
    letters = await properties(settings, f"{prefix}.dead-letters")
    for_ever, large = {"retention.ms": "-1", "retention.bytes": "-1"}, {"max.message.bytes": str(RECORD_BYTES_MAX)}
    assert_has(ledger, {**MADE, **for_ever, **large})
    assert_has(letters, {**MADE, **for_ever, **large})
    month = {"retention.ms": str(30 * 24 * 3_600_000), "max.message.bytes": str(EVENT_RECORD_BYTES_MIN)}
    assert_has(events, {**MADE, **month})


def assert_has(found: Mapping[str, str], expected: Mapping[str, str]) -> None:
    assert {name: found[name] for name in expected} == expected


@asynchronous
async def test_topics_that_are_there_are_left_as_they_are(kafka: Kafka, prefix: str) -> None:
    settings = distributed(kafka, prefix=prefix, partitions=2)
    await make(settings, "events", 2, {"retention.ms": "60000", "max.message.bytes": "5000000"})
    assert await ensure_topics(settings) == 2
    assert await ensure_topics(distributed(kafka, prefix=prefix, partitions=5)) == 2
    assert await counts(settings) == [2, 2, 1]
    assert_has(
        await properties(settings, f"{prefix}.events"), {"retention.ms": "60000", "max.message.bytes": "5000000"}
    )


@asynchronous
async def test_a_topic_is_made_with_as_many_partitions_as_the_other_has(kafka: Kafka, prefix: str) -> None:
    for topic in ("events", "ledger"):
        settings = distributed(kafka, prefix=f"{prefix}-{topic}", partitions=5)
        await make(settings, topic, 3)
        assert await ensure_topics(settings) == 3
        assert await counts(settings) == [3, 3, 1]


@asynchronous
async def test_several_services_may_start_at_once(kafka: Kafka, prefix: str) -> None:
    settings = distributed(kafka, prefix=prefix, partitions=4)
    assert await asyncio.gather(*(ensure_topics(settings) for _ in range(5))) == [4] * 5
    assert await counts(settings) == [4, 4, 1]


@asynchronous
async def test_what_will_not_do_is_told_with_its_remedy(kafka: Kafka, prefix: str) -> None:
    for number, (topic, name, value, needed) in enumerate(WRONG):
        settings = distributed(kafka, prefix=f"{prefix}-{number}")
        await make(settings, topic, changed={name: value})
        (problem,) = await problems(settings)
        full = f"{settings.prefix}.{topic}"
        assert problem.startswith(f"{full}: {name} is {value}, must be {needed}: ")
        suits = needed.removeprefix("at least ")
        assert problem.endswith(
            f" Run: kafka-configs.sh --bootstrap-server {kafka.servers} --alter --entity-type topics"
            f" --entity-name {full} --add-config {name}={suits}"
        )


@asynchronous
async def test_all_problems_are_told_at_once(kafka: Kafka, prefix: str) -> None:
    lax = distributed(kafka, prefix=prefix)
    await make(lax, "events", 2, {"cleanup.policy": "compact"})
    await make(lax, "ledger", 3, {"retention.ms": "1000"})
    strict = distributed(kafka, prefix=prefix, replication="3", min_isr="2")
    await make(lax, "dead-letters")
    found = await problems(strict)
    for words in (
        f"{prefix}.events: partitions is 2, must be 3",
        f"--alter --topic {prefix}.events --partitions 3",
        f"{prefix}.events: cleanup.policy is compact, must be delete",
        f"{prefix}.ledger: retention.ms is 1000, must be -1",
        f"{prefix}.ledger: min.insync.replicas is 1, must be at least 2",
        f"{prefix}.dead-letters: the replication factor is 1, must be at least 3",
        "kafka-reassign-partitions.sh",
    ):
        assert any(words in problem for problem in found), (words, found)
    assert len(found) == 9


@asynchronous
async def test_too_many_partitions_of_events_cannot_be_mended_by_the_ledger(kafka: Kafka, prefix: str) -> None:
    settings = distributed(kafka, prefix=prefix)
    await make(settings, "events", 4)
    await make(settings, "ledger", 2)
    (problem,) = await problems(settings)
    assert f"{prefix}.events: partitions is 4, must be 2 as of {prefix}.ledger." in problem
    assert problem.endswith(f"--delete --topic {prefix}.events")


@asynchronous
async def test_more_copies_in_sync_than_there_are_is_refused(kafka: Kafka, prefix: str) -> None:
    settings = distributed(kafka, prefix=prefix)
    await make(settings, "ledger", changed={"min.insync.replicas": "2"})
    (problem,) = await problems(settings)
    assert "min.insync.replicas is 2, must be at most its replication factor 1" in problem


@asynchronous
async def test_too_few_brokers_are_told(kafka: Kafka, prefix: str) -> None:
    found = await problems(distributed(kafka, prefix=prefix, replication="99"))
    assert len(found) == 3
    assert all("cannot be made with REVLEDGER_REPLICATION=99" in problem for problem in found)
    assert all("start more brokers" in problem.lower() for problem in found)


@asynchronous
async def test_brokers_that_are_away_are_no_matter_of_rights(prefix: str) -> None:
    with pytest.raises(KafkaAway, match="does not answer"):
        await ensure_topics(distributed(Kafka(f"127.0.0.1:{free_port()}"), prefix=prefix))


@kafka_tests
@asynchronous
async def test_missing_rights_are_told_with_what_allows_them(by_password: Guarded, prefix: str) -> None:
    def user(name: str) -> Settings:
        login = {"kafka_user": name, "kafka_password": PASSWORDS[name], "kafka_security": "sasl_plaintext"}
        return secured(by_password.door, prefix, login)

    with pytest.raises(KafkaRefuses) as making:
        await ensure_topics(user("bob"))
    assert f"does not allow bob to make {prefix}." in str(making.value)
    assert await ensure_topics(user("ann")) == 1
    with pytest.raises(KafkaRefuses) as looking:
        await ensure_topics(user("bob"))
    command = f"--add --allow-principal User:bob {' '.join(f'--operation {one}' for one in OPERATIONS)}"
    assert f"{command} --topic {prefix}. --resource-pattern-type prefixed" in str(looking.value)


@kafka_tests
@asynchronous
async def test_looking_for_topics_makes_none(by_password: Guarded, prefix: str) -> None:
    settings = distributed(Kafka(by_password.cluster.servers), prefix=prefix, replication="99")
    await problems(settings)
    assert await counts(settings) == [0, 0, 0]
