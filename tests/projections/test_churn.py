"""Churn: what its table lists, worked out by hand."""

from tests.model.days import Event
from tests.model.notation import fact, line, retracted
from tests.projections.tabled import columns, table

SHOWN = ("period", "movement", "reason", "initiative", "accounts", "mrr_minor")
PRICE = fact("cancelled", "b1", "2024-02-20", reason="price", initiative="voluntary")
HISTORY: list[Event] = [
    fact("signed", "a1", "2024-01-01", lines=[line(500)]),
    fact("signed", "a2", "2024-01-01", lines=[line(40)]),
    fact("signed", "b1", "2024-01-01", lines=[line(300)]),
    fact("signed", "c1", "2024-01-01", lines=[line(100)], term={"end": "2024-02-10", "auto_renew": False}),
    fact("signed", "d1", "2024-01-01", lines=[line(70)]),
    fact("downgraded", "a1", "2024-02-01", lines=[line(450)]),
    fact("cancelled", "a2", "2024-02-02", reason="price"),
    PRICE,
    fact("cancelled", "d1", "2024-04-01"),
]


def test_falls_by_month_with_their_reasons() -> None:
    """A loses 50 and then, with one of its two contracts, 40: contraction, twice; the others leave."""
    rows = table("churn", "2024-05-01", *HISTORY)
    assert columns(rows, *SHOWN) == [
        ("2024-04", "churn", None, None, 1, -70),
        ("2024-02", "churn", "price", "voluntary", 1, -300),
        ("2024-02", "churn", "expired", "voluntary", 1, -100),
        ("2024-02", "contraction", None, None, 2, -90),
    ]
    assert columns(table("churn", "2024-03-31", *HISTORY), *SHOWN) == columns(rows, *SHOWN)[1:]


def test_periods_are_as_long_as_asked() -> None:
    yearly = table("churn", "2024-05-01", *HISTORY, every="year")
    assert columns(yearly, "period", "reason", "mrr_minor") == [
        ("2024", "price", -300),
        ("2024", "expired", -100),
        ("2024", None, -70),
        ("2024", None, -90),
    ]
    quarterly = table("churn", "2024-05-01", *HISTORY, every="quarter")
    assert {row["period"] for row in quarterly} == {"2024-Q1", "2024-Q2"}
    assert {row["period"] for row in table("churn", "2024-02-11", *HISTORY, every="day")} == {
        "2024-02-01",
        "2024-02-02",
        "2024-02-10",
    }


def test_what_is_taken_back_or_learnt_late_corrects_it() -> None:
    """The cancellation for its price was a mistake; that it was for bugs, and a month earlier, is learnt late."""
    taken_back = [*HISTORY, retracted(PRICE, "2024-03-01")]
    assert "price" not in {row["reason"] for row in table("churn", "2024-05-01", *taken_back)}
    late = [*taken_back, fact("cancelled", "b1", "2024-01-20", reason="bugs", initiative="involuntary")]
    assert columns(table("churn", "2024-05-01", *late), *SHOWN)[-1] == (
        *("2024-01", "churn", "bugs", "involuntary"),
        *(1, -300),
    )
