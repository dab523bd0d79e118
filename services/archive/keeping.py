"""Keeping an archive up with its ledger: a service that looks every so often, and seals what is due."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from services import clock
from services.archive.archiver import Archiver
from services.archive.manifests import REST_MICROSECONDS, Manifest
from services.archive.stores import ArchiveUnavailable, store_of
from services.distributed import kafka_read
from services.ledgers.port import LedgerDamaged, LedgerUnavailable
from services.metrics import Metrics
from services.settings import Settings

LOOK_SECONDS: Final = 30.0
"""How often it looks whether anything is due."""
_log: Final = logging.getLogger("revledger")


class Keeper:
    """Seals what is due, again and again; what waiting may mend is logged and counted, all else ends it."""

    def __init__(self, archiver: Archiver, place: str, metrics: Metrics, look_seconds: float = LOOK_SECONDS) -> None:
        self._archiver = archiver
        self._place = place
        self._metrics = metrics
        self._look_seconds = look_seconds
        self._problem = "it has not looked into the archive yet"

    async def run(self) -> None:
        """Works until it is cancelled; raises ArchiveDamaged, OtherLedger, BlockDamaged, LedgerDamaged."""
        while True:
            await self._look()
            await asyncio.sleep(self._look_seconds)

    async def not_live(self) -> str:
        """It ends by itself where starting again helps."""
        return ""

    async def not_ready(self) -> str:
        """Why it seals nothing now."""
        return self._problem

    async def _look(self) -> None:
        try:
            async for manifest in self._archiver.seal(clock.now() - REST_MICROSECONDS):
                self._note(manifest)
            for reach in await self._archiver.reaches():
                self._metrics.unsealed.labels(reach.partition).set(reach.unsealed)
        except LedgerDamaged:
            raise
        except (ArchiveUnavailable, LedgerUnavailable) as error:
            if self._problem != str(error):
                _log.warning("sealing waits: %s", error)
            self._problem = str(error)
            self._metrics.sealing_failed.inc()
            return
        if self._problem:
            _log.info("the archive is up with the ledger: %s", self._place)
        self._problem = ""

    def _note(self, manifest: Manifest) -> None:
        segment = manifest.segment
        self._metrics.sealed.labels(segment.partition).inc(segment.entries)
        _log.info(
            "sealed blocks %d to %d of partition %d, %d entries, into %s",
            segment.from_height,
            segment.until_height - 1,
            segment.partition,
            segment.entries,
            self._place,
        )


@asynccontextmanager
async def archiver_service(
    settings: Settings, metrics: Metrics, look_seconds: float = LOOK_SECONDS
) -> AsyncIterator[Keeper]:
    """The archiver of a ledger on Kafka; raises as `distributed.kafka_read`, and ArchiveUnavailable."""
    store = store_of(settings.archive_location)
    async with kafka_read(settings) as (ledger, genesis):
        yield Keeper(Archiver(ledger, genesis, store, settings.segment_entries), store.place, metrics, look_seconds)
