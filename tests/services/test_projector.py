"""The projector: live is what is booked again from scratch, at every height; and it goes on after any loss."""

import asyncio
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from events.block import BlockDamaged
from projections.pages import STATED
from services import following
from services import projector as module
from services.ledgers.port import StoredBlock
from services.projector import Projector
from services.views.memory import memory_views
from services.views.port import Fenced, ViewsUnavailable
from services.writer import Submitted
from tests.effort import examples
from tests.model.days import Event
from tests.model.histories import arrival_orders, histories
from tests.model.notation import changed, fact, line
from tests.services.books import MemoryBooks, raw_of
from tests.services.running import asynchronous
from tests.simulation.checks import check_views, content_of, folded

SOME = settings(max_examples=examples(60), deadline=None, phases=(Phase.explicit, Phase.generate))
EVENTS = [
    fact("signed", "a1", "2024-01-10", lines=[line(1000)], attributes={"segment": "smb"}),
    fact("signed", "b1", "2024-01-20", lines=[line(2000)]),
    changed("a", "2024-02-10", segment="enterprise"),
    fact("cancelled", "b1", "2024-03-05"),
]


async def written(events: list[Event]) -> MemoryBooks:
    """Books with one block an event, and nothing projected."""
    books = await MemoryBooks().start()
    with patch.object(Projector, "catch_up"):
        for event in events:
            await books.book([event])
    return books


@SOME
@given(st.data())
@asynchronous
async def test_live_is_booked_again_from_scratch(data: st.DataObject) -> None:
    """At every height it stops at, to the byte, however the blocks are batched and whatever is in memory."""
    books = await written(data.draw(histories().flatmap(arrival_orders)))
    tail = await books.ledger.tail(0)
    assert tail is not None
    live = books.projector
    height = 0
    small = data.draw(st.integers(1, 5)), data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))
    with (
        patch.object(following, "BATCH_ENTRIES_MAX", small[0]),
        patch.object(module, "RECORDS_MAX", small[1]),
        patch.object(module, "PAGES_MAX", small[2]),
    ):
        while height <= tail.height:
            height += data.draw(st.integers(1, 4))
            if data.draw(st.booleans()):
                live = Projector(books.ledger, books.views)
                await live.start()
            await live.catch_up(height)
            await check_views(books.ledger, books.views)
    assert live.position.next_height == tail.height + 1


@asynchronous
async def test_an_older_projector_is_fenced() -> None:
    books = await written(EVENTS)
    newer = Projector(books.ledger, books.views)
    await newer.start()
    with pytest.raises(Fenced):
        await books.projector.catch_up()
    await newer.catch_up()
    await check_views(books.ledger, books.views)


@asynchronous
async def test_a_look_tells_what_was_lost_from_what_another_moved() -> None:
    books = await written(EVENTS)
    older, newer = books.projector, Projector(books.ledger, books.views)
    await older.catch_up(2)
    assert await older.look() == older.position
    await books.views.clear(0)
    assert (await older.look()).next_height == 0
    await older.catch_up(2)
    await newer.start()
    assert await older.look() == older.position
    await newer.catch_up()
    with pytest.raises(Fenced):
        await older.look()
    await check_views(books.ledger, books.views)


@asynchronous
async def test_the_first_discount_brings_what_was_said_before_it() -> None:
    """Nothing is kept until then; from then on everything is, also by a projector that starts anew."""
    later = fact("upgraded", "a1", "2024-04-01", lines=[line(1000, discounts=[{"percent": "100"}])])
    books = await written([*EVENTS, later, fact("signed", "c1", "2024-05-01", lines=[line(1)])])
    await books.projector.catch_up(len(EVENTS) + 1)
    assert (0, STATED) not in books.views._hashes
    await books.projector.catch_up(len(EVENTS) + 2)
    assert set(books.views._hashes[0, STATED]) == {b"", b"a", b"b"}
    anew = Projector(books.ledger, books.views)
    await anew.start()
    await anew.catch_up()
    assert set(books.views._hashes[0, STATED]) == {b"", b"a", b"b", b"c"}
    await check_views(books.ledger, books.views)
    (row,) = (await books.figures(at="2024-05-01", where="segment=enterprise"))["rows"]
    assert (row["figures"]["mrr_minor"], row["figures"]["discounts_minor"]) == (0, 1000)


@asynchronous
async def test_views_of_another_ledger_are_started_over() -> None:
    books, other = await written(EVENTS), await written(EVENTS[::-1])
    await other.projector.catch_up()
    projector = Projector(books.ledger, other.views)
    await projector.start()
    await projector.catch_up()
    await check_views(books.ledger, other.views)


@asynchronous
async def test_views_of_another_form_are_started_over() -> None:
    """As after an upgrade that keeps something else under a key."""
    books = await written(EVENTS)
    await books.projector.catch_up()
    epoch, position = await books.views.claim(0), books.projector.position
    older = {"book": {"format": "0"}, "accounts": {"a": b"in another form"}}
    await books.views.commit(0, epoch, position.next_height, position, older)
    projector = Projector(books.ledger, books.views)
    await projector.start()
    await projector.catch_up()
    await check_views(books.ledger, books.views)


@asynchronous
async def test_views_ahead_of_their_ledger_are_started_over() -> None:
    """As when the ledger came back from a copy."""
    books, shorter = await written(EVENTS), await MemoryBooks().start()
    await books.projector.catch_up()
    await shorter.ledger.append([block async for block in books.ledger.read(0, 0, 3)])
    projector = Projector(shorter.ledger, books.views)
    await projector.start()
    await projector.catch_up()
    await check_views(shorter.ledger, books.views)


class AwayViews:
    """Views in memory that are away for some calls."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.away: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if self.away and self.away[0] == name:
            self.away.pop(0)
            raise ViewsUnavailable("The views are away.", "Try again.")
        return getattr(self._inner, name)


@asynchronous
async def test_what_was_not_committed_is_not_counted_twice() -> None:
    """A commit fails, and starting again fails as well: what follows still begins where the views stand."""
    books = await written(EVENTS)
    views: Any = AwayViews(books.views)
    projector = Projector(books.ledger, views)
    await projector.start()
    await projector.catch_up(2)
    views.away = ["commit", "claim", "position"]
    with pytest.raises(ViewsUnavailable):
        await projector.catch_up()
    for _ in range(2):
        with pytest.raises(ViewsUnavailable):
            await projector.start()
    await projector.catch_up()
    await check_views(books.ledger, books.views)
    assert projector.position.next_height == 5


@asynchronous
async def test_a_damaged_block_is_not_projected() -> None:
    books, other = await written(EVENTS), await written(EVENTS[1:])
    foreign = [block async for block in other.ledger.read(0)]
    await books.projector.catch_up(2)

    async def forged(*_: object) -> Any:
        yield foreign[2]

    with patch.object(books.ledger, "read", forged), pytest.raises(BlockDamaged, match="does not follow"):
        await books.projector.catch_up()
    assert content_of(books.views) == content_of(await folded(books.ledger, 2))


async def until(projector: Projector, height: int) -> None:
    """Waits for a height, for a bounded time."""
    async with asyncio.timeout(10):
        await projector.reached(height)


@asynchronous
async def test_it_follows_the_ledger() -> None:
    """Each block as it comes, and whoever waits for it is told."""
    books = await MemoryBooks().start()
    running = asyncio.create_task(books.projector.run())
    for index, event in enumerate(EVENTS, 1):
        waiting = asyncio.create_task(until(books.projector, index))
        await books.writer.write([Submitted(raw_of(event))])
        await waiting
        await check_views(books.ledger, books.views)
    running.cancel()


@pytest.mark.parametrize("loses", ["all", "some"])
@asynchronous
async def test_views_that_lose_something_are_brought_up_without_new_events(loses: str) -> None:
    """A server started again from an older copy, or empty, while nothing is written."""
    books = await written(EVENTS)
    older = await folded(books.ledger, 3) if loses == "some" else memory_views()
    with patch.object(following, "CHECK_SECONDS", 0.01):
        running = asyncio.create_task(books.projector.run())
        await until(books.projector, 4)
        for part in ("_positions", "_hashes"):
            setattr(books.views, part, getattr(older, part))
        async with asyncio.timeout(10):
            while (at := await books.views.position(0)) is None or at.next_height < 5:  # noqa: ASYNC110 - it is looked
                await asyncio.sleep(0.01)
        running.cancel()
    await check_views(books.ledger, books.views)


async def stored(books: MemoryBooks, from_height: int = 0, until_height: int | None = None) -> list[StoredBlock]:
    """Blocks of the ledger."""
    return [block async for block in books.ledger.read(0, from_height, until_height)]


@SOME
@given(st.data())
@asynchronous
async def test_blocks_taken_in_any_pieces_give_the_same_views(data: st.DataObject) -> None:
    """Handed over in the order of the log, some of them again after a start: each counts once."""
    books = await written(data.draw(histories().flatmap(arrival_orders)))
    chain = await stored(books)
    at = skipped = 0
    while at < len(chain):
        at = max(0, at - data.draw(st.integers(0, 2)))
        size = data.draw(st.integers(1, 4))
        known = books.projector.position.next_height - at
        skipped = await books.projector.take(chain[at : at + size])
        assert skipped == min(known, len(chain[at : at + size]))
        at += size
        await check_views(books.ledger, books.views)
    assert books.projector.position.next_height == len(chain)
    assert await books.projector.take([]) == 0


@asynchronous
async def test_a_fork_that_a_writer_left_behind_is_skipped() -> None:
    """Beside what is known already, in the middle of a batch, and right where the next block is due."""
    books, other = await written(EVENTS), await written(EVENTS[::-1])
    chain, fork = await stored(books), await stored(other)
    assert await books.projector.take([chain[0], chain[1], fork[1], fork[2], chain[2], fork[3]]) == 3
    assert books.projector.position.next_height == 3
    assert await books.projector.take([fork[3], chain[3], fork[3], fork[4]]) == 3
    await check_views(books.ledger, books.views)
    assert books.projector.position.next_height == 4


@pytest.mark.parametrize("first", [1, 3, 4])
@asynchronous
async def test_what_is_missing_before_a_block_is_read_from_the_ledger(first: int) -> None:
    """As after the views lost what the group had acknowledged."""
    books = await written(EVENTS)
    assert await books.projector.take(await stored(books, first)) == 0
    await check_views(books.ledger, books.views)
    assert books.projector.position.next_height == 5


@asynchronous
async def test_a_block_that_nobody_has_any_more_stops_the_projection() -> None:
    """Nothing may be projected over a loss, and nothing be passed over in silence."""
    books, shorter = await written(EVENTS), await MemoryBooks().start()
    await shorter.ledger.append(await stored(books, 0, 2))
    late = await stored(books, 3)
    with pytest.raises(BlockDamaged, match="block 3 came, and the ledger has no block 2"):
        await shorter.projector.take(late)
    await check_views(shorter.ledger, shorter.views)
    assert shorter.projector.position.next_height == 2


@pytest.mark.parametrize("height", [0, 2])
@asynchronous
async def test_views_that_moved_before_the_commit_are_read_again(height: int) -> None:
    """As when the server came back from an older copy between two batches."""
    books = await written(EVENTS)
    await books.projector.take(await stored(books, 0, 4))
    older = await folded(books.ledger, height)
    for part in ("_positions", "_hashes"):
        setattr(books.views, part, getattr(older, part))
    assert await books.projector.take(await stored(books, 4)) == 0
    await check_views(books.ledger, books.views)
    assert books.projector.position.next_height == 5


@pytest.mark.parametrize("call", ["read_each", "commit"])
@asynchronous
async def test_what_was_taken_and_not_committed_is_taken_again(call: str) -> None:
    """The same blocks come again; what they left in memory counts no more."""
    books = await written([*EVENTS, changed("a", "2024-04-01", segment="smb")])
    views: Any = AwayViews(books.views)
    projector = Projector(books.ledger, views)
    await projector.start()
    chain = await stored(books)
    with patch.object(module, "RECORDS_MAX", 0):
        await projector.take(chain[:3])
    views.away = [call]
    with pytest.raises(ViewsUnavailable):
        await projector.take(chain[3:])
    await check_views(books.ledger, books.views)
    assert await projector.take(chain[3:]) == 0
    await check_views(books.ledger, books.views)
    assert projector.position.next_height == 6
