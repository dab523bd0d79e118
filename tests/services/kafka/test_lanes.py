"""A lane without Kafka: what is acknowledged and when, how much waits, and what it does when nothing is handed over."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import AsyncMock, patch

import pytest

from services import clock
from services.kafka import lanes
from services.kafka.lanes import Handed, Lane
from services.ledgers.port import LedgerUnavailable, StoredBlock
from services.metrics import Metrics
from services.projector import Projector
from services.views.port import ViewsUnavailable
from tests.model.notation import fact, line
from tests.services.books import MemoryBooks
from tests.services.running import asynchronous
from tests.simulation.checks import check_views


class Log:
    """A ledger in memory as one in a topic without forks: the offset of a block is its height."""

    def __init__(self, ledger: Any) -> None:
        self._ledger = ledger
        self.is_away = False
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def offset_of(self, partition: int, height: int) -> int:
        return height

    async def end_offset(self, partition: int) -> int:
        self.asked += 1
        if self.is_away:
            raise LedgerUnavailable("Kafka is away.", "Wait.")
        tail = await self._ledger.tail(partition)
        return 0 if tail is None else int(tail.height) + 1


class Scene:
    """A written ledger, a lane, and what was acknowledged."""

    def __init__(self, books: MemoryBooks, log: Any) -> None:
        self.books = books
        self.log = log
        self.metrics = Metrics()
        self.acked: list[int] = []
        self.claimed: list[int] = []
        self._claim = books.views.claim
        books.views.claim = self.claim
        self.lane = Lane(log, books.views, 0, self.metrics)

    async def blocks(self) -> list[StoredBlock]:
        return [block async for block in self.books.ledger.read(0)]

    def handed(self, block: StoredBlock, offset: int | None = None) -> Handed:
        at = block.height if offset is None else offset
        return Handed(block, at, lambda: self.acked.append(at))

    async def hand_over(self, *blocks: StoredBlock) -> None:
        for block in blocks:
            await self.lane.put(self.handed(block))

    async def claim(self, partition: int) -> int:
        """Claims in the views, and remembers the epochs."""
        self.claimed.append(await self._claim(partition))
        return self.claimed[-1]

    async def append(self) -> None:
        """Writes a block that is not handed over."""
        with patch.object(Projector, "catch_up"):
            await self.books.book([fact("signed", f"b{self.log.asked}", "2024-02-10", lines=[line(10)])])

    async def looked(self) -> None:
        """Waits until Kafka was asked a few times more, which a lane that has ended does not do."""
        goal = self.log.asked + 3
        while self.log.asked < goal and not self.lane.task.done():  # noqa: ASYNC110 - it is looked, not told
            await asyncio.sleep(0.005)

    async def reached(self, height: int) -> None:
        while True:
            position = await self.books.views.position(0)
            if position is not None and position.next_height > height:
                return
            await asyncio.sleep(0.005)


@asynccontextmanager
async def scene(blocks: int) -> AsyncIterator[Scene]:
    books = await MemoryBooks().start()
    with patch.object(Projector, "catch_up"):
        for number in range(blocks):
            await books.book([fact("signed", f"a{number}", "2024-01-10", lines=[line(1_000 + number)])])
    with patch.object(lanes, "RETRY_SECONDS", 0.01), patch.object(lanes, "LOOK_SECONDS", 0.01):
        made = Scene(books, Log(books.ledger))
        try:
            yield made
        finally:
            if not made.lane.task.done():
                await made.lane.close()


@asynchronous
async def test_blocks_are_acknowledged_in_order_once_they_are_committed() -> None:
    async with scene(5) as play:
        blocks = await play.blocks()
        assert await play.lane.begins_at(10) == 0
        with patch.object(play.books.views, "commit", side_effect=ViewsUnavailable("The views are away.", "Wait.")):
            await play.hand_over(*blocks)
            while "The views are away" not in play.lane.not_ready():  # noqa: ASYNC110 - it is looked, not told
                await asyncio.sleep(0.005)
            assert play.acked == []
        await play.reached(5)
        while len(play.acked) < 6:  # noqa: ASYNC110 - it is looked, not told
            await asyncio.sleep(0.005)
        assert play.acked == list(range(6))
        assert play.lane.not_ready() == ""
        await check_views(play.books.ledger, play.books.views)


@asynchronous
async def test_what_waits_is_bounded() -> None:
    async with scene(6) as play:
        blocks = await play.blocks()
        held = asyncio.Event()

        async def take(_projector: Projector, coming: Any) -> int:
            await held.wait()
            return await original(_projector, coming)

        original = Projector.take
        with patch.object(Projector, "take", take), patch.object(lanes, "WAITING_BLOCKS_MAX", 3):
            handing = asyncio.create_task(play.hand_over(*blocks))
            for _ in range(20):
                await asyncio.sleep(0)
            assert not handing.done(), "there was to be no room"
            held.set()
            await handing
            await play.reached(6)
        await check_views(play.books.ledger, play.books.views)


@asynchronous
async def test_a_closed_lane_drops_what_comes() -> None:
    async with scene(2) as play:
        await play.lane.begins_at(10)
        await play.lane.close()
        await play.hand_over(*await play.blocks())
        assert play.acked == []
        assert b"revledger_lag_blocks{" not in play.metrics.text()
        assert await play.books.views.position(0) is None


@asynchronous
async def test_whoever_waits_for_room_is_let_go_when_the_lane_closes() -> None:
    async def never(*_: object) -> int:
        await asyncio.sleep(3_600)
        return 0

    async with scene(3) as play:
        with (
            patch.object(lanes, "WAITING_BLOCKS_MAX", 1),
            patch.object(lanes, "GRACE_SECONDS", 0.01),
            patch.object(Projector, "take", never),
        ):
            handing = asyncio.create_task(play.hand_over(*await play.blocks()))
            for _ in range(20):
                await asyncio.sleep(0)
            await play.lane.close()
            await handing
        assert play.acked == []


@asynchronous
async def test_a_ledger_of_which_nothing_is_handed_over_is_read() -> None:
    async with scene(4) as play:
        await play.reached(4)
        await check_views(play.books.ledger, play.books.views)
        await play.lane.measure()
        assert play.lane.lag == 0


@asynchronous
async def test_a_hole_in_what_is_handed_over_is_filled() -> None:
    async with scene(8) as play:
        blocks = await play.blocks()
        await play.hand_over(blocks[3], blocks[2], blocks[7])
        await play.reached(7)
        await check_views(play.books.ledger, play.books.views)


@asynchronous
async def test_standing_still_behind_the_ledger_is_not_live() -> None:
    async with scene(3) as play:
        away = ViewsUnavailable("The views are away.", "Wait.")
        await play.lane.begins_at(10)
        with patch.object(play.books.views, "commit", side_effect=away):
            await play.hand_over(*await play.blocks())
            await play.lane.measure()
            assert play.lane.lag == 4
            assert play.lane.not_live() == ""
            with patch.object(lanes, "STANDSTILL_SECONDS", -1.0):
                assert play.lane.not_live().startswith("the views of partition 0 lack 4 blocks")
                play.log.is_away = True
                await play.lane.measure()
                assert play.lane.not_live(), "what Kafka said last counts"
                play.log.is_away = False
        await play.reached(3)
        await play.lane.measure()
        with patch.object(lanes, "STANDSTILL_SECONDS", -1.0):
            assert play.lane.not_live() == ""


@asynchronous
async def test_lag_is_measured_in_blocks_and_seconds() -> None:
    async with scene(3) as play:
        blocks = await play.blocks()
        await play.lane.begins_at(10)
        with (
            patch.object(play.books.views, "commit", side_effect=ViewsUnavailable("The views are away.", "Wait.")),
            patch.object(clock, "now", lambda: blocks[0].recorded_at + 2_500_000),
        ):
            await play.lane.measure()
            shown = play.metrics.text().decode().splitlines()
        assert 'revledger_lag_blocks{partition="0"} 4.0' in shown
        assert 'revledger_lag_seconds{partition="0"} 2.5' in shown


@asynchronous
async def test_what_a_person_has_to_look_at_ends_the_lane() -> None:
    async with scene(1) as play:
        await play.lane.begins_at(10)
        with patch.object(Projector, "take", side_effect=RuntimeError("a bug")):
            await play.hand_over((await play.blocks())[0])
            with pytest.raises(RuntimeError, match="a bug"):
                await play.lane.task


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged, from warnings on."""
    return [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]


@asynchronous
async def test_an_outage_is_logged_once_for_each_cause(caplog: pytest.LogCaptureFixture) -> None:
    async with scene(3) as play:
        play.log.is_away = True
        await play.looked()
        with patch.object(play.books.views, "claim", side_effect=ViewsUnavailable("The views are away.", "Wait.")):
            play.log.is_away = False
            await play.looked()
        await play.reached(3)
    waits = "projection of partition 0 waits: "
    assert said(caplog) == [waits + "Kafka is away. Wait.", waits + "The views are away. Wait."]


@asynchronous
async def test_a_long_outage_is_brought_to_mind(caplog: pytest.LogCaptureFixture) -> None:
    with patch.object(lanes, "REMIND_SECONDS", 0.0):
        async with scene(1) as play:
            play.log.is_away = True
            await play.looked()
    assert len(said(caplog)) > 1
    assert set(said(caplog)) == {"projection of partition 0 waits: Kafka is away. Wait."}


@asynchronous
async def test_a_lane_waits_while_its_views_are_not_fit(caplog: pytest.LogCaptureFixture) -> None:
    async with scene(3) as play:
        await play.lane.close()
        check = AsyncMock(side_effect=ViewsUnavailable("They evict.", "Set it."))
        second = Lane(play.log, play.books.views, 0, Metrics(), check)
        while check.await_count < 3:  # noqa: ASYNC110 - it is looked, not told
            await asyncio.sleep(0.005)
        assert second.not_ready() == "partition 0 waits: They evict. Set it."
        assert play.claimed == []
        check.side_effect = None
        await second.begins_at(10)
        checked = check.await_count
        play.log.is_away = True
        while "Kafka is away" not in second.not_ready():  # noqa: ASYNC110 - it is looked, not told
            await asyncio.sleep(0.005)
        play.log.is_away = False
        while check.await_count == checked or second.not_ready():  # noqa: ASYNC110 - it is looked, not told
            await asyncio.sleep(0.005)
        await second.close()
    assert "projection of partition 0 waits: They evict. Set it." in said(caplog)
