"""The audit of a ledger on Kafka: restatements and explanations are those of the same events in one chain."""

from itertools import islice
from typing import Any

import pytest

from events.days import text_of_moment
from events.envelope import event_of
from services.audit.comparing import comparison
from services.audit.explaining import explanation
from services.audit.holding import held_views, projection_read
from services.audit.opening import ledger_read
from services.audit.restating import restatement
from services.audit.restoring import restored, views_at
from services.compose import genesis_of
from services.demo import demo_events
from services.questions import question_of
from services.settings import Settings
from tests.servers.fixtures import StartRedis
from tests.servers.kafka import Kafka
from tests.servers.redis import SharedRedis
from tests.services.books import parameters
from tests.services.kafka.booked import in_memory, on_kafka, recorded_at
from tests.services.kafka.topics import distributed
from tests.services.running import asynchronous

PARTITIONS = 3
ELSEWHERE = ("partition", "height", "seq", "words")
"""What two ledgers of the same events say differently of an event."""


@pytest.fixture
def settings(kafka: Kafka, redis_server: SharedRedis, prefix: str) -> Settings:
    return distributed(kafka, prefix=prefix, partitions=PARTITIONS, redis=redis_server.url)


def without_places(answer: Any) -> Any:
    """An answer without where its events are; of events alike in size, the order is by place."""
    if isinstance(answer, dict):
        return {name: without_places(value) for name, value in answer.items() if name not in ELSEWHERE}
    if not isinstance(answer, list):
        return answer
    return sorted((without_places(one) for one in answer), key=repr)


@asynchronous
async def test_several_partitions_answer_as_one(settings: Settings) -> None:
    raws = list(islice(demo_events(accounts=40, months=18), 2_000))
    middle = text_of_moment(recorded_at(raws[len(raws) // 2]) or 0)
    window = {"currency": "USD", "start": "2023-03-01", "until": "2024-06-01", "limit": "10000"}
    async with on_kafka(settings) as books:
        await books.book(raws)
        embedded = (await in_memory(raws)).ledger
        own = await genesis_of(embedded)
        assert own is not None
        async with ledger_read(settings) as (ledger, genesis):
            assert genesis.partitions == PARTITIONS
            for by in ({}, {"by": "segment"}):
                question = question_of(parameters({**window, **by, "between": [middle, "now"]}))
                answer = await restatement(ledger, genesis, question, settings)
                expected = await restatement(embedded, own, question)
                assert without_places(answer["rows"]) == without_places(expected["rows"])
                assert [set(one["position"]) for one in answer["between"]] == [{"0", "1", "2"}] * 2
                words = [event["words"] for row in answer["rows"] for event in row["events"]]
                assert len(words) > 10
                assert all(" of partition " in one for one in words)
            for name in ("nrr", "churn"):
                question = question_of(parameters({**window, "known_at": middle}))
                answer = await explanation(ledger, genesis, name, question, settings)
                expected = await explanation(embedded, own, name, question)
                assert without_places(answer["rows"]) == without_places(expected["rows"])


@asynchronous
async def test_the_projection_is_compared_and_restored(settings: Settings, start_redis: StartRedis) -> None:
    """Live on one Redis, restored into another: both are the replay, partition by partition, and alike to the byte."""
    raws = list(islice(demo_events(accounts=20, months=12), 600))
    question = question_of(parameters({"start": "2023-02-01", "until": "2024-01-01", "by": "segment"}))
    elsewhere = views_at(settings, start_redis().url)
    async with on_kafka(settings) as books:
        await books.book(raws)
        async with projection_read(settings) as (ledger, genesis, live):
            found = await comparison(ledger, genesis, live, question, settings)
            assert (found.differences, set(found.heights)) == ([], set(range(PARTITIONS)))
            told = await restored(ledger, elsewhere, found.heights)
            assert told.entries == told.projected == len({event_of(raw).id for raw in raws})
            assert (await comparison(ledger, genesis, elsewhere, question, settings)).differences == []
            sides = [await held_views(views, range(PARTITIONS)) for views in (live, elsewhere)]
            assert sides[0].positions == sides[1].positions
            assert sides[0].hashes == sides[1].hashes
    await elsewhere.close()
