"""The recent blocks: whatever is appended and in whatever order it ends, what is told of a run is the ledger's."""

from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from services.ledgers import recent
from services.ledgers.recent import Recent
from tests.services.ledgers.blocks import chain

CHAINS = {partition: chain(12, partition=partition) for partition in (0, 1)}
APPENDED = st.lists(st.tuples(st.sampled_from([0, 1]), st.integers(0, 11), st.integers(1, 3)), max_size=12)


@given(APPENDED, st.integers(1, 5), st.integers(0, 12), st.integers(0, 12))
def test_what_is_told_is_the_chain_without_a_gap(
    appended: list[tuple[int, int, int]], most: int, height: int, until: int
) -> None:
    """Others append in between, and appends end in another order than they began."""
    with patch.object(recent, "RECENT_BLOCKS_MAX", most):
        kept, furthest = Recent(), -1
        for partition, start, count in appended:
            blocks = CHAINS[partition][start : start + count]
            kept.add(blocks)
            furthest = max(furthest, blocks[-1].height) if partition == 0 else furthest
        told = kept.since(0, height, until)
        assert (kept.since(0, furthest, furthest + 1) is None) == (furthest < 0)
    if told is not None:
        assert told == CHAINS[0][height : min(until, furthest + 1)]
        assert len(told) <= most


def test_large_blocks_leave_no_room_for_many() -> None:
    blocks = chain(4)
    with patch.object(recent, "RECENT_BYTES_MAX", len(blocks[3].data)):
        kept = Recent()
        kept.add(blocks)
        assert kept.since(0, 3, 4) == blocks[3:]
        assert kept.since(0, 2, 4) is None
