"""A ledger that counts what is appended to it; all else it leaves to the ledger it stands before."""

from collections.abc import Sequence
from typing import Any, cast

from services.ledgers.port import HeightTaken, Ledger, StoredBlock
from services.metrics import Metrics


def counted_ledger(ledger: Ledger, metrics: Metrics) -> Ledger:
    """The ledger, the sizes of its new blocks in `block_entries` and `block_bytes`, lost races in `overtaken`."""
    return cast("Ledger", _CountedLedger(ledger, metrics))


class _CountedLedger:
    def __init__(self, ledger: Ledger, metrics: Metrics) -> None:
        self._ledger = ledger
        self._metrics = metrics

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    async def append(self, blocks: Sequence[StoredBlock]) -> None:
        try:
            await self._ledger.append(blocks)
        except HeightTaken as error:
            self._metrics.overtaken.labels(str(error.partition)).inc()
            raise
        for block in blocks:
            self._metrics.block_entries.observe(block.entries)
            self._metrics.block_bytes.observe(len(block.data))
