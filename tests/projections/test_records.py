"""Records: what was posted to an account by day, movement and cell, whatever the batches."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.account import Booking
from events.movements import Posting
from projections.records import NOTHING, bytes_of_record, merged, record_of_bytes
from tests.effort import examples
from tests.projections.booked import bookings, cell, posted, posting, record

SOME = settings(max_examples=examples(40), deadline=None)


def test_what_cancels_out_is_gone() -> None:
    assert record(posting(1, "new", 5), posting(1, "new", -5)) == NOTHING
    left = record(posting(1, "new", 5), posting(1, "new", 2), posting(2, "new", 1))
    assert dict(left.items()) == {(1, "new", cell(), None): 7, (2, "new", cell(), None): 1}


def test_a_cell_is_kept_as_long_as_something_is_posted_to_it() -> None:
    team = posting(1, "new", 5, cell("team"))
    both = record(team, posting(1, "new", 7))
    assert len(both.cells) == 2
    assert merged(both, posted([posting(1, "new", -5, cell("team"))])) == record(posting(1, "new", 7))


def test_a_churn_for_another_reason_is_another_sum() -> None:
    """What is taken back under one reason and posted again under another leaves the second."""
    gone = record(posting(1, "new", 5), posting(2, "churn", -5, reason="price"))
    assert dict(gone.items())[2, "churn", cell(), ("price", "")] == -5
    mended = merged(gone, posted([posting(2, "churn", 5, reason="price"), posting(2, "churn", -5, reason="bugs")]))
    assert dict(mended.items()) == {(1, "new", cell(), None): 5, (2, "churn", cell(), ("bugs", "")): -5}
    assert mended.levels == [0]
    assert record_of_bytes(bytes_of_record(mended)) == mended


def test_merging_leaves_the_old_record_alone() -> None:
    old = record(posting(1, "new", 5))
    assert merged(old, posted([posting(1, "new", -5)])) == NOTHING
    longer = merged(old, posted([posting(2, "churn", -5), posting(3, "new", 9, cell("team"))]))
    assert (longer.count, longer.last, longer.levels) == (3, 3, [0, 9])
    assert dict(old.items()) == {(1, "new", cell(), None): 5}


def test_amounts_beyond_64_bits_are_no_record() -> None:
    """One posting and one sum by day, movement and cell fit into 64 bits: that much a line is limited to."""
    largest = record(posting(1, "new", 2**60), posting(1, "expansion", 2**60))
    assert record_of_bytes(bytes_of_record(largest)) == largest


@pytest.mark.parametrize("count", [15, 16, 65_535, 65_536])
def test_a_record_holds_any_number_of_sums(count: int) -> None:
    """However many come at once, and whatever comes behind them."""
    long = record(*[posting(day, "new", day + 1) for day in range(count)])
    longer = merged(long, posted([posting(count, "churn", -5)]))
    assert len(dict(record_of_bytes(bytes_of_record(longer)).items())) == count + 1
    assert longer == record(*[posting(day, "new", day + 1) for day in range(count)], posting(count, "churn", -5))


@SOME
@given(bookings(), st.data())
def test_records_do_not_tell_of_batches(booked: list[Booking], data: st.DataObject) -> None:
    """Merged one by one, at once or by way of their bytes: the same bytes."""
    postings: list[Posting] = [one for booking in booked for one in booking.postings]
    at_once = record(*postings)
    piecewise = record()
    start = 0
    while start < len(postings):
        size = data.draw(st.integers(1, 5))
        piecewise = record_of_bytes(bytes_of_record(merged(piecewise, posted(postings[start : start + size]))))
        start += size
    assert list(piecewise.items()) == list(at_once.items())
    assert all(amount for _, amount in at_once.items())
    assert bytes_of_record(piecewise) == bytes_of_record(at_once)
