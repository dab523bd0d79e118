"""Records: what was posted to an account by day, movement and cell, whatever the batches."""

from hypothesis import given, settings
from hypothesis import strategies as st

from events.account import Booking
from events.movements import Posting
from projections.records import bytes_of_record, merged, record_of_bytes
from tests.projections.booked import bookings, cell, posting, record

SOME = settings(max_examples=40, deadline=None)


def test_what_cancels_out_is_gone() -> None:
    assert record(posting(1, "new", 5), posting(1, "new", -5)) == {}
    assert record(posting(1, "new", 5), posting(1, "new", 2), posting(2, "new", 1)) == {
        (1, "new", cell()): 7,
        (2, "new", cell()): 1,
    }


def test_merging_leaves_the_old_record_alone() -> None:
    old = record(posting(1, "new", 5))
    assert merged(old, [posting(1, "new", -5)]) == {}
    assert old == {(1, "new", cell()): 5}


def test_amounts_beyond_64_bits_are_no_record() -> None:
    """One posting and one sum by day, movement and cell fit into 64 bits: that much a line is limited to."""
    largest = record(posting(1, "new", 2**60), posting(1, "expansion", 2**60))
    assert record_of_bytes(bytes_of_record(largest)) == largest


@SOME
@given(bookings(), st.data())
def test_records_do_not_tell_of_batches(booked: list[Booking], data: st.DataObject) -> None:
    """Merged one by one, at once or by way of their bytes: the same bytes."""
    postings: list[Posting] = [one for booking in booked for one in booking.postings]
    at_once = merged({}, postings)
    piecewise = record()
    start = 0
    while start < len(postings):
        size = data.draw(st.integers(1, 5))
        piecewise = record_of_bytes(bytes_of_record(merged(piecewise, postings[start : start + size])))
        start += size
    assert list(piecewise.items()) == list(at_once.items())
    assert all(at_once.values())
    assert bytes_of_record(piecewise) == bytes_of_record(at_once)
