"""Who a partition belongs to: when a lane claims it, when it ends for another, and what it takes for its own doing."""

import asyncio
from typing import Any
from unittest.mock import AsyncMock, patch

import pytest

from services.kafka.lanes import Lane
from services.ledgers.port import LedgerUnavailable
from services.metrics import Metrics
from services.projector import Projector
from services.views.port import Fenced, ViewsUnavailable
from tests.services.kafka.test_lanes import Scene, scene
from tests.services.running import asynchronous
from tests.simulation.checks import check_views


async def another(play: Scene) -> Projector:
    """A projector that was given the partition, at the head of the ledger."""
    projector = Projector(play.books.ledger, play.books.views)
    await projector.start()
    await projector.catch_up()
    return projector


@asynchronous
async def test_without_kafka_nothing_is_claimed() -> None:
    """Whoever has lost Kafka has lost its partitions as well, and does not hear of it."""
    async with scene(3) as play:
        await play.reached(3)
        play.log.is_away = True
        await play.looked()
        owner = await another(play)
        for _ in range(3):
            await play.append()
            await owner.catch_up()
            await play.looked()
        assert "Kafka is away" in play.lane.not_ready()
        play.log.is_away = False
        with pytest.raises(Fenced):
            await play.lane.task
        await play.append()
        await owner.catch_up()
        assert len(play.claimed) == 2, "one claim by the lane, one by its successor"
        await check_views(play.books.ledger, play.books.views)


@asynchronous
async def test_a_lane_that_begins_without_kafka_claims_nothing() -> None:
    async with scene(3) as play:
        play.log.is_away = True
        await play.looked()
        assert "Kafka is away" in play.lane.not_ready()
        assert play.claimed == []
        play.log.is_away = False
        await play.reached(3)
        assert len(play.claimed) == 1


@asynchronous
async def test_a_begin_that_fails_halfway_claims_once() -> None:
    async with scene(3) as play:
        await play.reached(3)
        with patch.object(play.books.ledger, "read", side_effect=LedgerUnavailable("It cannot be read.", "Wait.")):
            second = Lane(play.log, play.books.views, 0, Metrics())
            while "It cannot be read" not in second.not_ready():  # noqa: ASYNC110 - it is looked, not told
                await asyncio.sleep(0.005)
            for _ in range(3):
                await play.looked()
        assert await second.begins_at(10) == 4
        await second.close()
        assert len(play.claimed) == 2, "one claim by each lane"


@pytest.mark.parametrize("is_behind", [False, True], ids=["ahead", "behind"])
@asynchronous
async def test_an_idle_lane_ends_once_another_projects(is_behind: bool) -> None:
    """Its successor is ahead of it, or builds the views anew."""
    async with scene(3) as play:
        await play.reached(3)
        owner = await another(play)
        if is_behind:
            await play.books.views.clear(0)
            await owner.catch_up(2)
        else:
            await play.append()
            await owner.catch_up()
        with pytest.raises(Fenced):
            await play.lane.task
        await owner.catch_up()
        assert len(play.claimed) == 2, "one claim by the lane, one by its successor"
        await check_views(play.books.ledger, play.books.views)


@asynchronous
async def test_a_commit_of_its_own_whose_answer_was_lost_is_not_anothers() -> None:
    async with scene(3) as play:
        commit = play.books.views.commit
        answers = [ViewsUnavailable("The answer was lost.", "Wait.")]

        async def lossy(*given: Any) -> None:
            await commit(*given)
            if answers:
                raise answers.pop()

        with patch.object(play.books.views, "commit", lossy):
            await play.reached(3)
            await play.append()
            await play.reached(4)
        assert not answers
        assert len(play.claimed) == 1
        await check_views(play.books.ledger, play.books.views)


@asynchronous
async def test_a_commit_of_its_own_that_arrives_late_is_not_anothers() -> None:
    """The server may still get to it after the lane has read the position again."""
    async with scene(3) as play:
        await play.reached(3)
        late = Projector(play.books.ledger, play.books.views)
        with patch.object(play.books.views, "claim", AsyncMock(return_value=play.claimed[0])):
            await late.start()
        await play.append()
        await late.catch_up()
        await play.looked()
        await play.append()
        await play.reached(5)
        assert len(play.claimed) == 1
        await check_views(play.books.ledger, play.books.views)


@asynchronous
async def test_views_that_were_lost_come_back_without_a_claim() -> None:
    """The epoch goes on, so that it stays below that of a successor that lost them too."""
    async with scene(3) as play:
        await play.reached(3)
        await play.books.views.clear(0)
        await play.reached(3)
        assert len(play.claimed) == 1
        await check_views(play.books.ledger, play.books.views)


@asynchronous
async def test_views_that_were_lost_come_back_once_the_ledger_is_read_again() -> None:
    async with scene(3) as play:
        await play.reached(3)
        with patch.object(play.books.ledger, "read", side_effect=LedgerUnavailable("It cannot be read.", "Wait.")):
            await play.books.views.clear(0)
            while "It cannot be read" not in play.lane.not_ready():  # noqa: ASYNC110 - it is looked, not told
                await asyncio.sleep(0.005)
        await play.reached(3)
        await check_views(play.books.ledger, play.books.views)
