"""Unmatched facts: as many as the books count, each with what it waits for."""

import asyncio
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.archive.tables import ledger_tables
from services.audit.unmatched import Unmatched, unmatched_of
from tests.effort import examples
from tests.model.days import Event
from tests.model.histories import histories
from tests.model.notation import fact, line, retracted
from tests.services.books import MemoryBooks


async def found_in(events: Sequence[Event]) -> tuple[list[Unmatched], int]:
    """What is unmatched, and how many the books count."""
    books: Any = await MemoryBooks().start()
    await books.book(events)
    tail = await books.ledger.tail(0)
    heights = {0: -1 if tail is None else tail.height}
    async with ledger_tables(books.ledger, heights, names=("entries",)) as tables:
        found = await unmatched_of(tables)
    return found, (await books.reports.book()).counts().get("unmatched", 0)


def test_each_says_what_it_waits_for() -> None:
    events = [
        fact("signed", "a-1", "2024-01-05", lines=[line(1000)]),
        fact("upgraded", "a-I", "2024-02-05", lines=[line(2000)]) | {"subject": "a"},
        fact("cancelled", "b-9", "2024-02-06") | {"subject": "b"},
    ]
    events[0]["subject"] = "a"
    events.append(retracted(fact("cancelled", "a-1", "2024-03-01") | {"id": "never", "subject": "a"}, "2024-03-02"))
    found, count = asyncio.run(found_in(events))
    assert count == 3
    assert [one.waits_for for one in found] == [
        "contract 'a-I', which nobody signed; did it mean 'a-1'?",
        "contract 'b-9', which nobody signed",
        f"event 'never' of {found[2].of_source!r}, which nobody sent",
    ]
    assert found[0].shown()["near"] == ["a-1"]
    assert found[2].shown()["of_id"] == "never"


@settings(max_examples=examples(20))
@given(histories(), st.randoms(use_true_random=False))
def test_there_are_as_many_as_the_books_count(history: list[Event], dice: Any) -> None:
    dice.shuffle(history)
    found, count = asyncio.run(found_in(history))
    assert len(found) == count
