"""The distributed form answers as the embedded one does, now and as known at a moment; over HTTP it queues events."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice

import httpx
import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from events.days import text_of_moment
from events.envelope import event_of
from events.partitions import partition_of
from services.demo import demo_events
from services.distributed import NotBegun, gateway, readers
from services.gateway import application, server_of
from services.kafka.connection import Names, client_options
from services.questions import question_of
from services.settings import Settings
from services.views.port import ViewsUnavailable
from services.writer import Submitted
from tests.servers.fixtures import StartRedis
from tests.servers.kafka import Kafka
from tests.servers.redis import SharedRedis
from tests.services.books import parameters
from tests.services.gateway.served import signed
from tests.services.kafka.booked import OnKafka, in_memory, on_kafka, recorded_at
from tests.services.kafka.topics import distributed
from tests.services.running import asynchronous

PARTITIONS = 3
JSON = {"content-type": "application/json"}


@pytest.fixture
def settings(kafka: Kafka, redis_server: SharedRedis, prefix: str) -> Settings:
    return distributed(kafka, prefix=prefix, partitions=PARTITIONS, redis=redis_server.url)


@asynccontextmanager
async def over_http(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway that runs in this process."""
    async with gateway(settings) as served:
        server = server_of(application(served, settings), "127.0.0.1", 0)
        serving = asyncio.create_task(server.serve())
        while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event to wait for
            await asyncio.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20) as client:
            try:
                yield client
            finally:
                server.should_exit = True
                await serving


async def queued_in(settings: Settings, partition: int) -> list[tuple[bytes, bytes, dict[str, bytes]]]:
    """Key, value and headers of what is in a partition of the events topic."""
    place = TopicPartition(Names(settings.prefix).events, partition)
    async with AIOKafkaConsumer(**client_options(settings), enable_auto_commit=False) as consumer:
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        end = (await consumer.end_offsets([place]))[place]
        found: list[tuple[bytes, bytes, dict[str, bytes]]] = []
        while len(found) < end:
            found += [
                (one.key, one.value, dict(one.headers))
                for one in (await consumer.getmany(place, timeout_ms=100)).get(place, ())
            ]
        return found


@asynchronous
async def test_the_same_events_give_the_same_answers(settings: Settings) -> None:
    raws = list(islice(demo_events(accounts=40, months=18), 2_000))
    middle = text_of_moment(recorded_at(raws[len(raws) // 2]) or 0)
    async with on_kafka(settings) as books:
        await books.book(raws)
        embedded = await in_memory(raws)
        async with readers(settings) as found:
            questions: Sequence[dict[str, str | Sequence[str]]] = (
                {"currency": "USD", "every": "quarter"},
                {"currency": "USD", "every": "month", "by": "plan", "start": "2023-01-01", "until": "2024-01-01"},
                {"currency": "EUR", "every": "month", "where": "segment=smb"},
                {"currency": "USD", "every": "month", "known_at": middle, "until": "2024-01-01"},
            )
            for asked in questions:
                question = question_of(parameters(asked))
                answer, expected = await found.reports.bridge(question), await embedded.reports.bridge(question)
                assert answer["rows"] == expected["rows"]
                assert set(answer["as_of"]["position"]) == {"0", "1", "2"}
                assert answer["as_of"]["final"] is True
                assert answer["policy"] == expected["policy"]
            window = {"currency": "USD", "start": "2023-03-01", "until": "2024-03-01", "by": "plan"}
            for known in ({}, {"known_at": middle}):
                question = question_of(parameters(window | known))
                rows = (await found.reports.figures(question))["rows"]
                assert rows == (await embedded.reports.figures(question))["rows"]
                assert len(rows) > 1


@asynchronous
async def test_a_ledger_that_no_writer_has_begun_says_what_to_start(settings: Settings) -> None:
    async with on_kafka(settings) as books:
        with pytest.raises(NotBegun, match="run writer"):
            async with readers(settings):
                pass
        await books.begin()
        async with readers(settings) as found:
            assert found.genesis.partitions == PARTITIONS


@asynchronous
async def test_an_event_over_http_is_queued_where_its_account_belongs(settings: Settings) -> None:
    async with on_kafka(settings) as books:
        await books.begin()
        async with over_http(settings) as client:
            answer = await client.post("/v1/events", json=signed(1))
            assert answer.status_code == 202
            assert answer.json()["status"] == "queued"
            place = answer.json()["queued"]
            batch = await client.post("/v1/events", json=[signed(2), signed(3), {"id": "nothing"}])
            assert batch.status_code == 207
            told = batch.json()
            assert (told["queued"], told["refused"], told["accepted"], told["position"]) == (2, 1, 0, {})
            assert [one["status"] for one in told["results"]] == ["queued", "queued", "refused"]
            assert isinstance(told["results"][2]["dead_letter"], int)
            assert (await client.post("/v1/events", json=[signed(4)])).status_code == 202
            assert (await client.post("/v1/events", content=b"{", headers=JSON)).status_code == 400
            status = (await client.get("/v1/status")).json()
            assert status["dead_letters"] == {"any": 2}
            assert status["lag_events"] == 4
            assert (await client.get("/health/ready")).status_code == 200
        (key, value, headers), *_ = (await queued_in(settings, place["partition"]))[place["offset"] :]
        assert (key, msgspec.json.decode(value)) == (b"acct-1", signed(1))
        assert headers == {"content-type": b"application/cloudevents+json"}


@asynchronous
async def test_status_tells_the_lag_of_every_partition(settings: Settings) -> None:
    raws = [msgspec.json.encode(signed(number)) for number in range(30)]
    async with on_kafka(settings) as books:
        await books.begin()
        await books.project()
        async with over_http(settings) as client:
            for writer, raw in zip(books.writers, _one_of_each(raws), strict=True):
                await writer.write([Submitted(raw)])
            status = (await client.get("/v1/status")).json()
            assert status["lag_blocks"] == PARTITIONS
            lag = {"ledger": 1, "views": 0, "lag_blocks": 1, "lag_seconds": 0, "lag_events": 0}
            assert {name: dict(one, lag_seconds=0) for name, one in status["partitions"].items()} == {
                str(partition): lag for partition in range(PARTITIONS)
            }
            metrics = (await client.get("/metrics")).text.splitlines()
            assert 'revledger_lag_blocks{partition="2"} 1.0' in metrics
            assert "revledger_up 1.0" in metrics
            assert 'revledger_input_lag_events{partition="0"} 0.0' in metrics
            await books.project()
            assert (await client.get("/v1/status")).json()["lag_blocks"] == 0
            (row,) = (await client.get("/v1/figures", params={"figures": "mrr_minor"})).json()["rows"]
            assert row["figures"]["mrr_minor"] == 3_000


@asynchronous
async def test_the_stream_tells_when_views_elsewhere_move(settings: Settings) -> None:
    async with on_kafka(settings) as books:
        await books.begin()
        await books.project()
        async with over_http(settings) as client, client.stream("GET", "/v1/stream") as answer:
            lines = answer.aiter_lines()
            assert await _position(lines) == {"0": 0, "1": 0, "2": 0}
            await _write_one(books, 1)
            assert sum((await _position(lines)).values()) == 1


@asynchronous
async def test_views_that_are_away_make_it_unready_and_keep_events_coming(
    kafka: Kafka, start_redis: StartRedis, prefix: str
) -> None:
    server = await asyncio.to_thread(start_redis)
    settings = distributed(kafka, prefix=prefix, redis=server.url)
    async with on_kafka(settings) as books:
        await books.begin()
        async with over_http(settings) as client:
            assert (await client.get("/health/ready")).status_code == 200
            await asyncio.to_thread(server.kill)
            with pytest.raises(ViewsUnavailable):
                await books.views.position(0)
            away = await client.get("/health/ready")
            assert (away.status_code, away.json()["code"]) == (503, "not_ready")
            assert (await client.get("/health/live")).status_code == 200, "to start it again would mend nothing"
            assert (await client.post("/v1/events", json=signed(1))).status_code == 202
            figures = await client.get("/v1/figures")
            assert (figures.status_code, figures.json()["code"]) == (503, "unavailable")
            metrics = await client.get("/metrics")
            assert metrics.status_code == 200
            assert "revledger_up 0.0" in metrics.text.splitlines()


def _one_of_each(raws: Sequence[bytes]) -> list[bytes]:
    """An event for every partition."""
    found = {partition_of(event_of(raw).subject, PARTITIONS): raw for raw in raws}
    return [found[partition] for partition in range(PARTITIONS)]


async def _write_one(books: OnKafka, number: int) -> None:
    await books.book([msgspec.json.encode(signed(number))])


async def _position(lines: AsyncIterator[str]) -> dict[str, int]:
    async for line in lines:
        if line.startswith("data: "):
            found: dict[str, int] = msgspec.json.decode(line.removeprefix("data: "))["position"]
            return found
    raise AssertionError("the stream has ended")
