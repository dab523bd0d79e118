"""Following the ledger: whoever folds the blocks of a partition into views, every block once and in order."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from typing import ClassVar, Final

from events import block as blocks
from events.block import Block, BlockDamaged
from services.ledgers.port import Chains, StoredBlock
from services.views.port import START, Gap, Position, Views

BATCH_ENTRIES_MAX: Final = 50_000
"""The most entries of one commit: whoever is behind rewrites each page once for all of them."""
BATCH_BYTES_MAX: Final = 64 * 1024 * 1024
COMING_ENTRIES_MAX: Final = 1_000
"""How many blocks, and entries in them, are held that came and are still to be projected."""
CHECK_SECONDS: Final = 1.0
"""How often whoever is idle looks whether the views are still where it left them."""


class Follower(ABC):
    """Keeps some views of one partition at the head of its ledger.

    What it holds in memory is a copy of the views; on any doubt it drops it and reads them again.
    `gather_seconds`: what `run` lets pass from one commit to the next, so that whoever is busy folds together what came
    meanwhile; a block that comes after a pause does not wait.
    """

    gather_seconds: ClassVar[float] = 0.0

    def __init__(self, ledger: Chains, views: Views, partition: int = 0) -> None:
        self._ledger = ledger
        self._views = views
        self._partition = partition
        self._epoch = 0
        self._doubtful = True
        self._position = START
        self._before: Block | None = None
        self._moved = asyncio.Condition()
        self._came: list[StoredBlock] = []
        self._coming = asyncio.Event()

    @abstractmethod
    async def _project(self, batch: Sequence[StoredBlock]) -> None:
        """Folds blocks that follow the position, and commits; then moves the position. Raises as `run` does, or Gap."""

    @abstractmethod
    async def _reload(self) -> None:
        """Drops what is in memory and begins where the views stand; then nothing is doubtful."""

    @property
    def partition(self) -> int:
        """Which partition it follows."""
        return self._partition

    @property
    def position(self) -> Position:
        """How far the views reach."""
        return self._position

    @property
    def is_claimed(self) -> bool:
        """Whether it has an epoch; another may have a newer one by now, which a commit tells."""
        return self._epoch > 0

    async def start(self) -> None:
        """Takes the partition over, and starts its views from nothing where they are of another ledger."""
        self._epoch = await self._views.claim(self._partition)
        await self._reload()

    async def run(self) -> None:
        """Follows the ledger for ever; start it first. Views that lose something meanwhile are brought up again.

        Raises:
            Fenced: another took the partition over.
            ViewsUnavailable, LedgerUnavailable, BlockDamaged: nothing was folded wrongly; start again.
        """
        while True:
            await self._keep_up()
            await self.catch_up()

    async def _keep_up(self) -> None:
        """Projects blocks as they come; returns when too many have come to be held."""
        self._came = []
        self._coming.clear()
        listening = asyncio.create_task(self._listen(self._position.next_height))
        now = asyncio.get_running_loop().time
        begun = 0.0
        try:
            while not listening.done():
                await self._something_came()
                if self._came:
                    await asyncio.sleep(max(0.0, begun + self.gather_seconds - now()))
                    begun = now()
                    await self._take_in()
                elif not listening.done():
                    self._coming.clear()  # what listened before may have set it last
                    await self._check()
            listening.result()
        finally:
            listening.cancel()

    async def _listen(self, height: int) -> None:
        """Holds what comes; whoever lags by more than a little reads it from the ledger, in large commits."""
        try:
            async for block in self._ledger.follow(self._partition, height):
                self._came.append(block)
                self._coming.set()
                if sum(1 + one.entries for one in self._came) > COMING_ENTRIES_MAX:
                    return
        finally:
            self._coming.set()

    async def _something_came(self) -> None:
        """Returns when blocks are held or none can come any more, and after a while in any case."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CHECK_SECONDS):
                await self._coming.wait()

    async def _take_in(self) -> None:
        """Projects what came; where the views are not right before that, all that the ledger holds."""
        came, self._came = self._came, []
        self._coming.clear()
        if self._doubtful:
            await self._reload()
        new = [one for one in came if one.height >= self._position.next_height]
        if new and new[0].height > self._position.next_height:
            await self.catch_up()
        else:
            await self._take_all(new)

    async def catch_up(self, until_height: int | None = None) -> None:
        """Projects all that the ledger holds now (or the blocks below a height), and returns."""
        while await self._pass(until_height):
            pass

    async def take(self, coming: Sequence[StoredBlock]) -> int:
        """Projects blocks that were handed over, in the order of the log they come from; how many were skipped.

        A block the views reflect already, and a fork that a writer left behind, is skipped. What is missing
        before a block, because the views lost it, is read from the ledger. Raises as `run` does.
        """
        if self._doubtful:
            await self._reload()
        skipped = 0
        batch: list[StoredBlock] = []
        for stored in coming:
            due = self._position.next_height + len(batch)
            if stored.height > due:
                await self._take_all(batch)
                batch = []
                await self.catch_up(stored.height)
                due = self._position.next_height
                if stored.height > due:
                    raise BlockDamaged(f"block {stored.height} came, and the ledger has no block {due}")
            before = batch[-1].hash if batch else self._position.last_hash or blocks.NO_HASH
            if stored.height == due and stored.prev_hash == before:
                batch.append(stored)
            else:
                skipped += 1
        await self._take_all(batch)
        return skipped

    async def _take_all(self, batch: Sequence[StoredBlock]) -> None:
        """Projects blocks that follow the position; where the views have moved meanwhile, from the ledger."""
        if not batch:
            return
        try:
            await self._project(batch)
        except Gap:
            await self._reload()
            await self.catch_up(batch[-1].height + 1)
        except BaseException:
            self._doubtful = True
            raise

    async def look(self) -> Position:
        """Where the views stand; if that is elsewhere than they were left, what is in memory is dropped.

        Raises `Fenced` if another projector has moved them: the store is asked by a commit that changes nothing,
        for a commit of our own whose answer was lost moves them too.
        """
        stored = await self._views.position(self._partition)
        if (stored or START) != self._position:
            self._doubtful = True
            if stored is not None:
                with suppress(Gap):
                    await self._views.commit(self._partition, self._epoch, stored.next_height, stored, {})
        return stored or START

    async def reached(self, height: int) -> None:
        """Waits until the views reflect a block."""
        async with self._moved:
            await self._moved.wait_for(lambda: self._position.next_height > height)

    async def _pass(self, until_height: int | None) -> bool:
        """Projects from the position to the tail in large commits; whether there may be more."""
        if self._doubtful:
            await self._reload()
        batch: list[StoredBlock] = []
        entries = size = 0
        start = self._position.next_height
        try:
            async for stored in self._ledger.read(self._partition, start, until_height):
                batch.append(stored)
                entries += stored.entries
                size += len(stored.data)
                if entries >= BATCH_ENTRIES_MAX or size >= BATCH_BYTES_MAX:
                    await self._project(batch)
                    batch, entries, size = [], 0, 0
            if batch:
                await self._project(batch)
        except Gap:
            await self._reload()
            return True
        except BaseException:
            self._doubtful = True
            raise
        return self._position.next_height > start

    async def _check(self) -> None:
        """Brings the views up again should they stand elsewhere than they were left, as after a restart."""
        if (await self._views.position(self._partition) or START) != self._position:
            self._doubtful = True
            await self.catch_up()

    async def _block_before(self, position: Position) -> Block | None:
        height = position.next_height - 1
        async for stored in self._ledger.read(self._partition, height, height + 1):
            return blocks.block_of(stored.data) if stored.hash == position.last_hash else None
        return None
