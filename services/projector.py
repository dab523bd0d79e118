"""The projector: folds the ledger's blocks into the views, every block once and in order."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import Final, TypeVar

from events import block as blocks
from events.block import Block, RawBooking
from events.notes import noted, noted_after
from events.stated import stated, takes_off
from events.vocabulary import BOOK_SUBJECT
from projections.fold import Fold
from projections.pages import (
    ACCOUNTS,
    BOOK,
    BOOK_COUNTS,
    FORMAT,
    NOTES,
    STATED,
    PageName,
    changed_page,
    page_changes,
)
from projections.records import Record, bytes_of_record, record_of_bytes
from projections.tally import EVERY
from services.following import Follower
from services.ledgers.port import Chains, StoredBlock
from services.policies import zone_of
from services.views.port import START, Field, Position, Value, Views

SPAN_ENTRIES: Final = 1_000
SPAN_SPREADS: Final = 500
"""So many entries are folded at once, and pages of so many spreads changed: few enough for the processor's cache, and
enough that whoever keeps pace asks the views once for records and once for pages."""

NOTHING: Final = (None, None)
"""A page and its totals where there are none; of one that was read the totals are not known until it changes."""

T = TypeVar("T")
RECORDS_MAX: Final = 100_000
PAGES_MAX: Final = 50_000
"""Records and pages in memory, those used last, in the bytes that the views hold: some half and one KiB each."""


class Projector(Follower):
    """Keeps the sums, records and notes of one partition at the head of its ledger."""

    # Events of one moment change the same pages, and each commit costs as much as folding three of them.
    gather_seconds = 0.01

    def __init__(self, ledger: Chains, views: Views, partition: int = 0) -> None:
        super().__init__(ledger, views, partition)
        self._records: OrderedDict[str, bytes | None] = OrderedDict()
        self._notes: OrderedDict[str, bytes | None] = OrderedDict()
        self._stated: OrderedDict[str, bytes | None] = OrderedDict()
        self._pages: OrderedDict[PageName, tuple[bytes | None, bytes | None]] = OrderedDict()
        self._zone: tzinfo | None = None
        self._has_discounts = False
        self._is_all_there = False
        self._book: dict[str, int] = {}

    async def _project(self, batch: Sequence[StoredBlock]) -> None:
        before = self._before
        fold = Fold()
        for some in _portions(batch, lambda one: one.entries, SPAN_ENTRIES):
            bookings: list[RawBooking] = []
            for stored in some:
                block = blocks.block_of(stored.data)
                blocks.check_next(before, block)
                blocks.check_entries(block)
                booked = blocks.raw_bookings_of(block.entries)
                fold.tell(block.entries, booked)
                self._learn_zone(block)
                fold.note(zip([one.account for one in booked], self._noted(block), strict=True))
                if self._has_discounts or await self._begins_discounts(block, fold):
                    fold.state(_stated(block, booked))
                bookings += booked
                before = block
                await asyncio.sleep(0)  # whoever else lives on this loop gets a turn after every block
            fold.add(bookings, await self._records_for(bookings, fold))
        assert before is not None, "there is always a block to project"
        writes = await self._writes(fold)
        position = _position_after(self._position, before, fold)
        await self._views.commit(self._partition, self._epoch, self._position.next_height, position, writes)
        self._before = before
        async with self._moved:
            self._position = position
            self._moved.notify_all()
        self._trim()

    def _learn_zone(self, block: Block) -> None:
        """The first block of a partition fixes the zone in which a time becomes a day."""
        if block.header.genesis is not None:
            self._zone = zone_of(block.header.genesis.policy)

    def _noted(self, block: Block) -> list[bytes]:
        """The notes of the entries of a block."""
        zone = self._zone
        return [noted(one.event, zone) for one in block.entries]

    async def _begins_discounts(self, block: Block, fold: Fold) -> bool:
        """Whether a block has the first discount of the ledger: then what the blocks before it say is kept as well."""
        # a call for every event is dear
        some = [one.event for one in block.entries if b'"discounts"' in one.event or b"\\" in one.event]
        if not any(takes_off(event, self._zone) for event in some):
            return False
        self._has_discounts = True
        fold.stated[""] = []  # what is kept under no account says that there are discounts
        async for earlier in self._ledger.read(self._partition, 0, block.header.height):
            before = blocks.block_of(earlier.data)
            fold.state(_stated(before, blocks.raw_bookings_of(before.entries)))
            await asyncio.sleep(0)
        return True

    async def _records_for(self, bookings: Iterable[RawBooking], fold: Fold) -> dict[str, Record]:
        """The records of the accounts that bookings post to and that are not in the fold already.

        What is missing of them is read in one go with the notes that the fold adds to, which are remembered.
        """
        found: dict[str, Record] = {}
        missing: list[str] = []
        for account in {one.account for one in bookings if one.postings}.difference(fold.records):
            data = self._records.get(account)
            if data is None:
                missing.append(account)
            else:
                found[account] = record_of_bytes(data)
        if self._is_all_there:
            return found
        wanted = {ACCOUNTS: missing, NOTES: [one for one in fold.notes if one not in self._notes]}
        wanted[STATED] = [one for one in fold.stated if one not in self._stated]
        if any(wanted.values()):
            values = await self._views.read_each(self._partition, wanted)
            found |= {a: record_of_bytes(v) for a, v in zip(missing, values[ACCOUNTS], strict=True) if v is not None}
            self._notes.update(zip(wanted[NOTES], values[NOTES], strict=True))
            self._stated.update(zip(wanted[STATED], values[STATED], strict=True))
        return found

    async def _writes(self, fold: Fold) -> dict[str, dict[Field, Value | None]]:
        """The absolute values after the changes; also remembered, so whoever fails to commit has to reload."""
        self._book = {name: self._book.get(name, 0) + count for name, count in fold.book.items()}
        book: dict[Field, Value | None] = {"format": FORMAT}
        book.update(self._book)
        accounts: dict[Field, Value | None] = {}
        writes: dict[str, dict[Field, Value | None]] = {BOOK: book, ACCOUNTS: accounts}
        for key, fields in fold.kept.items():
            writes.setdefault(key, {}).update(fields)
        for some in _portions(fold.added.items(), lambda one: len(one[1]), SPAN_SPREADS):
            changes = {
                PageName(currency, *group, month): change
                for (currency, month), added in some
                for group, change in page_changes(added).items()
            }
            await self._load(changes)
            for name, change in changes.items():
                old, sums = self._pages.get(name, NOTHING)
                page, totals = changed_page(old, change, sums)
                self._pages[name] = page, totals
                writes.setdefault(name.days_key, {})[name.value] = page
                writes.setdefault(name.months_key, {})[name.months_field] = totals
                if name.currency != EVERY:
                    book[f"names|{name.currency}|{name.name}"] = 1
        for account, record in fold.records.items():
            accounts[account] = self._records[account] = bytes_of_record(record) if record.count else None
            self._records.move_to_end(account)
        if fold.notes:
            writes[NOTES] = _noted_after(self._notes, fold.notes)
        if fold.stated:
            writes[STATED] = _noted_after(self._stated, fold.stated)
        return writes

    async def _load(self, names: Iterable[PageName]) -> None:
        """Brings the pages that are not in memory there."""
        missing: dict[str, list[PageName]] = {}
        for name in names:
            if name in self._pages:
                self._pages.move_to_end(name)
            elif not self._is_all_there:
                missing.setdefault(name.days_key, []).append(name)
        if missing:
            wanted = {key: [name.value for name in names] for key, names in missing.items()}
            for key, values in (await self._views.read_each(self._partition, wanted)).items():
                self._pages.update(zip(missing[key], [(page, None) for page in values], strict=True))

    async def _reload(self) -> None:
        """Drops what is in memory and begins where the views stand; views of another ledger or form are cleared."""
        self._doubtful = True
        self._records.clear()
        self._notes.clear()
        self._stated.clear()
        self._pages.clear()
        self._before = None
        position = await self._views.position(self._partition) or START
        form, *counts = await self._views.read_fields(self._partition, BOOK, ("format", *BOOK_COUNTS))
        if position.next_height:
            self._before = await self._block_before(position)
            if self._before is None or int(form or 0) != FORMAT:
                await self._views.clear(self._partition)
                self._before, position, counts = None, START, [None] * len(BOOK_COUNTS)
        async for first in self._ledger.read(self._partition, 0, 1):
            self._learn_zone(blocks.block_of(first.data))
        self._position = position
        self._is_all_there = not position.next_height
        (begun,) = await self._views.read_fields(self._partition, STATED, [""])
        self._has_discounts = begun is not None
        self._book = {name: int(count or 0) for name, count in zip(BOOK_COUNTS, counts, strict=True)}
        self._doubtful = False

    def _trim(self) -> None:
        of_accounts = (self._records, self._notes, self._stated)
        if max(map(len, of_accounts)) > RECORDS_MAX or len(self._pages) > PAGES_MAX:
            self._is_all_there = False
        for known in of_accounts:
            while len(known) > RECORDS_MAX:
                known.popitem(last=False)
        while len(self._pages) > PAGES_MAX:
            self._pages.popitem(last=False)


def _noted_after(
    known: OrderedDict[str, bytes | None], more: Mapping[str, Sequence[bytes]]
) -> dict[Field, Value | None]:
    """The notes of some accounts with more of them; also remembered."""
    notes: dict[Field, Value | None] = {}
    for account, some in more.items():
        notes[account] = known[account] = noted_after(known.get(account), some)
        known.move_to_end(account)
    return notes


def _stated(block: Block, booked: Sequence[RawBooking]) -> Iterator[tuple[str, bytes]]:
    """What the entries of a block say about contracts, by account."""
    for entry, booking in zip(block.entries, booked, strict=True):
        if booking.account != BOOK_SUBJECT:
            yield booking.account, stated(entry.event, booking.seq)


def _portions(items: Iterable[T], size_of: Callable[[T], int], size: int) -> Iterator[list[T]]:
    """The items, in order, some at a time: as few as together have the size."""
    some: list[T] = []
    reached = 0
    for item in items:
        some.append(item)
        reached += size_of(item)
        if reached >= size:
            yield some
            some, reached = [], 0
    if some:
        yield some


def _position_after(position: Position, last: Block, fold: Fold) -> Position:
    return Position(
        next_height=last.header.height + 1,
        last_hash=last.hash,
        last_seq=last.next_seq - 1,
        recorded_at=last.header.recorded_at,
        newest_event_at=max(position.newest_event_at, fold.newest_moment),
    )
