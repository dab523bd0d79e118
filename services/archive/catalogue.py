"""The catalogue: which segments of an archive follow one another from block 0 on, and how far they reach."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final

from msgspec import Struct

from events.days import moment_of_text
from services.archive.manifests import FOLDER, ArchiveDamaged, Manifest, manifest_in
from services.archive.stores import Store

READS_MAX: Final = 16
"""How many manifests are read at once."""


class OtherLedger(ArchiveDamaged):
    """The segments of an archive are those of another ledger."""


class Catalogue(Struct, frozen=True):
    """The segments of each partition in order, without a gap; and those left out, because others say the same."""

    place: str
    chains: Mapping[int, Sequence[Manifest]]
    superseded: Sequence[Manifest]

    def until(self, partition: int) -> int:
        """The height of the first block of a partition that is not sealed."""
        chain = self.chains.get(partition)
        return chain[-1].segment.until_height if chain else 0

    def end_seq(self, partition: int) -> int:
        """The number of the first entry of a partition that is not sealed."""
        chain = self.chains.get(partition)
        return chain[-1].segment.end_seq if chain else 0

    @property
    def manifests(self) -> list[Manifest]:
        """All segments in order."""
        return [one for partition in sorted(self.chains) for one in self.chains[partition]]


async def catalogue_of(store: Store, known: Mapping[str, Manifest] | None = None) -> Catalogue:
    """What an archive holds; manifests that are `known` by name are not read again.

    Raises ArchiveDamaged, ArchiveUnavailable.
    """
    limit = asyncio.Semaphore(READS_MAX)

    async def read(name: str) -> Manifest:
        if known and name in known:
            return known[name]
        async with limit:
            try:
                data = await store.read(name)
            except FileNotFoundError as error:
                raise ArchiveDamaged(store.place, name, "was there and is missing") from error
        return manifest_in(data, store.place, name)

    names = [name for name in await store.names(FOLDER) if name.endswith(".json")]
    return catalogue(store.place, await asyncio.gather(*map(read, names)))


def catalogue(place: str, manifests: Iterable[Manifest]) -> Catalogue:
    """The catalogue of some manifests; raises ArchiveDamaged for a gap, or for segments that do not fit."""
    every = sorted(manifests, key=lambda one: one.name)
    of_partition: dict[int, list[Manifest]] = {}
    for one in every:
        of_partition.setdefault(one.segment.partition, []).append(one)
    chains = {partition: _chain(place, some) for partition, some in of_partition.items()}
    found = Catalogue(place, chains, ())
    used = {one.name for one in found.manifests}
    _check_ledgers(place, every)
    for chain in chains.values():
        for before, after in pairwise(chain):
            _check_next(place, before, after)
    return Catalogue(place, chains, [one for one in every if one.name not in used])


def _chain(place: str, some: Sequence[Manifest]) -> list[Manifest]:
    """From block 0 on the segments that reach furthest, as few as can be; raises ArchiveDamaged where one is missing.

    Segments may overlap, where two archivers sealed at once; both are true.
    """
    best: dict[int, tuple[int, int, list[Manifest]]] = {}
    for one in sorted(some, key=lambda each: -each.segment.from_height):
        segment = one.segment
        reached, count, rest = best.get(segment.until_height, (segment.until_height, 0, []))
        found = (reached, count - 1, [one, *rest])
        best[segment.from_height] = max(best.get(segment.from_height, found), found, key=lambda each: each[:2])
    reached, _, chain = best.get(0, (0, 0, []))
    beyond = sorted((one for one in some if one.segment.until_height > reached), key=lambda one: one.name)
    if beyond:
        segment = beyond[0].segment
        due = f"{segment.partition:04}-{reached:012}-..."
        problem = f"is missing: segments go on with {beyond[0].name}, and none holds block {reached}"
        raise ArchiveDamaged(place, f"segment {due}", f"{problem} of partition {segment.partition}")
    return chain


def _check_next(place: str, before: Manifest, after: Manifest) -> None:
    """Raises ArchiveDamaged unless a segment follows the one before it."""
    ours, last = after.segment, before.segment
    for field, due, found in (("first_seq", last.end_seq, ours.first_seq), ("prev_hash", last.hash, ours.prev_hash)):
        if due != found:
            problem = f"does not follow {before.name}: its {field} is {found}, and {due} is due"
            raise ArchiveDamaged(place, after.name, problem)
    if moment_of_text(ours.recorded_first) < moment_of_text(last.recorded_last):
        raise ArchiveDamaged(place, after.name, f"does not follow {before.name}: its clock runs backwards")


def _check_ledgers(place: str, every: Sequence[Manifest]) -> None:
    """Raises OtherLedger unless all segments are of one ledger, ArchiveDamaged for a first segment that is none."""
    own: dict[int, str] = {}
    for one in every:
        ledger, first = one.segment.ledger, every[0].segment.ledger
        if (ledger.first, ledger.partitions) != (first.first, first.partitions):
            problem = f"belongs to another ledger than {every[0].name}"
            raise OtherLedger(place, one.name, problem, "keep each ledger in an archive of its own")
        if ledger.own != own.setdefault(one.segment.partition, ledger.own):
            raise OtherLedger(place, one.name, "belongs to another ledger than the segments before it")
        if not 0 <= one.segment.partition < ledger.partitions:
            raise ArchiveDamaged(place, one.name, f"lies: the ledger has {ledger.partitions} partitions")
        if one.segment.partition == 0 and ledger.own != ledger.first:
            raise ArchiveDamaged(place, one.name, "lies about the first block of partition 0")
