"""Planning: the same ranges by whoever looks, and no more than there is."""

import pytest

from services.archive.catalogue import catalogue_of
from services.archive.chunks import block_at
from services.archive.planning import missing_range, unsealed_ranges
from services.archive.stores import store_of
from services.ledgers.memory import memory_ledger
from services.ledgers.port import LedgerUnavailable
from tests.services.archive.books import EVENTS, FOR_EVER, ledger_with, seal_all
from tests.services.running import asynchronous

NOWHERE = store_of("./never-made")


@pytest.mark.parametrize(
    ("entries", "rest_before", "expected"),
    [
        (4, None, [(0, 5, 4)]),
        (4, FOR_EVER, [(0, 5, 4), (5, 7, 2)]),
        (4, 1, [(0, 5, 4)]),
        (6, None, [(0, 7, 6)]),
        (7, None, []),
        (7, FOR_EVER, [(0, 7, 6)]),
        (1, None, [(0, 2, 1), (2, 3, 1), (3, 4, 1), (4, 5, 1), (5, 6, 1), (6, 7, 1)]),
    ],
)
@asynchronous
async def test_ranges_are_cut_by_entries(
    entries: int, rest_before: int | None, expected: list[tuple[int, int, int]]
) -> None:
    ledger, found = await ledger_with(), await catalogue_of(NOWHERE)
    ranges = await unsealed_ranges(ledger, found, [0], entries, rest_before=rest_before)
    assert [(one.from_height, one.until_height, one.entries) for one in ranges] == expected


@asynchronous
async def test_blocks_are_not_cut() -> None:
    ledger, found = await ledger_with(block_entries=4), await catalogue_of(NOWHERE)
    ranges = await unsealed_ranges(ledger, found, [0], 3, rest_before=FOR_EVER)
    assert [(one.from_height, one.until_height, one.entries) for one in ranges] == [(0, 2, 4), (2, 3, 2)]


@asynchronous
async def test_an_empty_ledger_has_nothing_to_seal() -> None:
    found = await catalogue_of(NOWHERE)
    assert await unsealed_ranges(memory_ledger(), found, [0, 1], 1, rest_before=FOR_EVER) == []


@asynchronous
async def test_what_is_left_over_waits_until_it_is_old(tmp_path: object) -> None:
    ledger, store = await ledger_with(), store_of(str(tmp_path))
    await seal_all(ledger, store, 5)
    found = await catalogue_of(store)
    assert await unsealed_ranges(ledger, found, [0], 5, rest_before=FOR_EVER) == []
    shorter = await catalogue_of(NOWHERE)
    at = (await block_at(ledger, 0, 1)).header.recorded_at
    assert await unsealed_ranges(ledger, shorter, [0], 7, rest_before=at) == []
    assert len(await unsealed_ranges(ledger, shorter, [0], 7, rest_before=at + 1)) == 1


@asynchronous
async def test_a_missing_range_is_counted() -> None:
    ledger = await ledger_with()
    assert (await missing_range(ledger, 0, 0, len(EVENTS) + 1)).entries == len(EVENTS)
    with pytest.raises(LedgerUnavailable, match="no block 8"):
        await missing_range(ledger, 0, 8, 10)
