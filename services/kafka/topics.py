"""The topics of a ledger: made if they are missing, else checked against what the books need of them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidReplicationFactorError,
    NoError,
    NotControllerError,
    RequestTimedOutError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)
from msgspec import Struct

from services.kafka.connection import RECORD_BYTES_MAX, Names
from services.kafka.reaching import KafkaAway, KafkaRefuses, kafka_admin
from services.ledgers.port import LedgerError
from services.settings import Settings

EVENT_RECORD_BYTES_MIN: Final = 1024 * 1024
"""What a record of the events topic may have at least: an event of the largest kind, with headers."""
EVENTS_DAYS: Final = 30
"""How long a new events topic keeps what came in; what is booked is in the ledger."""
APPEAR_SECONDS: Final = 20.0
"""How long new topics may take until every broker knows them."""
_PAUSE_SECONDS: Final = 0.1
OPERATIONS: Final = ("Create", "Describe", "DescribeConfigs", "Read", "Write")
"""What a user of Kafka must be allowed on the topics of a ledger."""
_FOR_EVER: Final = "-1"
_RIGHTS: Final = (ClusterAuthorizationFailedError, TopicAuthorizationFailedError)
_LATER: Final = (NotControllerError, RequestTimedOutError)


class TopicsWrong(LedgerError):
    """Topics that would lose events, or never take one: all problems, one sentence each with its remedy."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


class Rule(Struct, frozen=True):
    """What one property of a topic must be: `value` is one that suits, `needed` says which do."""

    name: str
    value: str
    needed: str
    suits: Callable[[str], bool]
    why: str


class Topic(Struct, frozen=True):
    """What a topic has: partitions, the least number of copies of any of them, and its properties."""

    partitions: int
    copies: int
    properties: Mapping[str, str]


def rules(settings: Settings) -> dict[str, list[Rule]]:
    """Topic -> what its properties must be."""
    names = Names(settings.prefix)
    common = [
        _exactly("cleanup.policy", "delete", "compaction drops all but the last record of a key"),
        _exactly("unclean.leader.election.enable", "false", "a broker that was behind could drop records"),
        _at_least("min.insync.replicas", settings.min_isr, "REVLEDGER_MIN_ISR asks for it"),
    ]
    return {
        names.events: [
            *common,
            _at_least("max.message.bytes", EVENT_RECORD_BYTES_MIN, "larger events would be turned away"),
        ],
        names.ledger: [
            *common,
            _exactly("retention.ms", _FOR_EVER, "the books would be deleted after a while"),
            _exactly("retention.bytes", _FOR_EVER, "the books would be deleted beyond a size"),
            _at_least("max.message.bytes", RECORD_BYTES_MAX, "a large block could not be written"),
        ],
        names.dead_letters: [
            *common,
            _at_least("max.message.bytes", RECORD_BYTES_MAX, "a large refused event would hold its partition up"),
        ],
    }


async def ensure_topics(settings: Settings) -> int:
    """Makes the topics that are missing and checks all of them; the number of partitions of the ledger.

    Several services may start at once: each finds what another one has made. An existing topic is never changed.

    Raises:
        TopicsWrong: topics that the books cannot be kept in, or that cannot be made.
        KafkaRefuses: this user has not the right to look at, or make, the topics.
        KafkaAway: no broker answers.
    """
    names = Names(settings.prefix)
    async with kafka_admin(settings) as admin:
        described = await _described(admin, names)
        known = {name: len(topic["partitions"]) for name, topic in described.items()}
        missing = [name for name in _all(names) if name not in known]
        if missing:
            await _make(admin, settings, missing, known)
        topics = await _topics(admin, settings)
    problems = _counts_differ(settings, names, topics) + [
        problem for name in _all(names) for problem in _problems(settings, name, topics[name])
    ]
    if problems:
        raise TopicsWrong(problems)
    return topics[names.ledger].partitions


def _all(names: Names) -> list[str]:
    return [names.events, names.ledger, names.dead_letters]


def _exactly(name: str, value: str, why: str) -> Rule:
    return Rule(name, value, value, lambda found: found == value, why)


def _at_least(name: str, least: int, why: str) -> Rule:
    return Rule(name, str(least), f"at least {least}", lambda found: found.isdigit() and int(found) >= least, why)


async def _make(
    admin: AIOKafkaAdminClient, settings: Settings, missing: Sequence[str], known: Mapping[str, int]
) -> None:
    """Makes topics; one that somebody else made meanwhile is fine."""
    names = Names(settings.prefix)
    # What is there decides: the other topic of the two has to have as many.
    partitions = known.get(names.ledger) or known.get(names.events) or settings.partitions
    topics = [
        NewTopic(
            name,
            1 if name == names.dead_letters else partitions,
            settings.replication,
            topic_configs={rule.name: rule.value for rule in rules(settings)[name]} | _kept(names, name),
        )
        for name in missing
    ]
    answer = await admin.create_topics(topics)
    problems = [
        problem for name, code, said in answer.topic_errors if (problem := _not_made(settings, name, code, said))
    ]
    if problems:
        raise TopicsWrong(problems)


def _kept(names: Names, name: str) -> dict[str, str]:
    """How long a new topic keeps its records, where that is a matter of choice."""
    if name == names.events:
        return {"retention.ms": str(EVENTS_DAYS * 24 * 3_600_000)}
    return {"retention.ms": _FOR_EVER, "retention.bytes": _FOR_EVER}


def _not_made(settings: Settings, name: str, code: int, said: str | None) -> str:
    """Why a topic was not made, with what to do; empty if it is there."""
    error = for_code(code)
    if error in {NoError, TopicAlreadyExistsError}:
        return ""
    if error in _RIGHTS:
        raise _no_right(settings, "make", name)
    if error in _LATER:
        raise KafkaAway(f"Kafka did not make {name} ({said or error.message}).", "Try again in a moment.")
    if error is InvalidReplicationFactorError:
        return (
            f"{name} cannot be made with REVLEDGER_REPLICATION={settings.replication}: {said} Start more brokers,"
            " or, where a lost disk may lose the books, set REVLEDGER_REPLICATION=1 and REVLEDGER_MIN_ISR=1."
        )
    return f"{name} cannot be made: {said or error.message} Ask who runs Kafka what its policy for topics is."


async def _described(admin: AIOKafkaAdminClient, names: Names) -> dict[str, Any]:
    """Those of the topics that a broker knows; all are asked for, as asking for one by name may make it."""
    return {topic["topic"]: topic for topic in await admin.describe_topics() if topic["topic"] in _all(names)}


async def _topics(admin: AIOKafkaAdminClient, settings: Settings) -> dict[str, Topic]:
    """All three topics, once the brokers know them."""
    names = Names(settings.prefix)
    deadline = asyncio.get_running_loop().time() + APPEAR_SECONDS
    while True:
        described, properties = await _described(admin, names), await _properties(admin, settings)
        if all(name in described and name in properties for name in _all(names)):
            return {
                name: Topic(
                    len(topic["partitions"]),
                    min(len(partition["replicas"]) for partition in topic["partitions"]),
                    properties[name],
                )
                for name, topic in described.items()
            }
        if asyncio.get_running_loop().time() > deadline:
            away = [name for name in _all(names) if name not in described or name not in properties]
            problem = f"Kafka made {', '.join(away)}, and after {APPEAR_SECONDS:g} s does not know of it."
            raise KafkaAway(problem, "Look at the log of its controller, then start again.")
        await asyncio.sleep(_PAUSE_SECONDS)


async def _properties(admin: AIOKafkaAdminClient, settings: Settings) -> dict[str, dict[str, str]]:
    """Topic -> property -> value, those of the broker's defaults too; without the topics a broker does not know."""
    found: dict[str, dict[str, str]] = {}
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in _all(Names(settings.prefix))]
    for answer in await admin.describe_configs(asked):
        for code, said, _, name, entries in answer.resources:
            error = for_code(code)
            if error in _RIGHTS:
                raise _no_right(settings, "look at", name)
            if error is UnknownTopicOrPartitionError:
                continue
            if error is not NoError:
                problem = f"Kafka does not tell the properties of {name} ({said or error.message})."
                raise KafkaAway(problem, "Try again in a moment.")
            found[name] = {entry[0]: entry[1] or "" for entry in entries}
    return found


def _counts_differ(settings: Settings, names: Names, topics: Mapping[str, Topic]) -> list[str]:
    """Events and ledger are joined partition by partition."""
    events, ledger = topics[names.events].partitions, topics[names.ledger].partitions
    told = f"{names.events}: partitions is {events}, must be {ledger} as of {names.ledger}."
    if events < ledger:
        return [f"{told} Run: {_tool(settings, 'topics')} --alter --topic {names.events} --partitions {ledger}"]
    if events > ledger:
        problem = (
            f"{told} No topic can lose partitions: if nothing is booked yet, delete it and start again, which makes it"
            " anew; else begin another ledger, with another REVLEDGER_PREFIX, and send it all events again."
            f" Run: {_tool(settings, 'topics')} --delete --topic {names.events}"
        )
        return [problem]
    return []


def _problems(settings: Settings, name: str, topic: Topic) -> list[str]:
    """What is wrong with one topic."""
    problems = []
    for rule in rules(settings)[name]:
        found = topic.properties.get(rule.name, "")
        if not rule.suits(found):
            command = f"{_tool(settings, 'configs')} --alter --entity-type topics --entity-name {name}"
            problems.append(
                f"{name}: {rule.name} is {found or 'unknown'}, must be {rule.needed}: {rule.why}."
                f" Run: {command} --add-config {rule.name}={rule.value}"
            )
    if topic.copies < settings.replication:
        problems.append(
            f"{name}: the replication factor is {topic.copies}, must be at least {settings.replication}:"
            " REVLEDGER_REPLICATION asks for it."
            f" Run, with the brokers wanted in moves.json: {_tool(settings, 'reassign-partitions')}"
            " --reassignment-json-file moves.json --execute"
        )
    in_sync = topic.properties.get("min.insync.replicas", "")
    if in_sync.isdigit() and int(in_sync) > max(topic.copies, settings.min_isr):
        command = f"{_tool(settings, 'configs')} --alter --entity-type topics --entity-name {name}"
        problems.append(
            f"{name}: min.insync.replicas is {in_sync}, must be at most its replication factor {topic.copies}:"
            f" nothing could be written. Run: {command} --add-config min.insync.replicas={settings.min_isr}"
        )
    return problems


def _tool(settings: Settings, tool: str) -> str:
    return f"kafka-{tool}.sh --bootstrap-server {settings.kafka}"


def _no_right(settings: Settings, verb: str, name: str) -> KafkaRefuses:
    operations = " ".join(f"--operation {one}" for one in OPERATIONS)
    return KafkaRefuses(
        f"Kafka does not allow {settings.kafka_user or 'this user'} to {verb} {name}.",
        f"Allow it: {_tool(settings, 'acls')} --add --allow-principal User:{settings.kafka_user or 'NAME'}"
        f" {operations} --topic {settings.prefix}. --resource-pattern-type prefixed",
    )
