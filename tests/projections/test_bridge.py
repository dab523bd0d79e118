"""The bridge: opening plus all movements is closing, in amounts and in accounts, of any size."""

from hypothesis import given
from hypothesis import strategies as st

from events.movements import BRIDGE_MOVEMENTS
from projections.bridge import bridge_rows, level_of
from projections.buckets import Buckets

KINDS = (*BRIDGE_MOVEMENTS, "ahead", "active", "n_new", "n_reactivated", "n_churned")
SUMS = st.dictionaries(st.sampled_from(KINDS), st.integers(-(2**80), 2**80))


@given(SUMS, st.lists(SUMS, max_size=4))
def test_every_row_closes_where_the_next_one_opens(before: dict[str, int], within: list[dict[str, int]]) -> None:
    bounds = list(range(len(within) + 1))
    rows = bridge_rows(bounds, Buckets(before, within, {}))
    level, accounts = level_of(before), before.get("active", 0)
    for row in rows:
        moved = [row.annual_e4[movement] for movement in BRIDGE_MOVEMENTS]
        assert list(row.annual_e4) == ["opening", *BRIDGE_MOVEMENTS, "closing"]
        assert row.annual_e4["opening"] == level
        assert level + sum(moved) == row.annual_e4["closing"]
        level = row.annual_e4["closing"]
        counts = row.accounts
        assert counts["opening"] == accounts
        change = counts["new"] + counts["reactivated"] + counts["transferred"] - counts["churned"]
        assert accounts + change == counts["closing"]
        accounts = counts["closing"]


def test_what_is_ahead_is_no_level() -> None:
    assert level_of({"new": 5, "ahead": 7, "active": 1}) == 5


def test_months_are_rounded_each_by_itself() -> None:
    """Half up: minus one half is zero, one half is one."""
    (row,) = bridge_rows([0, 1], Buckets({}, [{"new": 60_000, "churn": -60_000}], {}))
    assert row.mrr_minor == {
        "opening": 0,
        "new": 1,
        "reactivation": 0,
        "expansion": 0,
        "contraction": 0,
        "churn": 0,
        "transfer": 0,
        "closing": 0,
    }
