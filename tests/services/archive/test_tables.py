"""The tables hold the postings up to the heights asked for, and no others."""

import asyncio
import gc
from typing import Any

import pytest

from services.archive import chunks
from services.archive.tables import ledger_tables
from tests.model.notation import fact, line
from tests.services.books import MemoryBooks

EVENTS = [
    fact("signed", "a1", "2024-01-05", lines=[line(4000)]),
    fact("upgraded", "a1", "2024-02-05", lines=[line(10000)]),
    fact("cancelled", "a1", "2024-04-05", reason="price"),
]
SUM = "SELECT movement, sum(amount_e4) FROM postings WHERE movement <> 'ahead' GROUP BY 1 ORDER BY 1"


async def answers(heights: dict[int, int]) -> list[tuple[Any, ...]]:
    books = await MemoryBooks().start()
    for event in EVENTS:
        await books.book([event])
    async with ledger_tables(books.ledger, heights) as found:
        return await found.rows(SUM)


@pytest.mark.parametrize("chunk", [1, 50_000])
def test_what_lies_beyond_the_heights_is_left_out(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_ENTRIES", chunk)
    new = ("new", 4000 * 120_000)
    assert asyncio.run(answers({0: -1})) == []
    assert asyncio.run(answers({0: 0})) == []
    assert asyncio.run(answers({0: 1})) == [new]
    assert asyncio.run(answers({0: 2})) == [("expansion", 6000 * 120_000), new]
    assert asyncio.run(answers({0: 3})) == [("churn", -10000 * 120_000), ("expansion", 6000 * 120_000), new]


def test_whoever_is_cancelled_interrupts_the_query_and_nothing_is_said_of_it() -> None:
    said: list[object] = []

    async def ask() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
        books = await MemoryBooks().start()
        await books.book(EVENTS)
        async with ledger_tables(books.ledger, {0: 1}) as found:
            endless = "SELECT sum(a.range * b.range) FROM range(1000000) AS a, range(1000000) AS b"
            asking = asyncio.create_task(found.rows(endless))
            await asyncio.sleep(0.05)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            assert await found.rows("SELECT 1") == [(1,)]
        del asking
        gc.collect()

    asyncio.run(ask())
    assert said == []
