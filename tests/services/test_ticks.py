"""Ticks: an idle ledger notes the time, so that what is said of its past becomes final."""

import asyncio
from pathlib import Path

from services import clock
from services.deadletters import DeadLetters
from services.intake import Intake
from services.ledgers.memory import memory_ledger
from services.ledgers.port import Ledger
from tests.model.notation import fact, line
from tests.services.books import MemoryBooks, raw_of
from tests.services.running import asynchronous

SIGNED = raw_of(fact("signed", "a1", "2024-01-10", lines=[line(1000)]))
PAST = 1_717_243_200_000_000


async def heights(ledger: Ledger) -> list[int]:
    """How many entries each block of a ledger has."""
    return [block.entries async for block in ledger.read(0)]


@asynchronous
async def test_a_tick_makes_the_past_final() -> None:
    books = await MemoryBooks().start()
    await books.book([fact("signed", "a1", "2024-01-10", lines=[line(1000)])], at=PAST)
    asked = {"start": "2024-01-01", "until": "2024-02-01", "known_at": "2024-07-01T00:00:00Z"}
    before = await books.bridge(**asked)
    assert await books.writer.tick(60)
    after = await books.bridge(**asked)
    assert (before["as_of"]["final"], after["as_of"]["final"]) == (False, True)
    assert before["rows"] == after["rows"]
    assert await heights(books.ledger) == [0, 1, 0]


@asynchronous
async def test_there_is_one_tick_for_each_idle_time_and_none_before_the_first_event() -> None:
    books = await MemoryBooks().start()
    assert not await books.writer.tick(60)
    await books.book([fact("signed", "a1", "2024-01-10", lines=[line(1000)])], at=PAST)
    assert await books.writer.tick(60)
    assert not await books.writer.tick(60)
    assert await heights(books.ledger) == [0, 1, 0]


@asynchronous
async def test_a_rival_that_was_quicker_is_no_error() -> None:
    ledger = memory_ledger()
    books, rival = await MemoryBooks(ledger).start(), await MemoryBooks(ledger).start()
    await books.book([fact("signed", "a1", "2024-01-10", lines=[line(1000)])], at=PAST)
    await rival.book([fact("signed", "b1", "2024-01-10", lines=[line(1000)])], at=clock.now())
    assert not await books.writer.tick(60), "the height was taken"
    assert not await books.writer.tick(60), "it has read on, and the last block is young"
    await books.book([fact("signed", "c1", "2024-01-10", lines=[line(1000)])])
    assert await heights(ledger) == [0, 1, 1, 1]


@asynchronous
async def test_the_intake_ticks_once_it_has_recorded_something(tmp_path: Path) -> None:
    books = await MemoryBooks().start()
    await books.book([fact("signed", "b1", "2024-01-10", lines=[line(1000)])], at=PAST)
    dead_letters = DeadLetters(tmp_path)
    intake = Intake(books.writer, dead_letters, 10, 1)
    running = asyncio.create_task(intake.run())
    try:
        await asyncio.sleep(1.5)
        assert await heights(books.ledger) == [0, 1], "a history that is looked at stays as it is"
        await intake.submit([SIGNED], "test")
        tick = await anext(books.ledger.follow(0, 3))
        assert tick.entries == 0
    finally:
        running.cancel()
        await asyncio.wait([running])
        dead_letters.close()
