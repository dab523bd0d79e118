"""The fold: however bookings are cut into batches, the views end the same, and are those of the records."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from events.days import month_of_day
from projections.fold import fold, postings_by_account
from projections.groups import standing_groups
from projections.pages import Page, PageName
from projections.records import Record
from projections.tally import tally_of
from tests.model.days import Event
from tests.model.histories import arrival_orders, histories
from tests.model.notation import fact, line, retracted
from tests.projections.folding import Projected, batches, bookings_of, projected

SHORTER = settings(max_examples=60, deadline=None)


@st.composite
def arrivals(draw: st.DrawFn) -> list[Event]:
    """A history in some order of arrival, with repetitions."""
    arrived: list[Event] = draw(arrival_orders(draw(histories())))
    return arrived


CUTS = st.lists(st.integers(0, 18), max_size=5)


def pages_of_records(views: Projected) -> dict[PageName, Page]:
    """The pages worked out from the whole records, account by account."""
    pages: dict[PageName, Page] = {}
    for account in views.records:
        tally = tally_of(account, views.record(account).items(), standing_groups, {})
        for (currency, (name, value), day, kind), amount in tally.items():
            page = pages.setdefault(PageName(currency, name, value, month_of_day(day)), {})
            days = page.setdefault(kind, {})
            days[day] = days.get(day, 0) + amount
    return {name: kept for name, page in pages.items() if (kept := without_zeros(page))}


def without_zeros(page: Page) -> Page:
    """The page as it is kept: no zeros, and no kind without days."""
    kinds = {kind: {day: amount for day, amount in days.items() if amount} for kind, days in page.items()}
    return {kind: days for kind, days in kinds.items() if days}


def decoded(data: bytes) -> Page:
    """A page from its bytes."""
    return msgspec.json.decode(data, type=Page)


@SHORTER
@given(arrivals(), CUTS)
def test_any_batches_end_in_the_same_views(arrived: list[Event], cuts: list[int]) -> None:
    """Records, counts and names as values; pages and their totals to the byte."""
    bookings = bookings_of(arrived)
    cut, whole, single = (
        projected(parts) for parts in (batches(bookings, cuts), [bookings], batches(bookings, range(len(bookings))))
    )
    for other in (cut, single):
        assert {account: other.record(account) for account in other.records} == {
            account: whole.record(account) for account in whole.records
        }
        assert other.pages == whole.pages
        assert other.names == whole.names
        assert other.book == whole.book


@SHORTER
@given(arrivals(), CUTS)
def test_pages_are_those_of_the_records(arrived: list[Event], cuts: list[int]) -> None:
    """What was added batch by batch is what the final records add up to, counted from scratch."""
    views = projected(batches(bookings_of(arrived), cuts))
    found = {name: decoded(days) for name, (days, _) in views.pages.items()}
    assert found == pages_of_records(views)


@SHORTER
@given(arrivals(), CUTS)
def test_totals_are_the_sums_of_the_days(arrived: list[Event], cuts: list[int]) -> None:
    for days, months in projected(batches(bookings_of(arrived), cuts)).pages.values():
        page = decoded(days)
        assert msgspec.json.decode(months) == {kind: sum(amounts.values()) for kind, amounts in page.items()}
        assert list(page) == sorted(page)
        assert all(list(amounts) == sorted(amounts) for amounts in page.values())


@SHORTER
@given(arrivals())
def test_records_and_names_are_those_of_the_postings(arrived: list[Event]) -> None:
    """By the plainest of sums."""
    bookings = bookings_of(arrived)
    views = projected([bookings])
    for account, postings in postings_by_account(bookings).items():
        sums: Record = {}
        for one in postings:
            key = (one.day, one.movement, one.cell)
            sums[key] = sums.get(key, 0) + one.amount
        assert views.record(account) == {key: amount for key, amount in sums.items() if amount}
    cells = {one.cell for booking in bookings for one in booking.postings}
    assert views.names == {(cell.currency, name) for cell in cells for name, _ in standing_groups("", cell)}


def test_what_is_taken_back_at_once_leaves_its_names_alone() -> None:
    """In one batch nothing is left but the names, as after two batches."""
    signed = fact("signed", "a1", "2024-01-01", lines=[line(100)], owner="kim")
    bookings = bookings_of([signed, retracted(signed, "2024-01-02")])
    once, twice = projected([bookings]), projected([bookings[:1], bookings[1:]])
    assert once.pages == twice.pages == {}
    assert once.record("a") == twice.record("a") == {}
    assert once.names == twice.names
    assert ("USD", "owner") in once.names


def test_nothing_folds_to_nothing() -> None:
    folded = fold({}, [])
    assert (folded.records, folded.pages, folded.names) == ({}, {}, set())
    assert folded.book == {"entries": 0, "unmatched": 0, "postings": 0}
