"""Bookings folded in batches, as the projector does it, with everything kept in memory."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from events.account import Booking
from events.block import entry_of, raw_bookings_of
from projections.fold import Fold
from projections.pages import Changes, PageName, changed_page, page_changes
from projections.records import NOTHING, Record, bytes_of_record, record_of_bytes
from projections.tally import EVERY
from tests.events.booked import Booked
from tests.model.days import Event


def bookings_of(history: Iterable[Event]) -> list[Booking]:
    """What the events of a history were booked as, without repetitions."""
    return [one for one in Booked().book_all(history) if isinstance(one, Booking)]


def batches(bookings: Sequence[Booking], cuts: Iterable[int]) -> list[Sequence[Booking]]:
    """The bookings cut before some places."""
    bounds = sorted({0, len(bookings), *(cut for cut in cuts if cut < len(bookings))})
    return [bookings[start:end] for start, end in pairwise(bounds)]


class Projected:
    """What the views hold: records and pages in bytes, counts and names."""

    def __init__(self) -> None:
        self.records: dict[str, bytes] = {}
        self.pages: dict[PageName, tuple[bytes, bytes]] = {}
        self.book: dict[str, int] = {}
        self.names: set[tuple[str, str]] = set()

    def record(self, account: str) -> Record:
        """The record of an account, empty if there is none."""
        data = self.records.get(account)
        return NOTHING if data is None else record_of_bytes(data)

    def add(self, batch: Sequence[Booking]) -> None:
        """Folds a batch."""
        fold = Fold()
        fold_all(fold, [batch], {account: record_of_bytes(data) for account, data in self.records.items()})
        self.take(fold)

    def take(self, fold: Fold) -> None:
        """Takes the changes of a fold over."""
        for account, record in fold.records.items():
            self.records[account] = bytes_of_record(record)
        for (currency, month), added in fold.added.items():
            for (name, value), changes in page_changes(added).items():
                self._change(PageName(currency, name, value, month), changes)
                if currency != EVERY:
                    self.names.add((currency, name))
        for count, more in fold.book.items():
            self.book[count] = self.book.get(count, 0) + more

    def _change(self, name: PageName, changes: Changes) -> None:
        old = self.pages.get(name)
        days, months = changed_page(None if old is None else old[0], changes)
        if days is None or months is None:
            self.pages.pop(name, None)
        else:
            self.pages[name] = (days, months)


def fold_all(fold: Fold, parts: Iterable[Sequence[Booking]], records: Mapping[str, Record]) -> None:
    """Adds bookings to a fold, part by part, as blocks bring them."""
    for part in parts:
        fold.add(raw_bookings_of([entry_of(b"", booking) for booking in part]), records)


def projected(parts: Iterable[Sequence[Booking]]) -> Projected:
    """The views after some batches."""
    views = Projected()
    for part in parts:
        views.add(part)
    return views
