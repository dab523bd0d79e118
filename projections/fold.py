"""The fold: bookings into changed records, and what has to be added to the pages."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from events.account import Booking
from events.movements import Posting
from projections.groups import standing_groups
from projections.pages import PageChanges, add_shared
from projections.records import Record, merged
from projections.tally import tally_changes


class Folded(Struct, frozen=True):
    """What a batch of bookings changes: whole records by account, additions to the pages and to the book.

    `names`: (currency, name) of every group that anything was ever posted to, were it taken back at once.
    """

    records: dict[str, Record]
    pages: PageChanges
    book: dict[str, int]
    names: set[tuple[str, str]]


def postings_by_account(bookings: Iterable[Booking]) -> dict[str, list[Posting]]:
    """The postings of a batch, account by account; those whose records the fold needs."""
    postings: dict[str, list[Posting]] = {}
    for booking in bookings:
        if booking.postings:
            postings.setdefault(booking.account, []).extend(booking.postings)
    return postings


def fold(records: Mapping[str, Record], bookings: Iterable[Booking]) -> Folded:
    """Folds a batch, given the records so far of the accounts it posts to (absent: none so far).

    However the same bookings are cut into batches, records, pages, book and names end the same.
    """
    bookings = list(bookings)
    changed: dict[str, Record] = {}
    pages: PageChanges = {}
    names: set[tuple[str, str]] = set()
    for account, postings in postings_by_account(bookings).items():
        old = records.get(account, {})
        new = changed[account] = merged(old, postings)
        for shared in tally_changes(account, old, new, postings, standing_groups):
            add_shared(pages, shared)
            if not shared.counts:
                names.update((shared.currency, name) for name, _ in shared.groups)
    names.update((currency, name) for (currency, _), groups in pages.items() for name, _ in groups)
    counts = {
        "entries": len(bookings),
        "unmatched": sum(booking.unmatched for booking in bookings),
        "postings": sum(len(booking.postings) for booking in bookings),
    }
    return Folded(changed, pages, counts, names)
