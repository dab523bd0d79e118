"""Cohorts: what is left of them, worked out by hand."""

from projections.periods import Every
from tests.projections.tabled import columns, table


def test_cohorts_tell_who_is_left() -> None:
    rows = columns(table("cohorts", "2024-05-01"), "cohort", "month", "size", "accounts", "mrr_minor", "mrr_kept")
    assert [row for row in rows if row[1] in (0, 12, 14, 15) and row[0] != "2024-03"] == [
        ("2023-01", 0, 1, 1, 500, "1.00000000"),
        ("2023-01", 12, 1, 1, 500, "1.00000000"),
        ("2023-01", 14, 1, 1, 500, "1.00000000"),
        ("2023-01", 15, 1, 0, 0, "0.00000000"),
        ("2023-02", 0, 2, 2, 400, "1.00000000"),
        ("2023-02", 12, 2, 2, 500, "1.25000000"),
        ("2023-02", 14, 2, 2, 500, "1.25000000"),
    ]
    quarters = table("cohorts", "2024-05-01", every="quarter")
    assert columns(quarters, "cohort", "month", "size", "accounts", "mrr_minor")[:6] == [
        ("2023-Q1", 0, 3, 3, 900),
        ("2023-Q1", 3, 3, 3, 900),
        ("2023-Q1", 6, 3, 3, 900),
        ("2023-Q1", 9, 3, 3, 900),
        ("2023-Q1", 12, 3, 3, 1000),
        ("2023-Q1", 15, 3, 2, 500),
    ]
    assert columns(table("cohorts", "2024-05-01", every="year"), "cohort", "month", "accounts") == [
        ("2023", 0, 3),
        ("2023", 12, 2),
        ("2024", 0, 1),
    ]
    last = {cohort: mrr for cohort, _, _, _, mrr, _ in rows}
    assert sum(last.values()) == 600  # the level of 1 May


def test_a_period_that_has_not_ended_says_so() -> None:
    """Of any length; on the day after its last day it has ended."""

    def ended(day: str, every: Every) -> list[str]:
        rows = columns(table("cohorts", day, every=every), "cohort", "ended")
        return [told for cohort, told in rows if cohort.startswith("2023") and cohort == rows[0][0]]

    assert ended("2023-03-31", "month") == ["yes", "yes", "no"]
    assert ended("2023-04-01", "month") == ["yes", "yes", "yes"]
    assert ended("2023-03-31", "quarter") == ["no"]
    assert ended("2024-01-01", "quarter") == ["yes"] * 4
    assert ended("2024-01-02", "year") == ["yes", "no"]
