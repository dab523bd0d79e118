"""Following: blocks are folded as they come, together if they come together, whatever is lost."""

import asyncio
from unittest.mock import patch

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from services import following
from services.projector import Projector
from services.tasks import cancelled
from services.writer import Submitted
from tests.effort import examples
from tests.model.days import Event
from tests.model.histories import arrival_orders, histories
from tests.model.notation import changed, fact, line
from tests.services.books import MemoryBooks, raw_of
from tests.services.running import asynchronous
from tests.services.test_projector import until
from tests.simulation.checks import check_views

SOME = settings(max_examples=examples(20), deadline=None, phases=(Phase.explicit, Phase.generate))
EVENTS = [
    fact("signed", "a1", "2024-01-10", lines=[line(1000)]),
    changed("a", "2024-02-10", segment="enterprise"),
    fact("cancelled", "a1", "2024-03-05"),
]


@asynchronous
async def test_what_comes_after_a_pause_does_not_wait_and_the_rest_is_gathered() -> None:
    books = await MemoryBooks().start()
    with patch.object(Projector, "gather_seconds", 3_600.0):
        running = asyncio.create_task(books.projector.run())
        await books.writer.write([Submitted(raw_of(EVENTS[0]))])
        await until(books.projector, 1)
        for event in EVENTS[1:]:
            await books.writer.write([Submitted(raw_of(event))])
            await asyncio.sleep(0.01)
        assert books.projector.position.next_height == 2
        await cancelled([running])


@asynchronous
async def test_whoever_lagged_is_idle_once_nothing_comes() -> None:
    """More came at once than is held, so it was read from the ledger; then nothing is asked until it is time to."""
    books = await MemoryBooks().start()
    looks = 0

    async def look(_: Projector) -> None:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0)

    with (
        patch.object(following, "COMING_ENTRIES_MAX", 3),
        patch.object(following, "CHECK_SECONDS", 3_600.0),
        patch.object(Projector, "gather_seconds", 0.0),
        patch.object(Projector, "_check", look),
    ):
        running = asyncio.create_task(books.projector.run())
        for turns in range(25):
            for number in range(3):
                event = changed(f"a{number}", f"2024-04-{turns + 1:02}", size="1")
                await books.writer.write([Submitted(raw_of(event))])
                for _ in range(turns if number == 0 else 0):
                    await asyncio.sleep(0)
            await asyncio.sleep(0.001)
        tail = await books.ledger.tail(0)
        assert tail is not None
        await until(books.projector, tail.height)
        await asyncio.sleep(0.01)
        await cancelled([running])
    assert looks == 0


@SOME
@given(histories().flatmap(arrival_orders), st.data())
@asynchronous
async def test_what_comes_while_it_runs_is_projected_once(events: list[Event], data: st.DataObject) -> None:
    """However much comes at a time, more than is held too, and also by views that lose what they had."""
    books = await MemoryBooks().start()
    with patch.object(following, "COMING_ENTRIES_MAX", data.draw(st.integers(1, 6))):
        running = asyncio.create_task(books.projector.run())
        while events:
            size = data.draw(st.integers(1, 5))
            await books.writer.write([Submitted(raw_of(event)) for event in events[:size]])
            for _ in range(data.draw(st.integers(0, 3))):
                await asyncio.sleep(0)
            if data.draw(st.booleans()):
                await books.views.clear(0)
            events = events[size:]
        tail = await books.ledger.tail(0)
        assert tail is not None
        await until(books.projector, tail.height)
        await cancelled([running])
    if await books.views.position(0) != books.projector.position:  # lost since: looked for once a second
        await books.projector._check()
    await check_views(books.ledger, books.views)
