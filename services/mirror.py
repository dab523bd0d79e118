"""The mirror: the records of all accounts in the memory of a process that lives long, as new as the views.

The views tell how far they are, the ledger whom the blocks since then are about; only the records of those accounts
are read again, with the position they belong to. So what is in memory is at every question exactly what the views
hold at the position the answer names.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Final

from msgspec import Struct

from events import block as blocks
from events.block import BlockDamaged
from events.notes import AnyNote, Cost, notes_in_force
from events.policy import DEFAULT_RULES, Rules
from events.stated import facts_in_force
from projections.buckets import Buckets
from projections.columnar.arrays import TOTAL_MAX, Columns
from projections.columnar.assembly import Notes, columns_of, joined, told_in_columns
from projections.columnar.counting import counted, has_room
from projections.columnar.layers import Layers, told
from projections.columnar.living import lives
from projections.columnar.numbering import Vocabulary
from projections.columnar.reductions import reductions_of
from projections.columnar.warming import warm, warm_off
from projections.groups import Choice
from projections.lives import Lives
from projections.pages import ACCOUNTS, NOTES, STATED
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
WARM_MIN: Final = 10_000
"""Layers of fewer accounts have nothing that takes longer to work out than somebody can wait for."""
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
    off: Layers

    def has(self, name: str, value: str) -> bool:
        """Whether anything that was posted has a value; causes and costs are not looked at."""
        return any(one.has(name, value) for one in self.layers.columns)

    def has_room(self, question: Question, currency: str, bounds: Sequence[int]) -> bool:
        """Whether there are few enough groups and periods for an answer."""
        return has_room(self.layers, Choice(currency, question.by, dict(question.where)), bounds)

    def sums(self, question: Question, currency: str, bounds: Sequence[int]) -> dict[str, Buckets]:
        """As `buckets_for`."""
        return counted(self.layers, Choice(currency, question.by, dict(question.where)), bounds)

    def lives(self, question: Question, currency: str, end: int) -> dict[str, Lives]:
        """As `lives_for`."""
        return lives(self.layers, Choice(currency, question.by, dict(question.where)), end)

    def table(self, name: str, question: Question, currency: str, bounds: tuple[int, int]) -> Answer | None:
        """As `listed`, of the tables whose first rows can be told; None for amounts that are too large for that."""
        try:
            return first_listed(name, self.layers, question, currency, bounds)
        except TooLarge:
            return None


class Mirror:
    """The accounts of all partitions; begins empty and fills at the first question."""

    def __init__(
        self, ledger: Chains, views: Views, partitions: Sequence[int], rules: Rules = DEFAULT_RULES
    ) -> None:
        self._parts = [_Part(ledger, views, partition, rules) for partition in partitions]

    async def warm(self) -> None:
        """Reads all accounts, and works out what nobody should have to wait for. Raises ViewsUnavailable."""
        await asyncio.gather(*(part.warm() for part in self._parts))

    async def read(self, keys: Sequence[str], *, notes: bool = False, discounts: bool = False) -> Mirrored | None:
        """Some keys and the accounts of all partitions; None if they have to be looked at in the views.

        With `notes`, also what was answered and which terms were agreed, with `discounts` what those take off: either
        is read once somebody asks for it. Raises ViewsUnavailable.
        """
        found = await asyncio.gather(*(part.read(keys, notes=notes, discounts=discounts) for part in self._parts))
        seen = [one for one in found if one is not None]
        if len(seen) < len(found):
            return None
        layers, off = (_together(some) for some in ([one.layers for one in seen], [one.off for one in seen]))
        if max(layers.total, off.total) >= TOTAL_MAX:
            return None
        partitions = [part.partition for part in self._parts]
        evidence = evidence_from(partitions, keys, [(one.position, one.hashes) for one in seen])
        return Mirrored(evidence, layers, [noted for one in seen for noted in one.costs.items()], off)


def _together(some: Sequence[Layers]) -> Layers:
    """The accounts of several partitions."""
    return Layers(tuple(columns for one in some for columns in one.columns))


class _Seen(Struct, frozen=True):
    """What a partition held at a position."""

    position: Position
    hashes: Hashes
    layers: Layers
    costs: Costs
    off: Layers


class _Off(Struct, frozen=True):
    """What discounts take off the accounts of a partition; whether there were any, and the position it was seen at."""

    layers: Layers
    is_begun: bool
    position: Position


class _News(Struct, frozen=True):
    """The accounts that blocks are about, and by the height that follows them the hash of each."""

    accounts: set[str]
    hashes: dict[int, bytes]


class _Part:
    """The accounts of one partition."""

    def __init__(self, ledger: Chains, views: Views, partition: int, rules: Rules) -> None:
        self._ledger = ledger
        self._rules = rules
        self._views = views
        self.partition: Final = partition
        self._position = START
        self._layers: Layers | None = None
        self._costs: Costs = {}
        self._off: _Off | None = None
        self._is_noted = False
        self._vocabulary = Vocabulary()
        self._is_too_large = False
        self._turn = asyncio.Lock()
        self._is_warm = False
        self._piling: asyncio.Task[None] | None = None
        self._since: set[str] | None = None
        """The accounts that changed since layers are being piled; None if they are not, or not any more."""

    async def warm(self) -> None:
        """As that of the mirror."""
        self._is_warm = True
        await self.read([], notes=True, discounts=False)  # whoever asks meanwhile need not wait for the discounts
        found = await self.read([], notes=True, discounts=True)
        if found is not None:
            await asyncio.to_thread(warm, found.layers)
            await asyncio.to_thread(warm_off, found.off)

    async def read(self, keys: Sequence[str], *, notes: bool, discounts: bool) -> _Seen | None:
        """Some keys and the accounts, at one position; None if it cannot be told which accounts changed."""
        async with self._turn:
            if notes and not self._is_noted:
                self._is_noted = True
                self._forget()
            for _ in range(TRIES):
                if self._is_too_large:
                    return None
                try:
                    layers = self._layers or await self._loaded()
                    if discounts and self._off is None:
                        self._off = await self._loaded_off()
                    found = await self._moved_on(keys, layers)
                except TooLarge:
                    self._is_too_large = True
                    self._forget()
                    return None
                except asyncio.CancelledError:
                    self._forget()  # a thread may still be at work with this vocabulary, which takes one at a time
                    raise
                except (LedgerError, BlockDamaged):
                    return None  # to know what changed would be quicker, but nothing in the views depends on it
                if found is not None:
                    self._position, self._layers, self._costs = found.position, found.layers, found.costs
                    if found.layers.overdue and (self._piling is None or self._piling.done()):
                        self._piling = asyncio.create_task(self._pile(found.layers), name="piling")
                    return found
        return None

    async def _pile(self, layers: Layers) -> None:
        """Puts layers together while they are asked and changed, for the questions to come."""
        changed = self._since = set()
        try:
            piled = await asyncio.to_thread(_piled, layers, is_warm=self._is_warm)
            async with self._turn:
                if self._since is changed and self._layers is not None:
                    self._layers = piled.overtaken(changed, self._layers.less(layers))
        except TooLarge:
            pass  # they stay as they are: who is asked next finds it out, too
        finally:
            if self._since is changed:
                self._since = None

    async def _loaded(self) -> Layers:
        """All accounts, read at once."""
        position, (accounts, notes) = await self._views.snapshot(self.partition, [ACCOUNTS, NOTES])
        self._vocabulary = Vocabulary()
        of_all = (accounts, notes, self._vocabulary)
        layers, costs = await asyncio.to_thread(_layers_of, *of_all, is_noted=self._is_noted)
        self._position, self._layers, self._costs = position or START, layers, costs
        return layers

    async def _loaded_off(self) -> _Off:
        """What discounts take off, read at once."""
        position, (stated,) = await self._views.snapshot(self.partition, [STATED])
        layers = await asyncio.to_thread(_off_of, stated, self._rules, self._vocabulary)
        return _Off(layers, b"" in stated, position or START)

    def _forget(self) -> None:
        self._layers = self._off = self._since = None

    async def _moved_on(self, keys: Sequence[str], layers: Layers) -> _Seen | None:
        """What the views hold now, the accounts brought to the same position; None: try again."""
        off = self._off
        held = [self._position] if off is None else [self._position, off.position]
        since, newest = (extreme(held, key=lambda one: one.next_height) for extreme in (min, max))
        news = await self._news(since, max(AGAIN_ENTRIES_MIN, layers.held))
        if news is None:
            self._forget()
            return None
        names = [*news.accounts]
        wanted = {ACCOUNTS: names, NOTES: names, **({} if off is None else {STATED: [*names, ""]})}
        position, hashes, values = await self._views.snapshot_with(self.partition, keys, wanted)
        position = position or START
        if off is not None and (values[STATED].pop() is not None) != off.is_begun:
            self._off = None  # what earlier events state is kept now, too
            return None
        if position == since == newest:
            return _Seen(position, hashes, layers, self._costs, Layers() if off is None else off.layers)
        is_later = position.next_height >= newest.next_height
        if is_later and news.hashes.get(position.next_height, since.last_hash) == position.last_hash:
            read = {key: dict(zip(names, some, strict=True)) for key, some in values.items()}
            return await self._changed(position, hashes, layers, read)
        if position.next_height <= since.next_height + len(news.hashes):
            self._forget()  # the views were begun anew, or are of another ledger
        return None

    async def _changed(
        self, position: Position, hashes: Hashes, layers: Layers, read: Mapping[str, Mapping[str, bytes | None]]
    ) -> _Seen:
        """The accounts with what was read of some."""
        notes = {name: [] if data is None else notes_in_force(data) for name, data in read[NOTES].items()}
        told_of = notes if self._is_noted else {}
        if self._since is not None:
            self._since.update(read[ACCOUNTS])
        changed = await asyncio.to_thread(_changed, layers, read[ACCOUNTS], told_of, self._vocabulary)
        off = Layers()
        if self._off is not None:
            off = self._off.layers
            stated = {name: data for name, data in read[STATED].items() if data is not None or off.holds(name)}
            if stated:
                off = await asyncio.to_thread(_changed_off, off, stated, self._rules, self._vocabulary)
            self._off = _Off(off, self._off.is_begun, position)
        return _Seen(position, hashes, changed, self._costs_after(notes), off)

    def _costs_after(self, notes: Notes) -> Costs:
        """The costs, with the notes that some accounts have now."""
        others = {account: costs for account, costs in self._costs.items() if account not in notes}
        return {**others, **_costs_of(notes.items())}

    async def _news(self, since: Position, entries_max: int) -> _News | None:
        """Whom the blocks after a position are about; None if those are too many, or do not follow it."""
        reached = await self._views.position(self.partition) or START
        news = _News(set(), {})
        entries, before = 0, since.last_hash or blocks.NO_HASH
        start, end = since.next_height, reached.next_height + AHEAD_BLOCKS
        async for stored in self._ledger.read(self.partition, start, end):
            entries += stored.entries
            if entries > entries_max or stored.prev_hash != before:
                return None
            booked = blocks.raw_bookings_of(blocks.block_of(stored.data).entries)
            news.accounts.update([one.account for one in booked])
            before = news.hashes[stored.height + 1] = stored.hash
        return news


def _layers_of(
    accounts: Mapping[bytes, bytes], raw: Mapping[bytes, bytes], vocabulary: Vocabulary, *, is_noted: bool
) -> tuple[Layers, Costs]:
    """All accounts of a partition, some at a time, with their notes or without; and their costs. Raises TooLarge."""
    left = iter({**dict.fromkeys(raw, _NOTHING), **accounts}.items())
    columns: list[Columns] = []
    costs: Costs = {}
    while some := dict(islice(left, PORTION)):
        noted = ((account.decode(), notes_in_force(raw[account])) for account in some if account in raw)
        notes = dict(noted) if is_noted else {}
        costs = {**costs, **_costs_of(notes.items() if is_noted else noted)}
        records = {account.decode(): record_of_bytes(data) for account, data in some.items()}
        sides = told_in_columns(notes)
        if held := told(records, sides):
            columns.append(columns_of(held, vocabulary, sides))
    return Layers((joined(columns),)) if columns else Layers(), costs


def _off_of(stated: Mapping[bytes, bytes], rules: Rules, vocabulary: Vocabulary) -> Layers:
    """What discounts take off all accounts of a partition, some at a time; raises TooLarge."""
    left = iter(stated.items())
    columns: list[Columns] = []
    while some := dict(islice(left, PORTION)):
        facts = ((account.decode(), facts_in_force(data, rules)) for account, data in some.items())
        if held := told({account: reductions_of(own) for account, own in facts if own}, {}):
            columns.append(columns_of(held, vocabulary))
    return Layers((joined(columns),)) if columns else Layers()


def _changed_off(
    layers: Layers, read: Mapping[str, bytes | None], rules: Rules, vocabulary: Vocabulary
) -> Layers:
    """With what was read; raises TooLarge."""
    facts = {account: [] if data is None else facts_in_force(data, rules) for account, data in read.items()}
    return layers.changed({account: reductions_of(own) for account, own in facts.items()}, vocabulary)


def _costs_of(notes: Iterable[tuple[str, Sequence[AnyNote]]]) -> Costs:
    """The costs among notes."""
    noted = ((account, [one for one in some if type(one) is Cost]) for account, some in notes)
    return {account: costs for account, costs in noted if costs}


def _piled(layers: Layers, *, is_warm: bool) -> Layers:
    """Few layers of the same accounts, the large ones among the new ones warm if they are to be. Raises TooLarge."""
    piled = layers.piled()
    new = piled.less(layers)
    if is_warm and new.held > WARM_MIN:
        warm(new)
    return piled


def _changed(layers: Layers, read: Mapping[str, bytes | None], notes: Notes, vocabulary: Vocabulary) -> Layers:
    """With the records that were read; raises TooLarge."""
    records = {account: None if data is None else record_of_bytes(data) for account, data in read.items()}
    return layers.changed(records, vocabulary, told_in_columns(notes))
