"""The fold: bookings into changed records, and what has to be added to the pages."""

from collections.abc import Iterable, Mapping, Sequence

from events.adoption import is_sent
from events.block import Entry, RawBooking
from events.envelope import event_of
from events.vocabulary import BOOK_SUBJECT
from projections.groups import spread_of
from projections.pages import Added, add_counts
from projections.rates import Kept, kept_of
from projections.records import NOTHING, Posted, Record, cause_of, merged
from projections.tally import tally_changes


class Fold:
    """What bookings change: whole records by account, additions to notes and pages, counts of the book, rates.

    Bookings are added a block at a time, so that what one needs is still in the processor's cache. However the
    same bookings are cut into blocks and folds, records, pages and book end the same.
    """

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.notes: dict[str, list[bytes]] = {}
        self.stated: dict[str, list[bytes]] = {}
        self.added: Added = {}
        self.book = {"entries": 0, "unmatched": 0, "postings": 0}
        self.newest_moment = 0
        self.kept: Kept = {}

    def tell(self, entries: Sequence[Entry], bookings: Sequence[RawBooking]) -> None:
        """Keeps what events of the book say, and when the newest event was, beside what `add` makes of the bookings.

        An adoption is no event: nobody sent it, and no day begins with it.
        """
        if is_sent(entries):
            self.newest_moment = max([self.newest_moment, *[one.moment for one in bookings]])
        for entry, booking in zip(entries, bookings, strict=True):
            if booking.account == BOOK_SUBJECT:
                for key, fields in kept_of(event_of(entry.event), booking.seq).items():
                    self.kept.setdefault(key, {}).update(fields)

    def add(self, bookings: Sequence[RawBooking], records: Mapping[str, Record]) -> None:
        """Folds bookings in, given the records of the accounts they post to that are not in this fold already.

        An account without a record has nothing posted to it so far.
        """
        for account, posted in _posted_by_account(bookings).items():
            old = self.records.get(account) or records.get(account, NOTHING)
            self.records[account] = merged(old, posted)
            for spread, counts in tally_changes(old, posted):
                add_counts(self.added, spread, counts)
        self.book["entries"] += len(bookings)
        self.book["unmatched"] += sum([one.unmatched for one in bookings])
        self.book["postings"] += sum([len(one.postings) for one in bookings])

    def note(self, noted: Iterable[tuple[str, bytes]]) -> None:
        """Adds the notes of events by account, in the order of the ledger; an empty one is none."""
        _append(self.notes, noted)

    def state(self, stated: Iterable[tuple[str, bytes]]) -> None:
        """Adds what events say about contracts, likewise."""
        _append(self.stated, stated)


def _append(notes: dict[str, list[bytes]], more: Iterable[tuple[str, bytes]]) -> None:
    for account, note in more:
        if note:
            notes.setdefault(account, []).append(note)


def _posted_by_account(bookings: Iterable[RawBooking]) -> dict[str, list[Posted]]:
    posted: dict[str, list[Posted]] = {}
    for booking in bookings:
        if booking.postings:
            more = []
            for one in booking.postings:
                cell = bytes(one.cell)
                cause = cause_of(one.reason, one.initiative)
                more.append((one.day, one.movement, one.amount, spread_of(cell), cell, cause))
            known = posted.get(booking.account)
            if known is None:
                posted[booking.account] = more
            else:
                known += more
    return posted
