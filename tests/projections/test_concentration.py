"""Concentration: shares of the largest accounts, of the whole and of groups, on any day."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from projections.concentration import NO_SHARES, shares_of, shares_of_levels
from projections.groups import selected_groups
from tests.model.days import day_of
from tests.model.notation import fact, line
from tests.projections.folding import bookings_of, projected

HISTORY = [
    fact("signed", "a1", "2024-01-01", lines=[line(600), line(100, plan="pro", line_id="l2")]),
    fact("signed", "b1", "2024-01-01", lines=[line(200)]),
    fact("signed", "c1", "2024-02-01", lines=[line(100, plan="pro")]),
    fact("signed", "d1", "2024-01-01", currency="EUR", lines=[line(9000)]),
    fact("cancelled", "a1", "2024-01-10", effective_at="2024-03-01"),
]
E4 = 120_000


def levels(day: str, by: str | None = None) -> dict[str, list[int]]:
    """Levels by group in minor units a month."""
    views = projected([bookings_of(HISTORY)])
    records = [(account, views.record(account)) for account in views.records]
    found = shares_of(records, "USD", day_of(day), selected_groups(by, {}))
    return {value: [level // E4 for level in shares.largest] for value, shares in found.items()}


def test_levels_of_a_day_whatever_comes_later() -> None:
    assert levels("2024-01-01") == {}
    assert levels("2024-01-02") == {"": [700, 200]}
    assert levels("2024-02-02") == {"": [700, 200, 100]}
    assert levels("2024-03-02") == {"": [200, 100]}
    assert levels("2024-02-02", "plan") == {"plan": [600, 200], "pro": [100, 100]}


def test_shares_by_hand() -> None:
    shares = shares_of_levels([100, 600, 100, 200])
    assert [shares.top(count) for count in (1, 2, 3, 10)] == ["0.60000000", "0.80000000", "0.90000000", "1.00000000"]
    assert shares.herfindahl() == "0.42000000"
    assert shares_of_levels([600, 100]).plus(shares_of_levels([200, 100])) == shares
    assert (NO_SHARES.top(1), NO_SHARES.herfindahl()) == (None, None)


@given(st.lists(st.integers(1, 2**70), min_size=1, max_size=20))
def test_one_account_is_one_and_equal_ones_share(amounts: list[int]) -> None:
    """The index lies between 1/n and 1, and the largest has at least the average."""
    shares = shares_of_levels(amounts)
    index, top = Fraction(shares.herfindahl() or 0), Fraction(shares.top(1) or 0)
    slack = Fraction(1, 10**8)
    assert Fraction(1, len(amounts)) - slack <= index <= 1
    assert index <= top + slack
    assert shares_of_levels([7] * len(amounts)).top(1) == shares_of_levels([7] * len(amounts)).herfindahl()
