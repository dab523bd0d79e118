"""Lives: months with revenue and losses, whatever comes by the month and whatever day by day."""

from hypothesis import given
from hypothesis import strategies as st

from events.days import day_of_text, month_of_day
from projections.lives import UNLIVED, Lives, lives_of
from projections.pages import Amount
from projections.periods import split_months

FIRST = day_of_text("2024-01-01")
DAYS = st.integers(FIRST - 40, FIRST + 200)
AMOUNTS = st.lists(
    st.tuples(DAYS, st.sampled_from(("active", "n_churned", "n_new")), st.sampled_from("ab"), st.integers(-3, 3)),
    max_size=20,
)


def test_a_month_counts_that_ends_with_revenue_and_the_last_one_as_the_day_begins() -> None:
    """From the 15th of January on, lost on the 10th of April, back on the 20th; there when May begins."""
    days = [day_of_text(day) for day in ("2024-01-15", "2024-04-10", "2024-04-20")]
    amounts = [(day, "active", "", change) for day, change in zip(days, (1, -1, 1), strict=True)]
    amounts.append((days[1], "n_churned", "", 1))
    told = {until: lives_of(day_of_text(until), (), amounts, frozenset()) for until in (
        "2024-01-15", "2024-01-16", "2024-02-01", "2024-02-02", "2024-04-10", "2024-04-11", "2024-05-01",
    )}  # fmt: skip
    lives = [some.get("", UNLIVED) for some in told.values()]
    assert lives == [UNLIVED, Lives(1), Lives(1), Lives(2), Lives(4), Lives(3, 1), Lives(4, 1)]


@given(AMOUNTS, DAYS)
def test_totals_of_months_say_the_same_as_days(amounts: list[Amount], end: int) -> None:
    split = frozenset(split_months([end]))
    months = [(month_of_day(day), value, {kind: count}) for day, kind, value, count in amounts]
    in_days = [one for one in amounts if month_of_day(one[0]) in split]
    by_day = lives_of(end, (), amounts, frozenset())
    assert lives_of(end, months, in_days, split) == by_day
