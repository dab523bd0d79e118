"""The last blocks that this object appended, in memory: those who follow need not ask the file for them."""

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Final

from services.ledgers.port import StoredBlock

RECENT_BLOCKS_MAX: Final = 1_000
RECENT_BYTES_MAX: Final = 4 * 1024 * 1024


class Recent:
    """An unbroken run of a partition's last blocks, as far as this object appended them: they never change."""

    def __init__(self) -> None:
        self._runs: dict[int, deque[StoredBlock]] = {}
        self._bytes: dict[int, int] = {}

    def add(self, blocks: Sequence[StoredBlock]) -> None:
        """Takes over blocks that are durable; what another wrote between them and those before ends the run."""
        for block in blocks:
            run = self._runs.setdefault(block.partition, deque())
            if run and block.height <= run[-1].height:
                continue  # two appends ended in another order than they began
            if run and block.height != run[-1].height + 1:
                run.clear()
                self._bytes[block.partition] = 0
            run.append(block)
            self._bytes[block.partition] = self._bytes.get(block.partition, 0) + len(block.data)
            while len(run) > RECENT_BLOCKS_MAX or (len(run) > 1 and self._bytes[block.partition] > RECENT_BYTES_MAX):
                self._bytes[block.partition] -= len(run.popleft().data)

    def since(self, partition: int, height: int, until: int) -> list[StoredBlock] | None:
        """The blocks from a height on and below another; None if they are not known to begin or end there."""
        run = self._runs.get(partition)
        if not run or not run[0].height <= height <= run[-1].height + 1:
            return None
        first = run[0].height
        return list(islice(run, height - first, max(height, until) - first))
