"""The views of a distributed ledger as the HTTP service sees them: asked for their positions now and then."""

import asyncio
from collections.abc import Sequence
from typing import Final

from services.gateway.ports import Positions
from services.views.port import START, Views, ViewsError

POLL_SECONDS: Final = 0.1
"""How often the positions are asked for while somebody waits for them to move; never otherwise."""
AWAY_SECONDS: Final = 1.0
"""The same while the store does not answer."""


class Polled:
    """How far projectors elsewhere are; however many wait, the store is asked once."""

    def __init__(self, views: Views, partitions: Sequence[int]) -> None:
        self._views = views
        self._partitions = partitions
        self._polling: asyncio.Task[Positions] | None = None

    async def now(self) -> Positions:
        found = await asyncio.gather(*(self._views.position(partition) for partition in self._partitions))
        return {partition: at or START for partition, at in zip(self._partitions, found, strict=True)}

    async def moved(self, seen: Positions) -> Positions:
        while True:
            found = await asyncio.shield(self._polled())
            if found and found != seen:
                return found

    def ended(self) -> str:
        return ""

    def _polled(self) -> "asyncio.Task[Positions]":
        """The next look, which all who wait share; nobody's going away takes it from the others."""
        if self._polling is None or self._polling.done():
            self._polling = asyncio.create_task(self._poll(), name="positions")
        return self._polling

    async def _poll(self) -> Positions:
        """The positions after a pause; none while the store is away, which is no reason to end a stream."""
        await asyncio.sleep(POLL_SECONDS)
        try:
            return await self.now()
        except ViewsError:
            await asyncio.sleep(AWAY_SECONDS)
            return {}
