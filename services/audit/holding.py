"""Holding: all that the live projection says, read at one instant of each partition, while it goes on moving."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from msgspec import Struct

from events.block import Genesis
from services.audit.opening import ledger_read, require_ledger
from services.compose import genesis_of, projection_of
from services.ledgers.port import Chains
from services.settings import Settings
from services.views.port import START, Position, Views, ViewsUnavailable

ATTEMPTS: Final = 100
AGAIN_SECONDS: Final = 0.1
Hashes = dict[str, dict[bytes, bytes]]
"""Key -> its fields."""


class NoProjection(Exception):
    """There are no views of a ledger that has blocks, so there is nothing to compare."""

    def __init__(self) -> None:
        super().__init__(
            "There is no live projection: nothing has been projected into these views yet. Start a projector, or"
            " restore them with `revledger replay --into`."
        )


class Held(Struct, frozen=True):
    """Views as they were at one instant of each partition; they can be read, and do not change."""

    positions: Mapping[int, Position]
    hashes: dict[int, Hashes]

    @property
    def heights(self) -> dict[int, int]:
        """The last block that each partition reflects, -1 for none."""
        return {partition: at.next_height - 1 for partition, at in self.positions.items()}

    async def snapshot(self, partition: int, keys: Sequence[str]) -> tuple[Position, list[dict[bytes, bytes]]]:
        """As the views have it (`services.views.port.Views.snapshot`)."""
        return self.positions[partition], [self.hashes[partition].get(key, {}) for key in keys]


@asynccontextmanager
async def projection_read(settings: Settings) -> AsyncIterator[tuple[Chains, Genesis, Views]]:
    """Ledger and live projection of the settings; raises what `ledger_read` and `projection_of` raise."""
    if settings.is_distributed:
        from services.distributed import readers  # noqa: PLC0415 - Kafka and HTTP, for those who have them

        async with readers(settings) as found:
            yield found.ledger, found.genesis, found.views
        return
    require_ledger(settings.data)
    async with ledger_read(settings):  # there is a block in it; else nothing is made
        pass
    async with projection_of(settings) as (ledger, views):
        genesis = await genesis_of(ledger)
        assert genesis is not None, "a ledger keeps its first block"
        yield ledger, genesis, views


async def held_views(views: Views, partitions: Sequence[int]) -> Held:
    """All that the views hold; raises NoProjection, ViewsUnavailable."""
    parts = {partition: await _held(views, partition) for partition in partitions}
    held = Held({one: at for one, (at, _) in parts.items()}, {one: hashes for one, (_, hashes) in parts.items()})
    if not any(at.next_height for at in held.positions.values()):
        raise NoProjection
    return held


async def _held(views: Views, partition: int) -> tuple[Position, Hashes]:
    """The views of a partition at one instant: of all keys, so there were no others before and after."""
    keys = await views.keys(partition)
    for _ in range(ATTEMPTS):
        at, hashes = await views.snapshot(partition, keys)
        after = await views.keys(partition)
        if after == keys:
            return at or START, dict(zip(keys, hashes, strict=True))
        keys = after
        await asyncio.sleep(AGAIN_SECONDS)
    problem = f"The views of partition {partition} get new keys all the time: they are being built."
    raise ViewsUnavailable(problem, "Wait until the projector has caught up (`revledger status`), then try again.")
