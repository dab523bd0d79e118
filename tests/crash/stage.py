"""The stage of the failure tests: brokers, a Redis, services that work and a producer that sends, all of them real."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Final
from uuid import uuid4

from services.kafka.connection import Names
from services.kafka.topics import ensure_topics
from services.settings import Settings, settings_from
from services.views.port import ViewsUnavailable
from tests.crash.counting import (
    Counted,
    check_booked_again,
    check_letters,
    check_views,
    count_events,
    positions_on,
)
from tests.crash.members import Fleet
from tests.crash.readback import Chain, chain_in, is_read, records_of
from tests.crash.traffic import Traffic, some
from tests.servers.brokers import Cluster
from tests.servers.redis import RedisServer

QUIET_SECONDS: Final = 180.0
"""How long the services may take to work off what is left; the machine may have other things to do."""
PAUSE_SECONDS: Final = 0.2


class Stage:
    """One ledger and whoever works on it."""

    def __init__(
        self, cluster: Cluster, redis: RedisServer, environment: Mapping[str, str], directory: Path, dice: Random
    ) -> None:
        self.cluster = cluster
        self.redis = redis
        self.settings: Final[Settings] = settings_from(environment)
        self.names: Final = Names(self.settings.prefix)
        self.partitions: Final = self.settings.partitions
        self.fleet = Fleet(directory, dict(environment), dice)
        self.traffic = Traffic(cluster.servers, self.names.events, self.partitions, dice)
        self.heights = [0] * self.partitions

    async def send(self, dice: Random) -> None:
        """Sends for as long as nobody cancels it."""
        for count, rest_seconds in some(dice):
            self.traffic.send(count)
            await asyncio.sleep(rest_seconds)

    async def quiet(self) -> list[Chain]:
        """Waits until all that was sent is booked and projected; the chains that were booked."""
        await asyncio.to_thread(self.traffic.flush)
        deadline = time.monotonic() + QUIET_SECONDS
        while True:
            chains = await self._chains() if await self._is_read() else []
            if chains and await self._is_projected(chains) and await self._is_read():
                return chains
            if time.monotonic() > deadline:
                raise TimeoutError(f"the services are not done after {QUIET_SECONDS:g} s:\n{self._state(chains)}")
            await asyncio.sleep(PAUSE_SECONDS)

    async def count(self, chains: list[Chain]) -> Counted:
        """Everything that must hold after any failure; nobody works meanwhile, or has nothing to do."""
        counted = count_events(chains, self.traffic)
        (letters,) = await records_of(self.cluster.servers, self.names.dead_letters, 1)
        counted.problems += check_letters(letters, self.names.events, self.traffic)
        counted.problems += await check_booked_again(chains)
        counted.problems += await check_views(chains, self.settings)
        counted.problems += [f"Kafka did not take a record: {error}" for error in self.traffic.not_taken]
        counted.problems += self.fleet.problems
        heights = [len(chain.blocks) for chain in chains]
        if any(now < before for now, before in zip(heights, self.heights, strict=True)):
            counted.problems.append(f"the ledger has become shorter: {self.heights}, then {heights}")
        self.heights = heights
        return counted

    async def _is_read(self) -> bool:
        group = self.names.group("writer")
        return await asyncio.to_thread(is_read, self.cluster.servers, group, self.names.events, self.partitions)

    async def _chains(self) -> list[Chain]:
        return [
            chain_in(records) for records in await records_of(self.cluster.servers, self.names.ledger, self.partitions)
        ]

    async def _is_projected(self, chains: list[Chain]) -> bool:
        with suppress(ViewsUnavailable):
            stand = await positions_on(self.settings)
            heights = [0 if (one := stand[partition]) is None else one.next_height for partition in sorted(stand)]
            return heights == [len(chain.blocks) for chain in chains]
        return False

    def _state(self, chains: list[Chain]) -> str:
        read = [len(chain.blocks) for chain in chains] or "not all events are read"
        return "\n".join([f"ledger: {read}", *(f"{one}:\n{one.said[-2_000:]}" for one in self.fleet.members)])


@asynccontextmanager
async def staged(
    directory: Path, cluster: Cluster, redis: RedisServer, dice: Random, *, writers: int = 2, projectors: int = 2
) -> AsyncIterator[Stage]:
    """A new ledger with services at work; in the end they are asked to end, and should do so in order."""
    copies = len(cluster.brokers)
    environment = {
        "REVLEDGER_KAFKA": cluster.servers,
        "REVLEDGER_REDIS": redis.url,
        "REVLEDGER_PREFIX": f"crash-{uuid4().hex[:10]}",
        "REVLEDGER_PARTITIONS": str(dice.choice((2, 3))),
        "REVLEDGER_REPLICATION": str(copies),
        "REVLEDGER_MIN_ISR": str(min(copies, 2)),
        "REVLEDGER_SESSION_SECONDS": str(dice.choice((1, 2))),
        "REVLEDGER_LOG": "info",
    }
    stage = Stage(cluster, redis, environment, directory, dice)
    await ensure_topics(stage.settings)
    try:
        await stage.fleet.start(writers, projectors)
        yield stage
    finally:
        await stage.fleet.end()
