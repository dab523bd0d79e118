"""The columns hold what the blocks hold, row by row."""

import asyncio

from hypothesis import given, settings

from events import block as blocks
from events.block import Block
from services.archive.columns import BLOCKS, ENTRIES, POSTINGS, columns_of
from services.ledgers.memory import memory_ledger
from tests.effort import examples
from tests.model.days import Event
from tests.model.histories import histories
from tests.services.books import MemoryBooks


async def blocks_of(events: list[Event]) -> list[Block]:
    """The blocks of a ledger with these events, a few a block."""
    ledger = memory_ledger()
    books = await MemoryBooks(ledger).start()
    for start in range(0, len(events), 3):
        await books.book(events[start : start + 3])
    return [blocks.block_of(one.data) async for one in ledger.read(0)]


@settings(max_examples=examples(30))
@given(histories())
def test_every_posting_and_every_entry_is_a_row(history: list[Event]) -> None:
    found = asyncio.run(blocks_of(history))
    columns = columns_of(found)
    entries = [entry for block in found for entry in block.entries]
    bookings = [blocks.booking_of(entry) for entry in entries]
    posted = [(booking, one) for booking in bookings for one in booking.postings]
    assert columns.postings.schema == POSTINGS
    assert columns.entries.schema == ENTRIES
    assert columns.blocks.schema == BLOCKS
    assert columns.entries.column("booking").to_pylist() == [entry.booking for entry in entries]
    assert columns.entries.column("event").to_pylist() == [entry.event for entry in entries]
    assert columns.blocks.column("hash").to_pylist() == [block.hash for block in found]
    rows = columns.postings.to_pylist()
    assert len(rows) == len(posted)
    for row, (booking, one) in zip(rows, posted, strict=True):
        cell = one.cell
        named = dict(cell.labels)
        assert (row["seq"], row["account"]) == (booking.seq, booking.account)
        assert (row["movement"], row["amount_e4"]) == (one.movement, one.amount)
        assert (row["contract"], row["line"], row["plan"], row["product"]) == (
            cell.contract,
            cell.line,
            cell.plan,
            cell.product,
        )
        sold = {name: named.pop(name, "") for name in ("owner", "campaign", "channel")}
        assert {name: row[name] for name in sold} == sold
        assert row["term_months"] == (int(named.pop("term_months")) if "term_months" in named else None)
        assert dict(row["attributes"]) == named
        assert (row["reason"], row["initiative"]) == (one.reason, one.initiative)
        assert row["recorded_at"] is not None


def test_no_blocks_give_empty_tables() -> None:
    columns = columns_of([])
    assert (columns.postings.num_rows, columns.entries.num_rows, columns.blocks.num_rows) == (0, 0, 0)
