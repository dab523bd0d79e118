"""Ledgers that are archived, for tests: some blocks, sealed into a store."""

from collections.abc import Sequence

from services.archive.catalogue import catalogue_of
from services.archive.manifests import Manifest
from services.archive.planning import unsealed_ranges
from services.archive.sealing import sealed
from services.archive.stores import Store
from services.compose import genesis_of
from services.ledgers.memory import memory_ledger
from services.ledgers.port import Ledger
from tests.model.days import Event
from tests.model.notation import fact, line
from tests.services.books import MemoryBooks

FOR_EVER = 2**62
EVENTS: list[Event] = [
    fact("signed", "a1", "2024-01-05", lines=[line(4000)], attributes={"segment": "smb"}),
    fact("signed", "b2", "2024-01-20", lines=[line(700, plan="team")], owner="kim"),
    fact("upgraded", "a1", "2024-02-05", lines=[line(10000)]),
    fact("cancelled", "b2", "2024-03-05", reason="price"),
    fact("cancelled", "a1", "2024-04-05", reason="moved"),
    fact("signed", "c3", "2024-05-01", lines=[line(1)], term={"end": "2025-05-01"}),
]


async def ledger_with(events: Sequence[Event] = EVENTS, block_entries: int = 1) -> Ledger:
    """A ledger in memory with these events, so many a block; block 0 is the genesis alone."""
    ledger = memory_ledger()
    books = await MemoryBooks(ledger).start()
    for start in range(0, len(events), block_entries):
        await books.book(events[start : start + block_entries])
    return ledger


async def seal_all(ledger: Ledger, store: Store, segment_entries: int = 2) -> list[Manifest]:
    """Seals all there is, in segments of so many entries."""
    genesis = await genesis_of(ledger)
    assert genesis is not None
    found = await catalogue_of(store)
    wanted = await unsealed_ranges(ledger, found, range(genesis.partitions), segment_entries, rest_before=FOR_EVER)
    return [await sealed(ledger, store, genesis, one) for one in wanted]
