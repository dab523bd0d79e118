"""The furthest: how far the views have been, below which an answer would know less than those before it."""

from typing import Final

from services import clock
from services.gateway.ports import Positions
from services.gateway.problems import Problem
from services.ledgers.port import Ledger

USUAL_LAG_SECONDS: Final = 5
"""How long views may take to show the first event of a ledger before they count as lost."""


class Furthest:
    """Remembers, as long as the service runs, how far the views of every partition were seen.

    Views that were lost, or came back from an older copy, are built up again from the ledger: until they are where
    they were, what they hold is right for a time that is long past.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._heights: dict[int, int] = {}

    async def require(self, positions: Positions) -> None:
        """Raises Problem while the views of a partition are being built again; LedgerError as the ledger does."""
        missing = 0
        for partition, position in positions.items():
            furthest = self._heights.get(partition)
            if furthest is None:
                furthest = position.next_height or await self._written(partition)
            self._heights[partition] = max(furthest, position.next_height)
            missing += max(0, furthest - position.next_height)
        if missing:
            sentence = (
                f"the views were lost and are being built again from the ledger, {missing:,} blocks are still to come:"
                " ask again later, or ask the ledger itself at /v1/reports/replay"
            )
            raise Problem("views_behind", sentence, {"lag_blocks": missing}, headers={"retry-after": "5"})

    async def _written(self, partition: int) -> int:
        """How many blocks empty views lack; none where no event is in the ledger, or the first came just now."""
        tail, first = await self._ledger.tail(partition), await self._ledger.block_of(partition, 0)
        if tail is None or first is None or clock.now() - first.recorded_at < USUAL_LAG_SECONDS * 1_000_000:
            return 0
        return tail.height + 1
