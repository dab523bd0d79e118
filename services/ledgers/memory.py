"""The ledger in memory: the twin of the durable ones, for tests and throw-away runs."""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence

from services.ledgers.port import Ledger, StoredBlock, closed_ledger, require_chain


def memory_ledger() -> Ledger:
    """An empty ledger that lives as long as the object."""
    return _MemoryLedger()


class _MemoryLedger:
    """One list of blocks per partition; a block's height is its index."""

    def __init__(self) -> None:
        self._chains: dict[int, list[StoredBlock]] = {}
        self._appended = asyncio.Event()
        self._closed = False

    async def append(self, blocks: Sequence[StoredBlock]) -> None:
        require_chain({block.partition: self._tail(block.partition) for block in blocks}, blocks)
        for block in blocks:
            self._chains.setdefault(block.partition, []).append(block)
        self._wake()

    async def tail(self, partition: int) -> StoredBlock | None:
        return self._tail(partition)

    async def read(
        self, partition: int, from_height: int = 0, until_height: int | None = None
    ) -> AsyncIterator[StoredBlock]:
        height = max(from_height, 0)
        while height < len(self._chain(partition)) and (until_height is None or height < until_height):
            yield self._chain(partition)[height]
            height += 1

    async def follow(self, partition: int, from_height: int) -> AsyncIterator[StoredBlock]:
        height = from_height
        while True:
            appended = self._appended
            async for block in self.read(partition, height):
                yield block
                height = block.height + 1
            await appended.wait()

    async def block_of(self, partition: int, seq: int) -> StoredBlock | None:
        chain = self._chain(partition)
        block = chain[bisect_right(chain, seq, key=_first_seq) - 1] if chain else None
        return block if block is not None and block.first_seq <= seq < block.end_seq else None

    async def forks(self, partition: int) -> int:
        del partition  # an append that comes too late is refused
        return 0

    async def close(self) -> None:
        self._closed = True
        self._wake()

    def _chain(self, partition: int) -> list[StoredBlock]:
        if self._closed:
            raise closed_ledger()
        return self._chains.get(partition, [])

    def _tail(self, partition: int) -> StoredBlock | None:
        chain = self._chain(partition)
        return chain[-1] if chain else None

    def _wake(self) -> None:
        """Wakes whoever follows; each wait has its own event, so that none is missed."""
        appended, self._appended = self._appended, asyncio.Event()
        appended.set()


def _first_seq(block: StoredBlock) -> int:
    return block.first_seq
