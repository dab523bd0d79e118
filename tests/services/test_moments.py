"""Moments against the list of all blocks: any clock, any time, any position, and what cannot be asked."""

from bisect import bisect_right

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.block import NO_HASH
from services.ledgers.memory import memory_ledger
from services.ledgers.port import Ledger, StoredBlock
from services.moments import Known, known_at, known_now
from services.questions import Moment, QuestionError
from tests.services.running import asynchronous

CLOCKS = st.lists(st.lists(st.integers(1, 12), max_size=9).map(sorted), min_size=1, max_size=3)


async def ledger_of(clocks: list[list[int]]) -> Ledger:
    """A ledger whose partitions recorded a block at each of some times."""
    ledger = memory_ledger()
    for partition, times in enumerate(clocks):
        for height, time in enumerate(times):
            before, own = bytes([height]) * 32, bytes([height + 1]) * 32
            await ledger.append([StoredBlock(partition, height, height, 1, time, before or NO_HASH, own, b"")])
    return ledger


@given(CLOCKS, st.integers(0, 13))
@asynchronous
async def test_a_time_is_all_that_was_recorded_by_then(clocks: list[list[int]], time: int) -> None:
    """It is final once every partition has recorded something later."""
    found = await known_at(await ledger_of(clocks), range(len(clocks)), Moment("", time))
    assert found.heights == {partition: bisect_right(times, time) - 1 for partition, times in enumerate(clocks)}
    assert found.final == all(times and times[-1] > time for times in clocks)


@asynchronous
async def test_positions_name_every_partition_and_no_block_to_come() -> None:
    """A position is always final; the error is about the parameter it came from."""
    ledger = await ledger_of([[1, 2], [5]])
    assert await known_at(ledger, range(2), Moment("", None, ((1, 0), (0, 1)))) == Known({0: 1, 1: 0})
    assert await known_now(ledger, range(3)) == Known({0: 1, 1: 0, 2: -1})
    for heights, sentence in ((((0, 1),), "names every partition"), (((0, 2), (1, 0)), "has no block 2 yet")):
        with pytest.raises(QuestionError, match=sentence) as error:
            await known_at(ledger, range(2), Moment("", None, heights), "between")
        assert error.value.parameter == "between"
