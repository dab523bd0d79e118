"""Retention: what became of the accounts with revenue at the start, each capped by itself."""

from hypothesis import given, settings
from hypothesis import strategies as st

from events.account import Booking
from projections.groups import selected_groups
from projections.retention import NOBODY, Retention, retention_of
from tests.effort import examples
from tests.model.histories import FIRST_DAY
from tests.projections.booked import bookings, cell, posting, record, records_of

WHOLE = selected_groups(None, {})
SOME = settings(max_examples=examples(40), deadline=None)


def test_growth_of_one_account_does_not_make_up_for_the_loss_of_another() -> None:
    """Who comes later does not count; who went and came back is not lost."""
    records = [
        ("a", record(posting(1, "new", 100), posting(15, "expansion", 50))),
        ("b", record(posting(1, "new", 100), posting(15, "churn", -100))),
        ("c", record(posting(1, "new", 100), posting(12, "churn", -100), posting(15, "reactivation", 30))),
        ("d", record(posting(15, "new", 1_000))),
        ("e", record(posting(1, "new", 100), posting(20, "churn", -100), posting(3, "ahead", -100))),
    ]
    expected = Retention(opening=400, closing=150 + 30 + 100, kept=100 + 30 + 100, accounts=4, lost=1)
    assert retention_of(records, "USD", 10, 20, WHOLE) == {"": expected}


def test_a_group_loses_what_moves_to_another() -> None:
    small, large = cell(segment="smb"), cell(segment="enterprise")
    moved = record(posting(1, "new", 9, small), posting(15, "transfer", -9, small), posting(15, "transfer", 9, large))
    found = retention_of([("a", moved)], "USD", 10, 20, selected_groups("segment", {}))
    assert found == {"smb": Retention(opening=9, closing=0, kept=0, accounts=1, lost=1)}
    assert retention_of([("a", moved)], "USD", 10, 20, WHOLE)[""].lost == 0


def test_other_currencies_and_other_cells_do_not_count() -> None:
    records = [("a", record(posting(1, "new", 9), posting(1, "new", 7, cell(currency="EUR"))))]
    assert retention_of(records, "EUR", 10, 20, WHOLE) == {"": Retention(7, 7, 7, 1, 0)}
    assert retention_of(records, "USD", 10, 20, selected_groups(None, {"plan": "basic"})) == {}
    assert retention_of([], "USD", 10, 20, WHOLE).get("", NOBODY) == Retention()


@SOME
@given(bookings(), st.integers(-10, 700), st.integers(1, 400))
def test_kept_is_never_more_than_opening_or_closing(booked: list[Booking], offset: int, days: int) -> None:
    start = FIRST_DAY + offset
    records = list(records_of(booked).items())
    for by in (None, "plan", "segment"):
        found = retention_of(records, "USD", start, start + days, selected_groups(by, {}))
        for one in found.values():
            assert 0 <= one.kept <= min(one.opening, one.closing)
            assert 0 <= one.lost <= one.accounts
            assert one.opening > 0
