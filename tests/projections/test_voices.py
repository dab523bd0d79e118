"""Voices: what its tables list, worked out by hand."""

from tests.projections.tabled import columns, table


def test_revenue_at_risk_is_that_of_whoever_warned_last() -> None:
    rows = table("risk", "2024-05-01")
    assert rows == [
        {"account": "b", "mrr_minor": 400, "nps": 3, "answered": "2024-04-01", "tags": ["bugs", "price"]},
    ]
    assert table("risk", "2024-04-01") == []


def test_upsell_is_for_promoters_below_their_segment() -> None:
    """Of b, c and d a year is worth 4800, 1200, 1200; of a, which leaves after 3 months and 5 of 30 days, 1583."""
    assert table("upsell", "2024-04-10") == [
        {"account": "c", "segment": "", "nps": 9, "acv_minor": 1200, "segment_acv_minor": 2196, "gap_minor": 996}
    ]
    assert table("upsell", "2024-04-01") == []


def test_bands_against_who_has_left_since() -> None:
    """On 1 May, of 1 February: b had recommended, a and c had said nothing; a left, d was not there yet."""
    shown = ("band", "accounts", "mrr_minor", "churned", "churned_minor", "churn_rate")
    assert columns(table("bands", "2024-05-01"), *shown) == [
        ("promoters", 1, 300, 0, 0, "0.00000000"),
        ("passives", 0, 0, 0, 0, None),
        ("detractors", 0, 0, 0, 0, None),
        ("silent", 2, 600, 1, 500, "0.50000000"),
    ]


def test_tags_by_month_with_the_revenue_of_today() -> None:
    assert [tuple(row.values()) for row in table("tags", "2024-05-01")] == [
        ("2024-04", "bugs", 1, 1, 400),
        ("2024-04", "price", 1, 1, 400),
        ("2024-01", "old", 1, 1, 400),
    ]
