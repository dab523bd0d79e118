"""The archiver: seals what is not sealed yet of a ledger, as often as it is asked to; any number of them may do so."""

import random
from collections.abc import AsyncIterator
from typing import Final

from msgspec import Struct

from events.block import Genesis
from services.archive.catalogue import Catalogue, catalogue_of
from services.archive.manifests import Manifest
from services.archive.planning import unsealed_ranges
from services.archive.preparing import ALONE, Workers
from services.archive.reading import check_ends, check_reach
from services.archive.sealing import Range, Told, sealed
from services.archive.stores import Store
from services.ledgers.port import Chains

_chance: Final = random.Random()  # noqa: S311 - only so that archivers do not all begin with the same


class Reach(Struct, frozen=True):
    """How many entries of a partition are sealed, and how many are not."""

    partition: int
    sealed: int
    unsealed: int


class Archiver:
    """Seals a ledger into a store, in segments of so many entries."""

    def __init__(
        self, ledger: Chains, genesis: Genesis, store: Store, segment_entries: int, workers: Workers = ALONE
    ) -> None:
        self._ledger = ledger
        self._genesis = genesis
        self._store = store
        self._segment_entries = segment_entries
        self._workers = workers
        self._known: dict[str, Manifest] = {}

    @property
    def partitions(self) -> range:
        """Of the ledger."""
        return range(self._genesis.partitions)

    async def catalogue(self) -> Catalogue:
        """What is sealed; raises ArchiveDamaged, OtherLedger, ArchiveUnavailable, LedgerError.

        Of each partition the last segment is compared with the ledger: the others are chained to it.
        """
        found = await catalogue_of(self._store, self._known)
        await check_reach(found.place, self._ledger, found.chains)
        for chain in found.chains.values():
            if chain[-1].name not in self._known:
                await check_ends(found.place, self._ledger, chain[-1])
        self._known = {one.name: one for one in [*found.manifests, *found.superseded]}
        return found

    async def due(self, rest_before: int | None) -> list[Range]:
        """What is to be sealed now, as `unsealed_ranges` has it; raises as `catalogue`."""
        found = await self.catalogue()
        return await unsealed_ranges(
            self._ledger, found, self.partitions, self._segment_entries, rest_before=rest_before
        )

    async def seal(self, rest_before: int | None, told: Told = lambda _: None) -> AsyncIterator[Manifest]:
        """Seals all that is due, range after range; between two of them it looks what others have sealed meanwhile.

        `told` counts entries. Raises as `catalogue`, and BlockDamaged for a ledger that is not what it was.
        """
        done = 0
        while ranges := await self.due(rest_before):
            first = {one.partition: one for one in reversed(ranges)}  # in order: nothing may be missing before it
            wanted = first[_chance.choice([*first])]
            before = done
            counted = lambda entries: told(before + entries)  # noqa: B023, E731
            yield await sealed(self._ledger, self._store, self._genesis, wanted, counted, self._workers)
            done += wanted.entries

    async def reaches(self) -> list[Reach]:
        """How far the archive reaches into each partition; raises as `catalogue`."""
        found = await self.catalogue()
        return [await self._reach(partition, found.end_seq(partition)) for partition in self.partitions]

    async def _reach(self, partition: int, sealed_entries: int) -> Reach:
        tail = await self._ledger.tail(partition)
        return Reach(partition, sealed_entries, (0 if tail is None else tail.end_seq) - sealed_entries)
