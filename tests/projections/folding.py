"""Bookings folded in batches, as the projector does it, with everything kept in memory."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from events.account import Booking
from projections.fold import fold
from projections.pages import PageName, changed_page
from projections.records import Record, bytes_of_record, record_of_bytes
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
        return {} if data is None else record_of_bytes(data)

    def add(self, batch: Sequence[Booking]) -> None:
        """Folds a batch."""
        folded = fold({account: record_of_bytes(data) for account, data in self.records.items()}, batch)
        for account, record in folded.records.items():
            self.records[account] = bytes_of_record(record)
        for (currency, month), groups in folded.pages.items():
            for (name, value), changes in groups.items():
                self._change(PageName(currency, name, value, month), changes)
        for count, more in folded.book.items():
            self.book[count] = self.book.get(count, 0) + more
        self.names |= folded.names

    def _change(self, name: PageName, changes: dict[tuple[str, int], int]) -> None:
        old = self.pages.get(name)
        days, months = changed_page(None if old is None else old[0], changes)
        if days is None or months is None:
            self.pages.pop(name, None)
        else:
            self.pages[name] = (days, months)


def projected(parts: Iterable[Sequence[Booking]]) -> Projected:
    """The views after some batches."""
    views = Projected()
    for part in parts:
        views.add(part)
    return views
