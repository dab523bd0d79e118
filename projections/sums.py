"""Sums: what is kept of all accounts together, by month and by day, under the wire names of the views."""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final

from events.account import Booking
from events.days import month_of_day
from projections.groups import standing_groups
from projections.tally import Tally

Changes = dict[str, dict[str, int]]
"""Key of a view -> field -> what to add."""

ACCOUNTS: Final = "accounts"
"""Key of the view that holds the record of every account."""

BOOK: Final = "book"
"""Key of the view with what is counted over the whole book: entries, unmatched, postings, names in use."""

Amount = tuple[int, str, str, int]
"""(day or month, kind, value, amount): one field of a view of days or months."""


def months_key(currency: str, name: str) -> str:
    """The view with the sums of every month by the values of a name; the empty name is the whole."""
    return f"months:{currency}:{name}"


def days_key(currency: str, name: str, month: int) -> str:
    """The view with the sums of every day of a month by the values of a name."""
    return f"days:{currency}:{name}:{month}"


_month_of = lru_cache(maxsize=20_000)(month_of_day)


def changes_of(tally: Tally, bookings: Iterable[Booking]) -> Changes:
    """What a tally and the bookings behind it add to the views."""
    changes: Changes = {BOOK: _book(bookings)}
    for (currency, (name, value), day, kind), amount in tally.items():
        if not amount:
            continue
        month = _month_of(day)
        changes.setdefault(days_key(currency, name, month), {})[f"{day}|{kind}|{value}"] = amount
        months = changes.setdefault(months_key(currency, name), {})
        field = f"{month}|{kind}|{value}"
        months[field] = months.get(field, 0) + amount
    return changes


def _book(bookings: Iterable[Booking]) -> dict[str, int]:
    """Entries, unmatched facts and postings; and for every currency the postings under each name."""
    counts = {"entries": 0, "unmatched": 0, "postings": 0}
    for booking in bookings:
        counts["entries"] += 1
        counts["unmatched"] += booking.unmatched
        counts["postings"] += len(booking.postings)
        for posting in booking.postings:
            for name, _ in standing_groups("", posting.cell):
                field = f"names|{posting.cell.currency}|{name}"
                counts[field] = counts.get(field, 0) + 1
    return counts


def amounts_of(fields: Mapping[bytes, bytes]) -> Iterator[Amount]:
    """The fields of a view of months or days, read back."""
    for field, amount in fields.items():
        when, kind, value = field.decode().split("|", 2)
        yield int(when), kind, value, int(amount)


def amounts_of_tally(tally: Tally, currency: str) -> Iterator[Amount]:
    """The same from a tally, with days, in one currency."""
    for (one, (_, value), day, kind), amount in tally.items():
        if one == currency:
            yield day, kind, value, amount
