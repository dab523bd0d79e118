"""Asking a ledger itself: its tables up to a moment, and what an answer from them reflects."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import tzinfo
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from events.block import Genesis
from services.adoptions import policies_of
from services.archive.manifests import Table
from services.archive.reading import archived_tables
from services.archive.tables import Tables, Told, ledger_tables
from services.evidence import AsOf
from services.ledgers.port import Chains
from services.moments import Known, known_at, known_now, require_begun
from services.policies import zone_of
from services.questions import Moment, QuestionError
from services.settings import Settings

NAMES: Final[tuple[Table, ...]] = ("postings", "entries")


class Asked(Struct, frozen=True):
    """A ledger with the tables of all that was known at the latest moment of a question, and its policy then."""

    ledger: Chains
    genesis: Genesis
    tables: Tables

    @property
    def zone(self) -> tzinfo | None:
        """The reporting zone."""
        return zone_of(self.genesis.policy)

    async def as_of(self, known: Known, moment: Moment | None) -> AsOf:
        """What an answer reflects that is worked out from the tables, as known then."""
        recorded_at = max([await self._recorded_at(*place) for place in known.heights.items()])
        newest_event_at = await self.tables.newest_event(known.heights)
        heights = {str(partition): height for partition, height in known.heights.items()}
        return AsOf(heights, recorded_at, newest_event_at, moment, known.final)

    async def _recorded_at(self, partition: int, height: int) -> int:
        async for block in self.ledger.read(partition, height, height + 1):
            return block.recorded_at
        return 0


@asynccontextmanager
async def asking(
    ledger: Chains,
    genesis: Genesis,
    known: Known,
    settings: Settings | None = None,
    told: Told = lambda _: None,
    names: Sequence[Table] = NAMES,
) -> AsyncIterator[Asked]:
    """The tables of all that was known, from the archive of the settings where there is one.

    Raises ArchiveDamaged, ArchiveUnavailable, BlockDamaged, LedgerError.
    """
    async with AsyncExitStack() as stack:
        if settings is None:
            reading = ledger_tables(ledger, known.heights, (), told, names)
        else:
            reading = archived_tables(settings, ledger, known.heights, names, told)
        found = await genesis_at(ledger, genesis, known)
        yield Asked(ledger, found, await stack.enter_async_context(reading))


async def genesis_at(ledger: Chains, genesis: Genesis, known: Known) -> Genesis:
    """What the first block fixed, with the policy that the books known then are of."""
    policies = await policies_of(ledger)
    return genesis if policies is None else replace(genesis, policy=policies.known(known.heights))


async def known_or_now(ledger: Chains, genesis: Genesis, moment: Moment | None) -> Known:
    """What was known at a moment, or all there is; raises QuestionError."""
    partitions = range(genesis.partitions)
    if moment is None:
        return await known_now(ledger, partitions)
    return await _begun(ledger, partitions, moment, "known_at")


async def known_between(ledger: Chains, genesis: Genesis, between: tuple[Moment, Moment]) -> tuple[Known, Known]:
    """What was known at two moments, the earlier first; raises QuestionError."""
    partitions = range(genesis.partitions)
    first, second = [await _begun(ledger, partitions, moment, "between") for moment in between]
    if any(second.heights[partition] < height for partition, height in first.heights.items()):
        sentence = f"{between[1].text} is not later than {between[0].text}: give the earlier moment first"
        raise QuestionError("between", sentence)
    return first, second


async def _begun(ledger: Chains, partitions: Sequence[int], moment: Moment, parameter: str) -> Known:
    known = await known_at(ledger, partitions, moment, parameter)
    if moment.heights and (policies := await policies_of(ledger)) is not None:
        policies.require_settled(known.heights, parameter)
    return await require_begun(ledger, known, moment, parameter)
