"""Faults: a seeded dice decides at every touch of a store whether the process dies or the store is away."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from random import Random
from typing import Final

from msgspec import Struct

from services.accounts import Accounts, Reached
from services.ledgers.port import Ledger, LedgerUnavailable, StoredBlock
from services.views.port import Field, Position, Views, ViewsUnavailable, Writes

TELLING: Final = {"append": 4, "commit": 8}
"""Touches that decide most are made to fail more often than reads, by these factors."""


class Crash(BaseException):
    """The process is gone: nothing it holds in memory is seen again."""


class Rates(Struct):
    """How likely each fault is, out of 10,000 touches of a store (or of answers sent)."""

    crash: int = 0
    away: int = 0
    lost_answer: int = 0

    def halved(self) -> "Rates":
        """Half as likely: so that every run comes to its end."""
        return Rates(self.crash // 2, self.away // 2, self.lost_answer // 2)


class Fuse:
    """The life of one process: blown by the dice, and then nothing it does reaches a store any more."""

    def __init__(self, dice: Random, rates: Rates, counts: Counter[str]) -> None:
        self.dice = dice
        self.rates = rates
        self.counts = counts
        self.blown = asyncio.Event()

    def touch(self, point: str) -> None:
        """Dies here, perhaps."""
        if self.blown.is_set():
            raise Crash(point)
        if self.dice.randrange(10_000) < self.rates.crash * _weight(point):
            self.counts[f"crash {point}"] += 1
            self.blown.set()
            raise Crash(point)

    async def wait(self, point: str) -> None:
        """Lets others go first now and then, and dies here, perhaps."""
        for _ in range(self.dice.randrange(3)):
            await asyncio.sleep(0)
        self.touch(point)

    def is_away(self, point: str) -> bool:
        """Whether the store does not answer this time."""
        if self.dice.randrange(10_000) >= self.rates.away * _weight(point):
            return False
        self.counts[f"away {point}"] += 1
        return True

    def loses_answer(self) -> bool:
        """Whether a client never hears what became of its events."""
        if self.dice.randrange(10_000) >= self.rates.lost_answer:
            return False
        self.counts["answer lost"] += 1
        return True


def _weight(point: str) -> int:
    return TELLING.get(point.rpartition(" ")[2], 1)


class UnreliableLedger:
    """A ledger as one process sees it."""

    def __init__(self, inner: Ledger, fuse: Fuse) -> None:
        self._inner = inner
        self._fuse = fuse

    async def append(self, blocks: Sequence[StoredBlock]) -> None:
        await self._reached("before append")
        await self._inner.append(blocks)
        await self._reached("after append")

    async def tail(self, partition: int) -> StoredBlock | None:
        await self._reached("tail")
        return await self._inner.tail(partition)

    async def read(
        self, partition: int, from_height: int = 0, until_height: int | None = None
    ) -> AsyncIterator[StoredBlock]:
        await self._reached("read")
        async for block in self._inner.read(partition, from_height, until_height):
            yield block
            await self._reached("read on")

    async def follow(self, partition: int, from_height: int) -> AsyncIterator[StoredBlock]:
        async for block in self._inner.follow(partition, from_height):
            self._fuse.touch("follow")
            yield block

    async def block_of(self, partition: int, seq: int) -> StoredBlock | None:
        await self._reached("block_of")
        return await self._inner.block_of(partition, seq)

    async def forks(self, partition: int) -> int:
        await self._reached("forks")
        return await self._inner.forks(partition)

    async def close(self) -> None:
        """The store outlives every process."""

    async def _reached(self, point: str) -> None:
        await self._fuse.wait(f"ledger {point}")
        if self._fuse.is_away(f"ledger {point}"):
            raise LedgerUnavailable("The ledger is away.", "Try again.")


class UnreliableViews:
    """A views store as one process sees it."""

    def __init__(self, inner: Views, fuse: Fuse) -> None:
        self._inner = inner
        self._fuse = fuse

    async def claim(self, partition: int) -> int:
        await self._reached("before claim")
        epoch = await self._inner.claim(partition)
        await self._reached("after claim")
        return epoch

    async def position(self, partition: int) -> Position | None:
        await self._reached("position")
        return await self._inner.position(partition)

    async def commit(self, partition: int, epoch: int, expected_next: int, position: Position, writes: Writes) -> None:
        await self._reached("before commit")
        await self._inner.commit(partition, epoch, expected_next, position, writes)
        await self._reached("after commit")

    async def read(self, partition: int, key: str) -> dict[bytes, bytes]:
        await self._reached("read")
        return await self._inner.read(partition, key)

    async def read_many(self, partition: int, keys: Sequence[str]) -> list[dict[bytes, bytes]]:
        await self._reached("read_many")
        return await self._inner.read_many(partition, keys)

    async def read_fields(self, partition: int, key: str, fields: Sequence[Field]) -> list[bytes | None]:
        await self._reached("read_fields")
        return await self._inner.read_fields(partition, key, fields)

    async def read_each(self, partition: int, wanted: Mapping[str, Sequence[Field]]) -> dict[str, list[bytes | None]]:
        await self._reached("read_each")
        return await self._inner.read_each(partition, wanted)

    async def snapshot(self, partition: int, keys: Sequence[str]) -> tuple[Position | None, list[dict[bytes, bytes]]]:
        await self._reached("snapshot")
        return await self._inner.snapshot(partition, keys)

    async def snapshot_with(
        self, partition: int, keys: Sequence[str], wanted: Mapping[str, Sequence[Field]]
    ) -> tuple[Position | None, list[dict[bytes, bytes]], dict[str, list[bytes | None]]]:
        await self._reached("snapshot_with")
        return await self._inner.snapshot_with(partition, keys, wanted)

    async def keys(self, partition: int) -> list[str]:
        await self._reached("keys")
        return await self._inner.keys(partition)

    async def clear(self, partition: int) -> None:
        await self._reached("before clear")
        await self._inner.clear(partition)
        await self._reached("after clear")

    async def close(self) -> None:
        """The store outlives every process."""

    async def _reached(self, point: str) -> None:
        await self._fuse.wait(f"views {point}")
        if self._fuse.is_away(f"views {point}"):
            raise ViewsUnavailable("The views are away.", "Try again.")


class UnreliableAccounts(Accounts):
    """The writer's accounts, whose file may be behind when the process dies."""

    fuse: Fuse

    def keep(self, reached: Reached) -> None:
        self.fuse.touch("accounts before keep")
        super().keep(reached)
        self.fuse.touch("accounts after keep")
