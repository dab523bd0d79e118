"""The projector: folds the ledger's blocks into the views, every block once and in order."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final, TypeVar

from events import block as blocks
from events.block import Block, BlockDamaged, RawBooking
from projections.fold import Fold
from projections.pages import ACCOUNTS, BOOK, BOOK_COUNTS, FORMAT, PageName, changed_page, page_changes
from projections.records import Record, bytes_of_record, record_of_bytes
from services.ledgers.port import Ledger, StoredBlock
from services.views.port import START, Field, Gap, Position, Value, Views

BATCH_ENTRIES_MAX: Final = 50_000
"""The most entries of one commit: whoever is behind rewrites each page once for all of them."""

SPAN_ENTRIES: Final = 1_000
SPAN_SPREADS: Final = 500
"""So many entries are folded at once, and pages of so many spreads changed: few enough for the processor's cache, and
enough that whoever keeps pace asks the views once for records and once for pages."""

BATCH_BYTES_MAX: Final = 64 * 1024 * 1024
CHECK_SECONDS: Final = 1.0
"""How often an idle projector looks whether the views are still where it left them."""
T = TypeVar("T")
RECORDS_MAX: Final = 100_000
PAGES_MAX: Final = 50_000
"""Records and pages in memory, those used last, in the bytes that the views hold: some half and one KiB each."""


class Projector:
    """Keeps the views of one partition at the head of its ledger.

    What it holds in memory is a copy of the views; on any doubt it drops it and reads them again.
    """

    def __init__(self, ledger: Ledger, views: Views, partition: int = 0) -> None:
        self._ledger = ledger
        self._views = views
        self._partition = partition
        self._epoch = 0
        self._doubtful = True
        self._position = START
        self._before: Block | None = None
        self._records: OrderedDict[str, bytes | None] = OrderedDict()
        self._pages: OrderedDict[PageName, bytes | None] = OrderedDict()
        self._is_all_there = False
        self._book: dict[str, int] = {}
        self._moved = asyncio.Condition()

    @property
    def position(self) -> Position:
        """How far the views reach."""
        return self._position

    @property
    def is_claimed(self) -> bool:
        """Whether it has an epoch; another may have a newer one by now, which a commit tells."""
        return self._epoch > 0

    async def start(self) -> None:
        """Takes the partition over, and starts its views from nothing where they are of another ledger."""
        self._epoch = await self._views.claim(self._partition)
        await self._reload()

    async def run(self) -> None:
        """Follows the ledger for ever; start it first. Views that lose something meanwhile are brought up again.

        Raises:
            Fenced: another projector took the partition over.
            ViewsUnavailable, LedgerUnavailable, BlockDamaged: nothing was projected wrongly; start again.
        """
        following = self._ledger.follow(self._partition, self._position.next_height)
        coming = asyncio.ensure_future(anext(following))
        try:
            while True:
                await asyncio.wait([coming], timeout=CHECK_SECONDS)
                if not coming.done():
                    await self._check()
                    continue
                if coming.result().height >= self._position.next_height:
                    await self.catch_up()
                coming = asyncio.ensure_future(anext(following))
        finally:
            coming.cancel()

    async def catch_up(self, until_height: int | None = None) -> None:
        """Projects all that the ledger holds now (or the blocks below a height), and returns."""
        while await self._pass(until_height):
            pass

    async def take(self, coming: Sequence[StoredBlock]) -> int:
        """Projects blocks that were handed over, in the order of the log they come from; how many were skipped.

        A block the views reflect already, and a fork that a writer left behind, is skipped. What is missing
        before a block, because the views lost it, is read from the ledger. Raises as `run` does.
        """
        if self._doubtful:
            await self._reload()
        skipped = 0
        batch: list[StoredBlock] = []
        for stored in coming:
            due = self._position.next_height + len(batch)
            if stored.height > due:
                await self._take_all(batch)
                batch = []
                await self.catch_up(stored.height)
                due = self._position.next_height
                if stored.height > due:
                    raise BlockDamaged(f"block {stored.height} came, and the ledger has no block {due}")
            before = batch[-1].hash if batch else self._position.last_hash or blocks.NO_HASH
            if stored.height == due and stored.prev_hash == before:
                batch.append(stored)
            else:
                skipped += 1
        await self._take_all(batch)
        return skipped

    async def _take_all(self, batch: Sequence[StoredBlock]) -> None:
        """Projects blocks that follow the position; where the views have moved meanwhile, from the ledger."""
        if not batch:
            return
        try:
            await self._project(batch)
        except Gap:
            await self._reload()
            await self.catch_up(batch[-1].height + 1)
        except BaseException:
            self._doubtful = True
            raise

    async def look(self) -> Position:
        """Where the views stand; if that is elsewhere than they were left, what is in memory is dropped.

        Raises `Fenced` if another projector has moved them: the store is asked by a commit that changes nothing,
        for a commit of our own whose answer was lost moves them too.
        """
        stored = await self._views.position(self._partition)
        if (stored or START) != self._position:
            self._doubtful = True
            if stored is not None:
                with suppress(Gap):
                    await self._views.commit(self._partition, self._epoch, stored.next_height, stored, {})
        return stored or START

    async def reached(self, height: int) -> None:
        """Waits until the views reflect a block."""
        async with self._moved:
            await self._moved.wait_for(lambda: self._position.next_height > height)

    async def _pass(self, until_height: int | None) -> bool:
        """Projects from the position to the tail in large commits; whether there may be more."""
        if self._doubtful:
            await self._reload()
        batch: list[StoredBlock] = []
        entries = size = 0
        start = self._position.next_height
        try:
            async for stored in self._ledger.read(self._partition, start, until_height):
                batch.append(stored)
                entries += stored.entries
                size += len(stored.data)
                if entries >= BATCH_ENTRIES_MAX or size >= BATCH_BYTES_MAX:
                    await self._project(batch)
                    batch, entries, size = [], 0, 0
            if batch:
                await self._project(batch)
        except Gap:
            await self._reload()
            return True
        except BaseException:
            self._doubtful = True
            raise
        return self._position.next_height > start

    async def _check(self) -> None:
        """Brings the views up again should they stand elsewhere than they were left, as after a restart."""
        if (await self._views.position(self._partition) or START) != self._position:
            self._doubtful = True
            await self.catch_up()

    async def _project(self, batch: Sequence[StoredBlock]) -> None:
        before = self._before
        fold = Fold()
        for some in _portions(batch, lambda one: one.entries, SPAN_ENTRIES):
            bookings: list[RawBooking] = []
            for stored in some:
                block = blocks.block_of(stored.data)
                blocks.check_next(before, block)
                blocks.check_entries(block)
                bookings += blocks.raw_bookings_of(block.entries)
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

    async def _records_for(self, bookings: Iterable[RawBooking], fold: Fold) -> dict[str, Record]:
        """The records of the accounts that bookings post to and that are not in the fold already."""
        found: dict[str, Record] = {}
        missing: list[str] = []
        for account in {one.account for one in bookings if one.postings}.difference(fold.records):
            data = self._records.get(account)
            if data is None:
                missing.append(account)
            else:
                found[account] = record_of_bytes(data)
        if missing and not self._is_all_there:
            values = await self._views.read_fields(self._partition, ACCOUNTS, missing)
            found |= {a: record_of_bytes(v) for a, v in zip(missing, values, strict=True) if v is not None}
        return found

    async def _writes(self, fold: Fold) -> dict[str, dict[Field, Value | None]]:
        """The absolute values after the changes; also remembered, so whoever fails to commit has to reload."""
        self._book = {name: self._book.get(name, 0) + count for name, count in fold.book.items()}
        book: dict[Field, Value | None] = {"format": FORMAT}
        book.update(self._book)
        accounts: dict[Field, Value | None] = {}
        writes = {BOOK: book, ACCOUNTS: accounts}
        for some in _portions(fold.added.items(), lambda one: len(one[1]), SPAN_SPREADS):
            changes = {
                PageName(currency, *group, month): change
                for (currency, month), added in some
                for group, change in page_changes(added).items()
            }
            await self._load(changes)
            for name, change in changes.items():
                page, totals = changed_page(self._pages.get(name), change)
                self._pages[name] = page
                writes.setdefault(name.days_key, {})[name.value] = page
                writes.setdefault(name.months_key, {})[name.months_field] = totals
                book[f"names|{name.currency}|{name.name}"] = 1
        for account, record in fold.records.items():
            accounts[account] = self._records[account] = bytes_of_record(record) if record.count else None
            self._records.move_to_end(account)
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
                self._pages.update(zip(missing[key], values, strict=True))

    async def _reload(self) -> None:
        """Drops what is in memory and begins where the views stand; views of another ledger or form are cleared."""
        self._doubtful = True
        self._records.clear()
        self._pages.clear()
        self._before = None
        position = await self._views.position(self._partition) or START
        form, *counts = await self._views.read_fields(self._partition, BOOK, ("format", *BOOK_COUNTS))
        if position.next_height:
            self._before = await self._block_before(position)
            if self._before is None or int(form or 0) != FORMAT:
                await self._views.clear(self._partition)
                self._before, position, counts = None, START, [None] * len(BOOK_COUNTS)
        self._position = position
        self._is_all_there = not position.next_height
        self._book = {name: int(count or 0) for name, count in zip(BOOK_COUNTS, counts, strict=True)}
        self._doubtful = False

    async def _block_before(self, position: Position) -> Block | None:
        height = position.next_height - 1
        async for stored in self._ledger.read(self._partition, height, height + 1):
            return blocks.block_of(stored.data) if stored.hash == position.last_hash else None
        return None

    def _trim(self) -> None:
        if len(self._records) > RECORDS_MAX or len(self._pages) > PAGES_MAX:
            self._is_all_there = False
        while len(self._records) > RECORDS_MAX:
            self._records.popitem(last=False)
        while len(self._pages) > PAGES_MAX:
            self._pages.popitem(last=False)


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
