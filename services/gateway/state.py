"""The state of the service: what is applied, how far the views lag, whether they move, and what to say of it."""

import asyncio
from collections import Counter
from typing import Any, Final

from msgspec import Struct

from services import clock
from services.compose import Books
from services.evidence import AsOf
from services.intake import Intake
from services.ledgers.port import LedgerError
from services.views.port import Position, ViewsError

PARTITION: Final = 0
STANDSTILL_SECONDS: Final = 30.0
ANSWER_SECONDS: Final = 2.0
"""How long a store may take to answer a question about its health."""


class Lag(Struct, frozen=True):
    """How far the views are behind the ledger; `seconds` since the oldest block they lack was recorded."""

    head: int
    blocks: int
    seconds: int


class Status(Struct, frozen=True):
    """All that is counted, at one moment."""

    as_of: dict[str, object]
    lag: Lag
    counts: dict[str, int]
    dead_letters: dict[str, int]
    waiting: int

    def shown(self, policy: str) -> dict[str, Any]:
        """The status as JSON."""
        return {
            "as_of": self.as_of,
            "policy": policy,
            "ledger": {str(PARTITION): self.lag.head},
            "lag_blocks": self.lag.blocks,
            "lag_seconds": self.lag.seconds,
            **self.counts,
            "dead_letters": self.dead_letters,
            "waiting": self.waiting,
        }


class State:
    """Watches the books that a gateway serves."""

    def __init__(self, books: Books, intake: Intake, projection: asyncio.Task[None]) -> None:
        self._books = books
        self._intake = intake
        self._projection = projection
        self._seen: tuple[int, float] | None = None
        self._was_caught_up = False
        self.requests: Counter[tuple[str, int]] = Counter()

    @property
    def policy(self) -> str:
        """The stamp of the policy in force."""
        return self._books.policy.stamp

    @property
    def position(self) -> Position:
        """How far the views reach."""
        return self._books.projector.position

    def as_of(self) -> dict[str, object]:
        """What an answer would reflect now."""
        position = self.position
        heights = {str(PARTITION): position.next_height - 1}
        return AsOf(heights, position.recorded_at, position.newest_event_at).shown()

    async def moved(self, next_height: int) -> None:
        """Waits until the views reach beyond the blocks before `next_height`."""
        await self._books.projector.reached(next_height)

    async def lag(self) -> Lag:
        """How far the views are behind; raises LedgerError."""
        tail = await self._books.ledger.tail(PARTITION)
        head = -1 if tail is None else tail.height
        height = self.position.next_height
        async for block in self._books.ledger.read(PARTITION, height, min(height, head) + 1):
            return Lag(head, head + 1 - height, max(0, (clock.now() - block.recorded_at) // 1_000_000))
        return Lag(head, 0, 0)

    async def status(self) -> Status:
        """All that is counted; raises LedgerError, ViewsError, DeadLettersUnavailable."""
        counts = (await self._books.reports.book()).counts()
        return Status(
            self.as_of(),
            await self.lag(),
            {name: counts.get(name, 0) for name in ("entries", "unmatched", "postings")},
            await asyncio.to_thread(self._books.dead_letters.count),
            self._intake.waiting,
        )

    async def not_live(self) -> str:
        """Why the process should be started again; empty if it should not."""
        if self._projection.done():
            return "the projection has ended with an error, which is in the log: start the service again"
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                lag = await self.lag()
        except (LedgerError, TimeoutError):
            return ""  # a ledger that is away is no reason to start again; it shows in the readiness
        still = self._still_seconds(lag)
        if still <= STANDSTILL_SECONDS:
            return ""
        return f"the views have stood still for {still:.0f} s, {lag.blocks} blocks behind the ledger"

    async def not_ready(self) -> str:
        """Why the service cannot answer now; empty if it can."""
        if self._projection.done():
            return "the projection has ended with an error, which is in the log: start the service again"
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                lag = await self.lag()
                await self._books.views.position(PARTITION)
        except (LedgerError, ViewsError) as error:
            return str(error)
        except TimeoutError:
            return f"the ledger or the views have not answered within {ANSWER_SECONDS:g} s"
        self._was_caught_up |= not lag.blocks
        if self._was_caught_up:
            return ""
        return f"the views are being built: {lag.blocks} of {lag.head + 1} blocks are still to come"

    def _still_seconds(self, lag: Lag) -> float:
        """For how long the views have lagged at one and the same place, as far as anybody looked."""
        height, now = self.position.next_height, asyncio.get_running_loop().time()
        if not lag.blocks or self._seen is None or self._seen[0] != height:
            self._seen = (height, now) if lag.blocks else None
            return 0.0
        return now - self._seen[1]
