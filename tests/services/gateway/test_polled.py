"""Polling: who waits for views elsewhere is told of any move, the store is asked once for all, and may be away."""

import asyncio

from msgspec.structs import replace

from services.gateway.polled import Polled
from services.views.memory import memory_views
from services.views.port import START, Position, ViewsUnavailable
from tests.services.running import asynchronous


class Asked:
    """Views in memory that count how often they are asked for a position, and can be away."""

    def __init__(self) -> None:
        self.views = memory_views()
        self.times = 0
        self.is_away = False

    async def position(self, partition: int) -> Position | None:
        self.times += 1
        if self.is_away:
            raise ViewsUnavailable("It is away.", "Wait.")
        return await self.views.position(partition)

    async def stand_at(self, partition: int, next_height: int) -> None:
        """Moves the views, forwards or back."""
        epoch = await self.views.claim(partition)
        await self.views.clear(partition)
        await self.views.commit(partition, epoch, 0, replace(START, next_height=next_height), {})


def polled(asked: Asked, *partitions: int) -> Polled:
    return Polled(asked, partitions)  # type: ignore[arg-type] # only their positions are asked for


@asynchronous
async def test_positions_are_those_of_all_partitions() -> None:
    asked = Asked()
    await asked.stand_at(4, 7)
    found = await polled(asked, 3, 4).now()
    assert {partition: at.next_height for partition, at in found.items()} == {3: 0, 4: 7}
    assert polled(asked, 3).ended() == ""


@asynchronous
async def test_a_move_is_told_to_all_who_wait_and_asked_for_once() -> None:
    asked = Asked()
    progress = polled(asked, 0)
    seen = await progress.now()
    waiting = [asyncio.create_task(progress.moved(seen)) for _ in range(50)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    while asked.times < 4:  # noqa: ASYNC110 - it is the polling that is watched
        await asyncio.sleep(0.01)
    assert not any(one.done() for one in waiting[1:]), "nothing has moved"
    await asked.stand_at(0, 5)
    times = asked.times
    assert {one[0].next_height for one in await asyncio.gather(*waiting[1:])} == {5}
    assert asked.times - times <= 2
    seen = await progress.now()
    fallen = asyncio.create_task(progress.moved(seen))
    await asked.stand_at(0, 2)
    assert (await fallen)[0].next_height == 2, "views that lost something have moved too"


@asynchronous
async def test_nobody_is_asked_while_nobody_waits() -> None:
    asked = Asked()
    progress = polled(asked, 0)
    seen = await progress.now()
    waiting = asyncio.create_task(progress.moved(seen))
    while asked.times < 3:  # noqa: ASYNC110 - see above
        await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.sleep(0.25)
    times = asked.times
    await asyncio.sleep(0.3)
    assert asked.times == times


@asynchronous
async def test_a_store_that_is_away_is_waited_for() -> None:
    asked = Asked()
    progress = polled(asked, 0)
    seen = await progress.now()
    asked.is_away = True
    waiting = asyncio.create_task(progress.moved(seen))
    while asked.times < 2:  # noqa: ASYNC110 - see above
        await asyncio.sleep(0.01)
    assert not waiting.done()
    await asked.stand_at(0, 1)
    asked.is_away = False
    assert (await waiting)[0].next_height == 1
