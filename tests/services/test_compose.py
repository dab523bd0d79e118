"""The composition: one process owns a data directory, comes back to what is there, and lets go in order."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from unittest.mock import patch

import pytest
from msgspec.structs import replace

from events.policy import Policy
from services import compose
from services.compose import (
    Books,
    DataInUse,
    Owner,
    ServiceStarting,
    holding,
    owned_books,
    owner_of,
    projecting,
    reports_of,
    taking_in,
)
from services.ledgers.port import LedgerUnavailable, StoredBlock
from services.policies import PolicyDiffers
from services.projector import Projector
from services.questions import question_of
from services.settings import Settings, settings_from
from services.views.port import Fenced, ViewsUnavailable
from services.views.valkey import embedded_valkey
from services.writer import Submitted
from tests.model.notation import fact, line
from tests.services.books import parameters, raw_of
from tests.services.running import asynchronous

SIGNED = raw_of(fact("signed", "a1", "2024-01-10T23:00:00Z", lines=[line(1000)]))
QUESTION = question_of(parameters({"at": "2024-02-01"}))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings for a directory that does not exist yet."""
    return settings_from({"REVLEDGER_DATA": str(tmp_path / "new" / "books")})


async def reached(books: Books, height: int) -> None:
    """Waits for the views, for a bounded time."""
    async with asyncio.timeout(20):
        await books.projector.reached(height)


@asynchronous
async def test_books_are_there_again(settings: Settings) -> None:
    """Written through the intake, projected beside it, and asked in the next process."""
    async with owned_books(settings) as books, projecting(books), taking_in(books, 100) as intake:
        (outcome,) = await intake.submit([SIGNED], "test")
        assert outcome.status == "accepted"
        await reached(books, 1)
    async with reports_of(settings) as reports:
        answer = await reports.figures(QUESTION)
    assert (answer["as_of"]["position"], answer["rows"][0]["figures"]["mrr_minor"]) == ({"0": 1}, 1000)


@asynchronous
async def test_reports_are_brought_up_to_the_ledger(settings: Settings) -> None:
    """Whoever wrote last may not have projected."""
    async with owned_books(settings) as books:
        await books.writer.write([Submitted(SIGNED)])
    async with reports_of(settings) as reports:
        assert (await reports.figures(QUESTION))["rows"][0]["figures"]["mrr_minor"] == 1000


@asynchronous
async def test_reports_beside_a_service_are_of_its_views(settings: Settings) -> None:
    async with owned_books(settings, "http://127.0.0.1:1") as books, projecting(books):
        await books.writer.write([Submitted(SIGNED)])
        await reached(books, 1)
        async with reports_of(settings) as reports:
            assert (await reports.figures(QUESTION))["as_of"]["position"] == {"0": 1}


@asynchronous
async def test_a_service_that_starts_is_waited_for_and_said_to_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds the directory before its views server runs: nobody is told to stop it."""
    url = "http://127.0.0.1:1"
    async with owned_books(settings):
        pass
    monkeypatch.setattr(compose, "PATIENCE_SECONDS", 0.1)
    async with holding(settings.data, url):
        with pytest.raises(ServiceStarting, match=f"process {os.getpid()}, is starting: ask again when .* on {url}"):
            async with reports_of(settings):
                pass
    monkeypatch.undo()
    asked = asyncio.Event()

    async def service() -> None:
        async with AsyncExitStack() as stack, holding(settings.data, url):
            asked.set()
            await asyncio.sleep(0.1)
            await stack.enter_async_context(embedded_valkey(settings.data))
            await done.wait()

    done = asyncio.Event()
    running = asyncio.create_task(service())
    await asked.wait()
    async with reports_of(settings) as reports:
        assert (await reports.figures(QUESTION))["as_of"]["position"] == {"0": -1}
    done.set()
    await running


@asynchronous
async def test_a_directory_has_one_owner(settings: Settings) -> None:
    """Told by its number and its address; one that serves is not waited for."""
    assert owner_of(settings.data) is None
    async with owned_books(settings, "http://127.0.0.1:8000"):
        assert owner_of(settings.data) == Owner(os.getpid(), "http://127.0.0.1:8000")
        with pytest.raises(DataInUse, match="listens on http"):
            async with owned_books(settings):
                pass
    assert owner_of(settings.data) is None


@asynchronous
async def test_an_owner_on_its_way_out_is_waited_for(settings: Settings) -> None:
    """One that does not serve, such as a load; but not for ever."""
    inside = asyncio.Event()

    async def second() -> None:
        async with owned_books(settings):
            inside.set()

    async with owned_books(settings):
        with patch.object(compose, "PATIENCE_SECONDS", 0.1), pytest.raises(DataInUse, match=str(os.getpid())):
            async with owned_books(settings):
                pass
        waiting = asyncio.create_task(second())
        await asyncio.sleep(0.2)
        assert not inside.is_set()
    await waiting
    assert inside.is_set()


@asynchronous
async def test_what_a_killed_owner_left_is_no_owner(settings: Settings) -> None:
    settings.data.mkdir(parents=True)
    text = f'open({str(settings.data / "service.lock")!r}, \'w\').write(\'{{"pid": 1, "url": "http://x"}}\')'
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", text], check=True)
    assert owner_of(settings.data) is None
    async with owned_books(settings):
        assert owner_of(settings.data) == Owner(os.getpid())


@asynchronous
async def test_the_policy_of_the_ledger_stays(tmp_path: Path) -> None:
    """A zone set later does not change books that have begun."""
    place = {"REVLEDGER_DATA": str(tmp_path / "books")}
    async with owned_books(settings_from({**place, "REVLEDGER_ZONE": "Asia/Seoul"})) as books:
        assert books.policy == Policy(zone="Asia/Seoul")
        await books.writer.write([Submitted(SIGNED)])
    async with owned_books(settings_from(place)) as books:
        assert books.policy == Policy(zone="Asia/Seoul")
        await books.projector.catch_up()
        bridge = question_of(parameters({"start": "2024-01-11", "until": "2024-01-12"}))
        row = (await books.reports.bridge(bridge))["rows"][0]
        assert row["mrr_minor"]["new"] == 1000, "23:00 in UTC is the next day in Seoul"
    async with reports_of(settings_from(place)) as reports:
        assert (await reports.bridge(bridge))["policy"] == Policy(zone="Asia/Seoul").stamp


@asynchronous
async def test_a_ledger_begins_under_the_policy_of_the_settings_and_keeps_it(tmp_path: Path) -> None:
    """It is in the ledger, booked by, and stamped on answers; another one is refused, and changes nothing."""
    mine, other = tmp_path / "mine.toml", tmp_path / "other.toml"
    mine.write_text('name = "mine"\nversion = 2\ndiscounts = "list"\n')
    other.write_text('name = "mine"\nversion = 3\ndiscounts = "list"\n')
    place = {"REVLEDGER_DATA": str(tmp_path / "books"), "REVLEDGER_ZONE": "Asia/Seoul"}
    policy = Policy(name="mine", version=2, zone="Asia/Seoul", discounts="list")
    half = fact("signed", "a1", "2024-01-10", lines=[line(1000, discounts=[{"percent": "50"}])])
    async with owned_books(settings_from({**place, "REVLEDGER_POLICY": str(mine)})) as books:
        await books.writer.write([Submitted(raw_of(half))])
        genesis = await compose.genesis_of(books.ledger)
        assert genesis is not None
        assert genesis.policy == books.policy == policy
    for environ in (place, {"REVLEDGER_DATA": place["REVLEDGER_DATA"], "REVLEDGER_POLICY": str(mine)}):
        async with reports_of(settings_from(environ)) as reports:
            answer = await reports.figures(QUESTION)
        assert (answer["policy"], answer["rows"][0]["figures"]["mrr_minor"]) == (policy.stamp, 1000)
    with pytest.raises(PolicyDiffers, match=f"is under policy {policy.stamp}, and REVLEDGER_POLICY names mine@3"):
        async with owned_books(settings_from({**place, "REVLEDGER_POLICY": str(other)})):
            pass


class FlakyProjector(Projector):
    """A projector whose stores are away for some calls."""

    away = 0

    async def start(self) -> None:
        self._touch()
        await super().start()

    async def _project(self, batch: Sequence[StoredBlock]) -> None:
        self._touch()
        await super()._project(batch)

    def _touch(self) -> None:
        self.away -= 1
        if self.away >= 0:
            error = LedgerUnavailable if self.away % 2 else ViewsUnavailable
            raise error("It is away.", "Wait.")


@asynchronous
async def test_projection_goes_on_once_the_stores_are_back(settings: Settings) -> None:
    """Whichever was away, and also if it still is when the projector starts again."""
    async with owned_books(settings) as books:
        flaky = FlakyProjector(books.ledger, books.views)
        await flaky.start()
        flaky.away = 6
        with patch.object(compose, "RETRY_SECONDS", 0):
            async with projecting(replace(books, projector=flaky)) as task:
                await books.writer.write([Submitted(SIGNED)])
                async with asyncio.timeout(20):
                    await flaky.reached(1)
                assert not task.done()
        assert flaky.away < 0


@asynchronous
async def test_a_projector_that_is_fenced_ends(settings: Settings) -> None:
    """Another one is at work: this one says so instead of trying again."""
    async with owned_books(settings) as books:
        fenced = projecting(books)
        task = await fenced.__aenter__()
        await Projector(books.ledger, books.views).start()
        await books.writer.write([Submitted(SIGNED)])
        await asyncio.wait([task])
        with pytest.raises(Fenced):
            await fenced.__aexit__(None, None, None)
