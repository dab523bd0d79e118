"""The mirror: the records of all accounts in the memory of a process that lives long, as new as the views.

The views tell how far they are, the ledger whom the blocks since then are about; only the records of those accounts
are read again, with the position they belong to. So what is in memory is at every question exactly what the views
hold at the position the answer names.
"""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Final

from msgspec import Struct

from events import block as blocks
from events.block import BlockDamaged
from events.notes import Cost, notes_in_force
from projections.arrays import TOTAL_MAX, Columns
from projections.assembly import Notes, columns_of, joined, told_in_columns
from projections.buckets import Buckets
from projections.counting import counted, has_room
from projections.groups import Choice
from projections.layers import Layers, told
from projections.numbering import Vocabulary
from projections.pages import ACCOUNTS, NOTES
from projections.records import NOTHING, TooLarge, bytes_of_record, record_of_bytes
from services.evidence import Evidence, evidence_from
from services.ledgers.port import Chains, LedgerError
from services.questions import Question
from services.ranked import first_listed
from services.rows import Answer
from services.views.port import START, Position, Views

TRIES: Final = 4
"""How often it is tried to read records at a position whose blocks are known, before the answer is found without."""
AHEAD_BLOCKS: Final = 16
"""Blocks looked at beyond the position of the views, which may have moved when the records are read."""
AGAIN_ENTRIES_MIN: Final = 10_000
"""Up to so many new entries, or one for each account, records are read again one by one; else all of them."""
PORTION: Final = 5_000
"""Records that are turned into columns at a time."""
_NOTHING: Final = bytes_of_record(NOTHING)

Hashes = Sequence[dict[bytes, bytes]]
Costs = Mapping[str, Sequence[Cost]]
"""Account -> the costs that are noted of it, for those that have any."""


class Mirrored(Struct, frozen=True):
    """What was asked of the views, all accounts, and the costs noted of some; of every partition at one position."""

    evidence: Evidence
    layers: Layers
    costs: Sequence[tuple[str, Sequence[Cost]]]

    def has_room(self, question: Question, currency: str, bounds: Sequence[int]) -> bool:
        """Whether there are few enough groups and periods for an answer."""
        return has_room(self.layers, Choice(currency, question.by, dict(question.where)), bounds)

    def sums(self, question: Question, currency: str, bounds: Sequence[int]) -> dict[str, Buckets]:
        """As `buckets_for`."""
        return counted(self.layers, Choice(currency, question.by, dict(question.where)), bounds)

    def table(self, name: str, question: Question, currency: str, bounds: tuple[int, int]) -> Answer:
        """As `listed`, of the tables whose first rows can be told."""
        return first_listed(name, self.layers, question, currency, bounds)


class Mirror:
    """The accounts of all partitions; begins empty and fills at the first question."""

    def __init__(self, ledger: Chains, views: Views, partitions: Sequence[int]) -> None:
        self._parts = [_Part(ledger, views, partition) for partition in partitions]

    async def read(self, keys: Sequence[str]) -> Mirrored | None:
        """Some keys and the accounts of all partitions; None if they have to be looked at in the views.

        Raises ViewsUnavailable.
        """
        found = await asyncio.gather(*(part.read(keys) for part in self._parts))
        seen = [one for one in found if one is not None]
        if len(seen) < len(found):
            return None
        layers = Layers(tuple(columns for one in seen for columns in one.layers.columns))
        if layers.total >= TOTAL_MAX:
            return None
        partitions = [part.partition for part in self._parts]
        evidence = evidence_from(partitions, keys, [(one.position, one.hashes) for one in seen])
        return Mirrored(evidence, layers, [noted for one in seen for noted in one.costs.items()])


class _Seen(Struct, frozen=True):
    """What a partition held at a position."""

    position: Position
    hashes: Hashes
    layers: Layers
    costs: Costs


class _News(Struct, frozen=True):
    """The accounts that blocks are about, and by the height that follows them the hash of each."""

    accounts: set[str]
    hashes: dict[int, bytes]


class _Part:
    """The accounts of one partition."""

    def __init__(self, ledger: Chains, views: Views, partition: int) -> None:
        self._ledger = ledger
        self._views = views
        self.partition: Final = partition
        self._position = START
        self._layers: Layers | None = None
        self._costs: Costs = {}
        self._vocabulary = Vocabulary()
        self._is_too_large = False
        self._turn = asyncio.Lock()

    async def read(self, keys: Sequence[str]) -> _Seen | None:
        """Some keys and the accounts, at one position; None if it cannot be told which accounts changed."""
        async with self._turn:
            for _ in range(TRIES):
                if self._is_too_large:
                    return None
                try:
                    found = await self._moved_on(keys, self._layers or await self._loaded())
                except TooLarge:
                    self._is_too_large = True
                    self._layers = None
                    return None
                except asyncio.CancelledError:
                    self._layers = None  # a thread may still be at work with this vocabulary, which takes one at a time
                    raise
                except (LedgerError, BlockDamaged):
                    return None  # to know what changed would be quicker, but nothing in the views depends on it
                if found is not None:
                    self._position, self._layers, self._costs = found.position, found.layers, found.costs
                    return found
        return None

    async def _loaded(self) -> Layers:
        """All accounts, read at once."""
        position, (accounts, notes) = await self._views.snapshot(self.partition, [ACCOUNTS, NOTES])
        self._vocabulary = Vocabulary()
        layers, costs = await asyncio.to_thread(_layers_of, accounts, notes, self._vocabulary)
        self._position, self._layers, self._costs = position or START, layers, costs
        return layers

    async def _moved_on(self, keys: Sequence[str], layers: Layers) -> _Seen | None:
        """What the views hold now, the accounts brought to the same position; None: try again."""
        news = await self._news(max(AGAIN_ENTRIES_MIN, layers.held))
        if news is None:
            self._layers = None
            return None
        names = [*news.accounts]
        wanted = {ACCOUNTS: names, NOTES: names}
        position, hashes, values = await self._views.snapshot_with(self.partition, keys, wanted)
        position = position or START
        if position == self._position:
            return _Seen(position, hashes, layers, self._costs)
        if news.hashes.get(position.next_height) == position.last_hash:
            records, raw = (dict(zip(names, values[key], strict=True)) for key in (ACCOUNTS, NOTES))
            notes = {name: [] if data is None else notes_in_force(data) for name, data in raw.items()}
            changed = await asyncio.to_thread(_changed, layers, records, notes, self._vocabulary)
            return _Seen(position, hashes, changed, self._costs_after(notes))
        if position.next_height <= self._position.next_height + len(news.hashes):
            self._layers = None  # the views were begun anew, or are of another ledger
        return None

    def _costs_after(self, notes: Notes) -> Costs:
        """The costs, with the notes that some accounts have now."""
        others = {account: costs for account, costs in self._costs.items() if account not in notes}
        return {**others, **_costs_of(notes)}

    async def _news(self, entries_max: int) -> _News | None:
        """Whom the blocks after our position are about; None if those are too many, or do not follow it."""
        reached = await self._views.position(self.partition) or START
        news = _News(set(), {})
        entries, before = 0, self._position.last_hash or blocks.NO_HASH
        start, end = self._position.next_height, reached.next_height + AHEAD_BLOCKS
        async for stored in self._ledger.read(self.partition, start, end):
            entries += stored.entries
            if entries > entries_max or stored.prev_hash != before:
                return None
            booked = blocks.raw_bookings_of(blocks.block_of(stored.data).entries)
            news.accounts.update([one.account for one in booked])
            before = news.hashes[stored.height + 1] = stored.hash
        return news


def _layers_of(
    accounts: Mapping[bytes, bytes], raw: Mapping[bytes, bytes], vocabulary: Vocabulary
) -> tuple[Layers, Costs]:
    """All accounts of a partition, some at a time, and their costs; raises TooLarge."""
    left = iter({**dict.fromkeys(raw, _NOTHING), **accounts}.items())
    columns: list[Columns] = []
    costs: Costs = {}
    while some := dict(islice(left, PORTION)):
        notes = {account.decode(): notes_in_force(raw[account]) for account in some if account in raw}
        costs = {**costs, **_costs_of(notes)}
        records = {account.decode(): record_of_bytes(data) for account, data in some.items()}
        sides = told_in_columns(notes)
        if held := told(records, sides):
            columns.append(columns_of(held, vocabulary, sides))
    return Layers((joined(columns),)) if columns else Layers(), costs


def _costs_of(notes: Notes) -> Costs:
    """The costs among notes."""
    noted = ((account, [one for one in some if type(one) is Cost]) for account, some in notes.items())
    return {account: costs for account, costs in noted if costs}


def _changed(layers: Layers, read: Mapping[str, bytes | None], notes: Notes, vocabulary: Vocabulary) -> Layers:
    """With the records that were read; raises TooLarge."""
    records = {account: None if data is None else record_of_bytes(data) for account, data in read.items()}
    return layers.changed(records, vocabulary, told_in_columns(notes))
