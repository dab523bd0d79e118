"""The fold: however bookings are cut into batches, the views end the same, and are those of the records."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from events.account import Booking
from events.days import month_of_day
from projections.fold import Fold
from projections.groups import standing_groups
from projections.pages import PageName, amounts_of_days
from projections.records import NOTHING, Key, cause_of
from projections.tally import tally_of
from tests.effort import examples
from tests.model.days import Event
from tests.model.histories import arrival_orders, histories
from tests.model.notation import fact, line, retracted
from tests.projections.folding import Projected, batches, bookings_of, fold_all, projected

SHORTER = settings(max_examples=examples(60), deadline=None)


@st.composite
def arrivals(draw: st.DrawFn) -> list[Event]:
    """A history in some order of arrival, with repetitions."""
    arrived: list[Event] = draw(arrival_orders(draw(histories())))
    return arrived


CUTS = st.lists(st.integers(0, 18), max_size=5)


Sums = dict[tuple[PageName, str, int], int]
"""(page, kind, day) -> amount, without zeros."""


def sums_of_records(views: Projected) -> Sums:
    """What the pages have to hold, worked out from the whole records, account by account."""
    sums: Sums = {}
    for account in views.records:
        tally = tally_of(account, views.record(account).items(), standing_groups, {})
        for (currency, (name, value), day, kind), amount in tally.items():
            key = (PageName(currency, name, value, month_of_day(day)), kind, day)
            sums[key] = sums.get(key, 0) + amount
    return {key: amount for key, amount in sums.items() if amount}


def sums_of_pages(views: Projected) -> Sums:
    """What the pages hold."""
    return {
        (page, kind, day): amount
        for page, (days, _) in views.pages.items()
        for day, kind, _, amount in amounts_of_days({page.value.encode(): days}, page.month)
    }


@SHORTER
@given(arrivals(), CUTS)
def test_any_batches_end_in_the_same_views(arrived: list[Event], cuts: list[int]) -> None:
    """Records, pages and their totals to the byte; counts and names as values."""
    bookings = bookings_of(arrived)
    cut, whole, single = (
        projected(parts) for parts in (batches(bookings, cuts), [bookings], batches(bookings, range(len(bookings))))
    )
    for other in (cut, single):
        assert other.records == whole.records
        assert other.pages == whole.pages
        assert other.names == whole.names
        assert other.book == whole.book


@SHORTER
@given(arrivals(), CUTS)
def test_blocks_of_one_fold_are_as_good_as_folds(arrived: list[Event], cuts: list[int]) -> None:
    """Accounts that are already in the fold go on from there, whatever was known of them before."""
    parts = batches(bookings_of(arrived), cuts)
    fold = Fold()
    fold_all(fold, parts, {})
    at_once, apart = Projected(), projected(parts)
    at_once.take(fold)
    assert (at_once.records, at_once.pages) == (apart.records, apart.pages)
    assert at_once.names == apart.names
    if parts:
        assert at_once.book == apart.book


@SHORTER
@given(arrivals(), CUTS)
def test_pages_are_those_of_the_records(arrived: list[Event], cuts: list[int]) -> None:
    """What was added batch by batch is what the final records add up to, counted from scratch."""
    views = projected(batches(bookings_of(arrived), cuts))
    assert sums_of_pages(views) == sums_of_records(views)


@SHORTER
@given(arrivals(), CUTS)
def test_totals_are_the_sums_of_the_days(arrived: list[Event], cuts: list[int]) -> None:
    for days, months in projected(batches(bookings_of(arrived), cuts)).pages.values():
        page = msgspec.json.decode(days)
        assert msgspec.json.decode(months) == {kind: sum(amounts.values()) for kind, amounts in page.items()}
        assert list(page) == sorted(page)
        assert all(amounts and all(amounts.values()) for amounts in page.values())
        assert all(list(amounts) == sorted(amounts) for amounts in page.values())


@SHORTER
@given(arrivals())
def test_records_and_names_are_those_of_the_postings(arrived: list[Event]) -> None:
    """By the plainest of sums."""
    bookings = bookings_of(arrived)
    views = projected([bookings])
    for account, sums in sums_by_account(bookings).items():
        assert dict(views.record(account).items()) == {key: amount for key, amount in sums.items() if amount}
    cells = {one.cell for booking in bookings for one in booking.postings}
    assert views.names == {(cell.currency, name) for cell in cells for name, _ in standing_groups("", cell)}


def sums_by_account(bookings: list[Booking]) -> dict[str, dict[Key, int]]:
    """What is posted to each account, zeros among it."""
    found: dict[str, dict[Key, int]] = {}
    for booking in bookings:
        sums = found.setdefault(booking.account, {})
        for one in booking.postings:
            key = (one.day, one.movement, one.cell, cause_of(one.reason, one.initiative))
            sums[key] = sums.get(key, 0) + one.amount
    return found


def test_what_is_taken_back_at_once_leaves_its_names_alone() -> None:
    """In one batch nothing is left but the names, as after two batches."""
    signed = fact("signed", "a1", "2024-01-01", lines=[line(100)], owner="kim")
    bookings = bookings_of([signed, retracted(signed, "2024-01-02")])
    once, twice = projected([bookings]), projected([bookings[:1], bookings[1:]])
    assert once.pages == twice.pages == {}
    assert once.record("a") == twice.record("a") == NOTHING
    assert once.names == twice.names
    assert ("USD", "owner") in once.names


def test_nothing_folds_to_nothing() -> None:
    fold = Fold()
    fold.add([], {})
    assert (fold.records, fold.added, fold.newest_moment) == ({}, {}, 0)
    assert fold.book == {"entries": 0, "unmatched": 0, "postings": 0}
