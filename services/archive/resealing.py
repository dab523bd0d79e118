"""Resealing: what is damaged in an archive is made again from the ledger, which has to have it still."""

from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import pairwise

from events.block import Genesis
from services.archive.catalogue import OtherLedger
from services.archive.checking import Checked
from services.archive.manifests import Manifest
from services.archive.planning import missing_range
from services.archive.preparing import ALONE, Workers
from services.archive.sealing import Told, sealed
from services.archive.stores import Store
from services.ledgers.port import Chains

_OTHER = "it stays as it is: name the archive of this ledger, or restore the ledger"


async def resealed(
    ledger: Chains,
    store: Store,
    genesis: Genesis,
    checked: Checked,
    told: Told = lambda _: None,
    workers: Workers = ALONE,
) -> AsyncIterator[Manifest]:
    """Removes the segments that something is wrong with, and seals again what is missing then.

    Nothing is removed before the ledger is known to have all of it, and nothing at all of another ledger's archive:
    that raises OtherLedger. Raises LedgerError, BlockDamaged, ArchiveUnavailable.
    """
    for finding in checked.findings:
        if finding.is_of_other_ledger:
            raise OtherLedger(store.place, finding.file, finding.problem, _OTHER)
    bad = {one.manifest for one in checked.findings if one.manifest}
    missing = [
        await missing_range(ledger, *one)
        for one in _missing([one for one in checked.manifests if one.name not in bad], checked.manifests)
    ]
    for name in sorted(bad):
        await store.remove(name)
    kept: set[str] = set()
    for wanted in missing:
        manifest = await sealed(ledger, store, genesis, wanted, told, workers)
        kept.update(file.name for file in manifest.files.values())
        yield manifest
    for one in checked.manifests:
        if one.name in bad:
            for name in {file.name for file in one.files.values()} - kept:
                await store.remove(name)


def _missing(good: Sequence[Manifest], every: Iterable[Manifest]) -> list[tuple[int, int, int]]:
    """Partition and heights of what only segments that are not good hold, cut where those were cut."""
    found: list[tuple[int, int, int]] = []
    reach: dict[int, set[int]] = {}
    for one in every:
        reach.setdefault(one.segment.partition, set()).update((one.segment.from_height, one.segment.until_height))
    for partition, cuts in sorted(reach.items()):
        held = [one.segment for one in good if one.segment.partition == partition]
        bounds = sorted({0, *cuts})
        for start, until in pairwise(bounds):
            if not any(one.from_height <= start and until <= one.until_height for one in held):
                found.append((partition, start, until))
    return found


