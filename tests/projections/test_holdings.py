"""Holdings: what an account holds on a day, whatever it held before and will hold later."""

from hypothesis import given
from hypothesis import strategies as st

from events.movements import Posting
from projections.holdings import NOTHING, holding_of, levels_of
from projections.records import NOTHING as NO_RECORD
from tests.projections.booked import cell, posting, record


def test_a_holding_is_that_of_its_day() -> None:
    small, large = cell("pro", contract="k1", segment="smb"), cell("max", contract="k2", segment="smb")
    of = record(
        posting(10, "new", 100, small), posting(20, "expansion", 300, large), posting(30, "contraction", -100, small)
    )
    assert holding_of(of, 9) == NOTHING
    assert holding_of(of, 10).levels == {"USD": 100}
    held = holding_of(of, 29)
    assert (held.levels, held.contracts, held.plans) == ({"USD": 400}, ("k2", "k1"), ("max", "pro"))
    assert holding_of(of, 30).contracts == ("k2",)


def test_what_is_agreed_and_not_in_force_is_not_held() -> None:
    assert holding_of(record(posting(10, "ahead", 100), posting(40, "new", 100)), 20).levels == {}
    assert holding_of(NO_RECORD, 20) == NOTHING


def test_an_account_that_left_keeps_its_labels() -> None:
    one = cell(segment="smb")
    held = holding_of(record(posting(10, "new", 100, one), posting(20, "churn", -100, one)), 20)
    assert (held.levels, held.contracts, held.labels) == ({}, (), (("segment", "smb"),))


def test_currencies_are_held_apart() -> None:
    of = record(posting(10, "new", 100), posting(10, "new", 70, cell(currency="EUR", contract="k2")))
    assert holding_of(of, 10).levels == {"USD": 100, "EUR": 70}


POSTINGS = st.builds(
    lambda day, movement, amount, currency, contract: posting(
        day, movement, amount, cell(currency=currency, contract=contract)
    ),
    st.integers(1, 6),
    st.sampled_from(["new", "expansion", "contraction", "churn", "ahead"]),
    st.integers(-2, 2).filter(bool),
    st.sampled_from(["USD", "EUR"]),
    st.sampled_from(["k1", "k2"]),
)


@given(st.lists(POSTINGS, max_size=6), st.integers(0, 7))
def test_levels_alone_are_those_of_the_holding(postings: list[Posting], day: int) -> None:
    of = record(*postings)
    assert levels_of(of, day) == holding_of(of, day).levels
