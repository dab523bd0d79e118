"""Bookings of random histories, and records made by hand, for tests of what is summed over them."""

from collections.abc import Iterable, Sequence

import msgspec
from hypothesis import strategies as st

from events.account import Booking
from events.movements import Movement, Posting
from events.timeline import Cell
from projections.groups import spread_of
from projections.records import NOTHING, Posted, Record, cause_of, merged
from tests.events.booked import Booked
from tests.model.days import Event
from tests.model.histories import arrival_orders, histories


def cell(plan: str = "pro", *, contract: str = "k1", line: str = "l1", currency: str = "USD", **labels: str) -> Cell:
    """A cell with some labels."""
    return Cell(currency, contract, line, plan, "", tuple(sorted(labels.items())))


def posting(day: int, movement: Movement, amount: int, of: Cell | None = None, reason: str = "") -> Posting:
    """A posting, on the usual cell unless said otherwise."""
    return Posting(day, movement, amount, of or cell(), reason)


def posted(postings: Iterable[Posting]) -> list[Posted]:
    """The postings as the fold sees them."""
    cells = [(one, msgspec.msgpack.encode(one.cell)) for one in postings]
    return [
        (one.day, one.movement, one.amount, spread_of(data), data, cause_of(one.reason, one.initiative))
        for one, data in cells
    ]


def record(*postings: Posting) -> Record:
    """A record of postings."""
    return merged(NOTHING, posted(postings))


def bookings_of(events: Sequence[Event]) -> list[Booking]:
    """What the events did, one after the other."""
    return [one for one in Booked().book_all(events) if isinstance(one, Booking)]


def records_of(bookings: Iterable[Booking]) -> dict[str, Record]:
    """The records of all accounts."""
    records: dict[str, Record] = {}
    for booking in bookings:
        records[booking.account] = merged(records.get(booking.account, NOTHING), posted(booking.postings))
    return {account: found for account, found in records.items() if found.count}


@st.composite
def bookings(draw: st.DrawFn) -> list[Booking]:
    """The bookings of a random history in some order of arrival."""
    history: list[Event] = draw(histories())
    return bookings_of(draw(st.one_of(st.just(history), arrival_orders(history))))
