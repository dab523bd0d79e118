"""Buckets: the same sums whether they come by month or day by day."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from events.days import month_of_day
from projections.buckets import Buckets, buckets_of, empty_buckets
from projections.pages import Amount, Totals
from projections.periods import split_months

AMOUNTS = st.lists(
    st.tuples(
        st.integers(19_600, 19_900), st.sampled_from(("new", "churn")), st.sampled_from(("a", "b")), st.integers(-9, 9)
    ),
    max_size=20,
)
BOUNDS = st.lists(st.integers(19_600, 19_900), min_size=1, max_size=6, unique=True).map(sorted)


def by_month(amounts: Iterable[Amount]) -> list[Totals]:
    """Amounts of days as amounts of their months."""
    return [(month_of_day(day), value, {kind: amount}) for day, kind, value, amount in amounts]


@given(AMOUNTS, BOUNDS)
def test_months_and_days_give_the_sums_of_the_days(amounts: list[Amount], bounds: list[int]) -> None:
    """Days are only looked at in months that a bound cuts in two."""
    split = frozenset(split_months(bounds))
    found = buckets_of(bounds, by_month(amounts), [one for one in amounts if month_of_day(one[0]) in split], split)
    for value in ("a", "b"):
        buckets = found.get(value, empty_buckets(len(bounds) - 1))
        edges = [-(10**9), *bounds, 10**9]
        sums = [buckets.before, *buckets.within, buckets.after]
        for start, until, held in zip(edges[:-1], edges[1:], sums, strict=True):
            for kind in ("new", "churn"):
                due = [one[3] for one in amounts if start <= one[0] < until and one[1:3] == (kind, value)]
                assert held.get(kind, 0) == sum(due)


@given(AMOUNTS, BOUNDS)
def test_the_rest_is_what_no_part_holds(amounts: list[Amount], bounds: list[int]) -> None:
    def found(some: Iterable[Amount]) -> dict[str, Buckets]:
        return buckets_of(bounds, (), [(day, kind, "", amount) for day, kind, _, amount in some], frozenset())

    whole = found(amounts).get("", empty_buckets(len(bounds) - 1))
    part = found([one for one in amounts if one[2] == "a"]).get("", empty_buckets(len(bounds) - 1))
    other = found([one for one in amounts if one[2] == "b"]).get("", empty_buckets(len(bounds) - 1))
    assert whole.less([part, other]).is_empty
    rest = whole.less([part])
    assert rest.less([other]).is_empty
    assert whole.less([]) == whole


def test_what_comes_after_the_last_bound_makes_nothing_full() -> None:
    found = buckets_of([10, 20], (), [(20, "new", "", 5), (5, "churn", "", 0)], frozenset())[""]
    assert (found.before, found.within, found.after) == ({"churn": 0}, [{}], {"new": 5})
    assert found.is_empty
