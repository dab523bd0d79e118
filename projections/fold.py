"""The fold: bookings into changed records and what has to be added to the sums."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from events.account import Booking
from events.movements import Posting
from projections.groups import standing_groups
from projections.records import Record, merged
from projections.sums import Changes, changes_of
from projections.tally import Tally, tally_changes


class Folded(Struct, frozen=True):
    """What a batch of bookings changes: whole records by account, additions to the sums by key and field."""

    records: dict[str, Record]
    changes: Changes


def postings_by_account(bookings: Iterable[Booking]) -> dict[str, list[Posting]]:
    """The postings of a batch, account by account; those whose records the fold needs."""
    postings: dict[str, list[Posting]] = {}
    for booking in bookings:
        if booking.postings:
            postings.setdefault(booking.account, []).extend(booking.postings)
    return postings


def fold(records: Mapping[str, Record], bookings: Iterable[Booking]) -> Folded:
    """Folds a batch, given the records so far of the accounts it posts to (absent: none so far).

    However the same bookings are cut into batches, the sums end the same.
    """
    bookings = list(bookings)
    by_account = postings_by_account(bookings)
    changed: dict[str, Record] = {}
    total: Tally = {}
    for account, postings in by_account.items():
        old = records.get(account, {})
        new = changed[account] = merged(old, postings)
        for key, value in tally_changes(account, old, new, postings, standing_groups).items():
            total[key] = total.get(key, 0) + value
    return Folded(changed, changes_of(total, bookings))
