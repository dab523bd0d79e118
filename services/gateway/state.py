"""The state of the service: what is applied, how far the views lag, whether they move, and what to say of it."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from services import clock
from services.gateway.ports import Positions, Served
from services.ledgers.port import LedgerError, StoredBlock
from services.metrics import Metrics
from services.views.port import ViewsError

STANDSTILL_SECONDS: Final = 30.0
ANSWER_SECONDS: Final = 2.0
"""How long a store may take to answer a question about its health."""


class Lag(Struct, frozen=True):
    """How far the views of a partition are behind its ledger, and its ledger behind its input.

    `head` and `reached` are heights; `seconds` since the oldest block the views lack was recorded; `events` of the
    input that are not read yet, None where there is no input but requests.
    """

    head: int
    reached: int
    blocks: int
    seconds: int
    events: int | None = None

    def shown(self) -> dict[str, int]:
        """The lag as JSON."""
        unread = {} if self.events is None else {"lag_events": self.events}
        return {
            "ledger": self.head,
            "views": self.reached,
            "lag_blocks": self.blocks,
            "lag_seconds": self.seconds,
            **unread,
        }


class Status(Struct, frozen=True):
    """All that is counted, at one moment; lags by partition."""

    as_of: dict[str, object]
    lags: Mapping[int, Lag]
    counts: dict[str, int]
    dead_letters: Mapping[str, int]
    waiting: int

    def shown(self, policy: str) -> dict[str, Any]:
        """The status as JSON."""
        unread = [lag.events for lag in self.lags.values() if lag.events is not None]
        return {
            "as_of": self.as_of,
            "policy": policy,
            "ledger": {str(partition): lag.head for partition, lag in self.lags.items()},
            "lag_blocks": sum(lag.blocks for lag in self.lags.values()),
            "lag_seconds": max(lag.seconds for lag in self.lags.values()),
            **({"lag_events": sum(unread)} if unread else {}),
            "partitions": {str(partition): lag.shown() for partition, lag in self.lags.items()},
            **self.counts,
            "dead_letters": self.dead_letters,
            "waiting": self.waiting,
        }


class State:
    """Watches what a gateway serves, and counts."""

    def __init__(self, served: Served, metrics: Metrics) -> None:
        self._served = served
        self._seen: tuple[Positions, float] | None = None
        self._was_caught_up = False
        self.metrics: Final = metrics

    @property
    def policy(self) -> str:
        """The stamp of the policy in force."""
        return self._served.policy

    @property
    def waiting(self) -> int:
        """How many events wait to be acknowledged."""
        return self._served.entrance.waiting

    async def positions(self) -> Positions:
        """How far the views reach; raises ViewsError."""
        return await self._served.progress.now()

    async def moved(self, seen: Positions) -> Positions:
        """Waits until the views stand elsewhere than where they were seen."""
        return await self._served.progress.moved(seen)

    async def lags(self, *, with_unread: bool = False) -> dict[int, Lag]:
        """How far the views of every partition are behind; raises LedgerError, ViewsError."""
        positions = await self.positions()
        partitions = self._served.partitions
        found = await asyncio.gather(*(self._served.ledger.tail(partition) for partition in partitions))
        tails = dict(zip(partitions, found, strict=True))
        unread: Mapping[int, int] = {}
        if with_unread and self._served.unread is not None:
            unread = await self._served.unread(tails)
        lags = await asyncio.gather(
            *(
                self._lag(partition, positions[partition].next_height, tail, unread.get(partition))
                for partition, tail in tails.items()
            )
        )
        return dict(zip(partitions, lags, strict=True))

    async def _lag(self, partition: int, height: int, tail: StoredBlock | None, events: int | None) -> Lag:
        head = -1 if tail is None else tail.height
        async for block in self._served.ledger.read(partition, height, min(height, head) + 1):
            seconds = max(0, (clock.now() - block.recorded_at) // 1_000_000)
            return Lag(head, height - 1, head + 1 - height, seconds, events)
        return Lag(head, height - 1, 0, 0, events)

    async def status(self) -> Status:
        """All that is counted; raises LedgerError, ViewsError, DeadLettersUnavailable."""
        book = await self._served.reports.book()
        counts = book.counts()
        return Status(
            book.as_of.shown(),
            await self.lags(with_unread=True),
            {name: counts.get(name, 0) for name in ("entries", "unmatched", "postings")},
            await self._served.entrance.kept(),
            self.waiting,
        )

    async def not_live(self) -> str:
        """Why the process should be started again; empty if it should not.

        Views that others move are no reason: to start this process again would not move them.
        """
        if not self._served.is_projecting or self._served.progress.ended():
            return self._served.progress.ended()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                positions, lags = await self.positions(), await self.lags()
        except (LedgerError, ViewsError, TimeoutError):
            return ""  # a store that is away is no reason to start again; it shows in the readiness
        blocks = sum(lag.blocks for lag in lags.values())
        still = self._still_seconds(positions, blocks)
        if still <= STANDSTILL_SECONDS:
            return ""
        return f"the views have stood still for {still:.0f} s, {blocks} blocks behind the ledger"

    async def not_ready(self) -> str:
        """Why the service cannot answer now; empty if it can."""
        if self._served.progress.ended():
            return self._served.progress.ended()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._not_answering()
        except (LedgerError, ViewsError) as error:
            return str(error)
        except TimeoutError:
            return f"the ledger or the views have not answered within {ANSWER_SECONDS:g} s"

    async def _not_answering(self) -> str:
        await self._served.views.position(self._served.partitions[0])
        if not self._served.is_projecting:
            await self._served.ledger.tail(self._served.partitions[0])
            return ""
        lags = await self.lags()
        blocks = sum(lag.blocks for lag in lags.values())
        self._was_caught_up |= not blocks
        if self._was_caught_up:
            return ""
        total = sum(lag.head + 1 for lag in lags.values())
        return f"the views are being built: {blocks} of {total} blocks are still to come"

    def _still_seconds(self, positions: Positions, blocks: int) -> float:
        """For how long the views have lagged at one and the same place, as far as anybody looked."""
        now = asyncio.get_running_loop().time()
        if not blocks or self._seen is None or self._seen[0] != positions:
            self._seen = (positions, now) if blocks else None
            return 0.0
        return now - self._seen[1]
