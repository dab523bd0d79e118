"""The two forms, embedded and distributed: the same events end in the same books, bit for bit, now and as known."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest
from confluent_kafka import Producer

from events.days import text_of_moment
from events.envelope import event_of
from projections.pages import ACCOUNTS, BOOK
from services import clock
from services.compose import Books, owned_books
from services.demo import demo_events
from services.distributed import readers
from services.evidence import evidence_of
from services.kafka.connection import Names
from services.kafka.topics import ensure_topics
from services.questions import question_of
from services.reports import Reports
from services.settings import Settings, settings_from
from services.views.port import Views
from services.writer import Submitted
from tests.crash.members import Fleet
from tests.crash.readback import is_read
from tests.servers.kafka import Kafka
from tests.servers.redis import SharedRedis
from tests.services.kafka.topics import environment

PARTITIONS = 3
LIMIT_SECONDS = 500.0
LOOK_SECONDS = 0.1
YEARS = {"from": "2023-01-01", "until": "2026-01-01"}
BRIDGES: list[dict[str, str]] = [
    {**YEARS, "every": "month"},
    {**YEARS, "every": "month", "by": "plan"},
    {**YEARS, "every": "quarter", "by": "segment"},
    {**YEARS, "every": "year", "by": "account"},
    {**YEARS, "every": "year", "by": "region", "where": "segment=enterprise"},
    {"from": "2023-05-09", "until": "2023-06-03", "every": "day", "by": "owner"},
]
FIGURES: list[dict[str, str]] = [
    {"at": "2024-03-17"},
    {"from": "2023-04-01", "until": "2024-04-01", "by": "segment"},
    {"from": "2023-02-15", "until": "2025-10-15", "by": "campaign"},
]


@asynccontextmanager
async def services(directory: Path, variables: dict[str, str]) -> AsyncIterator[Fleet]:
    """Two writers and two projectors in processes of their own, on topics that exist."""
    await ensure_topics(settings_from(variables))
    fleet = Fleet(directory, variables, Random(0))
    try:
        await fleet.start(writers=2, projectors=2)
        yield fleet
    finally:
        await fleet.end()
    assert not fleet.problems, fleet.problems


async def published(settings: Settings, raws: Sequence[bytes]) -> None:
    """Sends events as any client would, and waits until they are booked and projected."""
    names = Names(settings.prefix)
    producer = Producer({"bootstrap.servers": settings.kafka, "partitioner": "murmur2_random"})
    for raw in raws:
        producer.produce(names.events, raw, key=event_of(raw).subject.encode())
        producer.poll(0)
    assert await asyncio.to_thread(producer.flush, 60) == 0
    group = names.group("writer")
    while not await asyncio.to_thread(is_read, settings.kafka, group, names.events, PARTITIONS):  # noqa: ASYNC110
        await asyncio.sleep(LOOK_SECONDS)
    async with readers(settings) as found:
        for partition in range(PARTITIONS):
            tail = await found.ledger.tail(partition)
            assert tail is not None
            while (at := await found.views.position(partition)) is None or at.next_height <= tail.height:  # noqa: ASYNC110
                await asyncio.sleep(LOOK_SECONDS)


async def written(books: Books, raws: Sequence[bytes]) -> None:
    """Books events in the embedded form, and projects them."""
    for start in range(0, len(raws), 1_000):
        await books.writer.write([Submitted(raw) for raw in raws[start : start + 1_000]])
    await books.projector.catch_up()


async def answers(reports: Reports, known_at: str | None = None) -> dict[str, Any]:
    """What is answered to some questions in two currencies, but for where in its ledger that is."""
    then = {} if known_at is None else {"known_at": [known_at]}
    found: dict[str, Any] = {}
    for currency in ("USD", "EUR"):
        for kind, asked, answering in (("bridge", BRIDGES, reports.bridge), ("figures", FIGURES, reports.figures)):
            for one in asked:
                texts = {name: [text] for name, text in one.items()} | {"currency": [currency]} | then
                answer = await answering(question_of(texts))
                as_of = answer.pop("as_of")
                assert as_of["final"]
                found[f"{kind} {currency} {one}"] = answer
    return found


async def kept(views: Views, partitions: Sequence[int]) -> tuple[dict[bytes, bytes], dict[str, int]]:
    """The records of all accounts, as bytes, and what is counted over the whole book."""
    evidence = await evidence_of(views, partitions, [ACCOUNTS, BOOK])
    records: dict[bytes, bytes] = {}
    for fields in evidence.hashes[ACCOUNTS]:
        assert not records.keys() & fields.keys(), "an account is in one partition alone"
        records |= fields
    counts = evidence.counts()
    return records, {name: counts[name] for name in counts if name != "format" and not name.startswith("names|")}


async def check_forms(kafka: Kafka, redis: SharedRedis, prefix: str, directory: Path, count: int) -> None:
    """So many events through both forms, in two halves, and a moment between them."""
    raws = list(islice(demo_events(accounts=count // 8, months=36, seed=7), count))
    assert len(raws) == count
    halves = raws[: count // 2], raws[count // 2 :]
    variables = environment(kafka, prefix=prefix, partitions=PARTITIONS, redis=redis.url, session_seconds="6")
    settings = settings_from(variables)
    async with (
        asyncio.timeout(LIMIT_SECONDS),
        owned_books(settings_from({"REVLEDGER_DATA": str(directory / "embedded")})) as books,
        services(directory, variables),
    ):
        await written(books, halves[0])
        await published(settings, halves[0])
        moment = text_of_moment(clock.now())
        await written(books, halves[1])
        await published(settings, halves[1])
        async with readers(settings) as found:
            now = await answers(found.reports)
            assert now == await answers(books.reports)
            then = await answers(found.reports, moment)
            assert then == await answers(books.reports, moment)
            assert then.keys() == now.keys()
            assert then != now
            records, counts = await kept(found.views, range(PARTITIONS))
            assert len(records) > count // 20
            assert (records, counts) == await kept(books.views, [0])


@pytest.mark.slow
def test_both_forms_end_in_the_same_books(kafka: Kafka, redis_server: SharedRedis, prefix: str, tmp_path: Path) -> None:
    asyncio.run(check_forms(kafka, redis_server, prefix, tmp_path, 10_000))


@pytest.mark.crash
def test_both_forms_end_in_the_same_books_in_the_long_run(
    kafka: Kafka, redis_server: SharedRedis, prefix: str, tmp_path: Path
) -> None:
    asyncio.run(check_forms(kafka, redis_server, prefix, tmp_path, 100_000))
