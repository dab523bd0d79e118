"""Portfolio: what its tables list, worked out by hand."""

import pytest

from projections.portfolio import pattern_of
from projections.tables import LISTS
from tests.projections.tabled import columns, table


def test_concentration_adds_up_and_warns_of_three_that_make_most() -> None:
    rows = table("concentration", "2024-04-01")
    assert columns(rows, "rank", "account", "mrr_minor", "share") == [
        (1, "a", 500, "0.45454545"),
        (2, "b", 400, "0.36363636"),
        (3, "c", 100, "0.09090909"),
        (4, "d", 100, "0.09090909"),
    ]
    assert [row["share_so_far"] for row in rows][1:] == ["0.81818182", "0.90909091", "1.00000000"]
    warned = LISTS["concentration"].warned
    assert warned(rows) == "three accounts make more than half of the revenue"
    assert warned(rows[:3]) is None
    assert warned([{"share_so_far": f"0.{n}0000000"} for n in (1, 3, 5, 7)]) is None


def test_renewals_are_terms_that_end_soon_with_what_was_last_heard() -> None:
    """A renewed itself until 2025, b has no end; c ends on 1 June, d on 5 July."""
    rows = table("renewals", "2024-05-01")
    assert columns(rows, "ends", "within_days", "account", "renews", "mrr_minor", "acv_minor") == [
        ("2024-06-01", 90, "c", "no", 100, 1200),
        ("2024-07-05", 90, "d", "yes", 100, 1200),
    ]
    assert columns(rows, "nps", "csat", "last_movement", "moved") == [
        (9, 4, "new", "2023-02-20"),
        (None, None, "new", "2024-03-05"),
    ]
    nearer = table("renewals", "2024-05-26")
    assert columns(nearer, "account", "within_days") == [("c", 7), ("d", 90)]
    assert columns(table("renewals", "2023-12-20"), "account", "within_days") == [("a", 30)]


def test_accounts_grow_shrink_or_stay() -> None:
    rows = table("accounts", "2024-05-01")
    assert columns(rows, "account", "pattern", "then_minor", "mrr_minor", "change_minor") == [
        ("b", "growing", 300, 400, 100),
        ("c", "flat", 100, 100, 0),
        ("d", "new", 0, 100, 100),
        ("a", "shrinking", 500, 0, -500),
    ]


@pytest.mark.parametrize(
    ("before", "now", "had_before", "pattern"),
    [
        (0, 5, False, "new"),
        (0, 5, True, "returned"),
        (5, 6, True, "growing"),
        (5, 5, True, "flat"),
        (5, 4, True, "shrinking"),
        (5, 0, True, "shrinking"),
    ],
)
def test_patterns(before: int, now: int, had_before: bool, pattern: str) -> None:
    """An account that had nothing a year before does not grow: it is new, or is back."""
    assert pattern_of(before, now, had_before=had_before) == pattern


def test_what_an_account_came_to_so_far_is_the_mrr_of_its_months() -> None:
    """A: 15 months of 500, gone by the end of the 16th; b: 12 of 300 and 3 of 400; d: 2 of 100, or 1 and the next."""
    rows = table("accounts", "2024-05-01")
    assert columns(rows, "account", "realised_ltv_minor") == [("b", 4800), ("c", 1500), ("d", 200), ("a", 7500)]
    earlier = {row["account"]: row["realised_ltv_minor"] for row in table("accounts", "2024-04-10")}
    assert earlier == {"a": 8000, "b": 4800, "c": 1500, "d": 200}
