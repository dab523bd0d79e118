"""Pages: sums of a month as JSON, by kind and day, beside their totals; names and bytes that stay."""

import json

from hypothesis import given
from hypothesis import strategies as st

from events.days import month_of_day
from projections.groups import TOTAL, Spread
from projections.pages import (
    Added,
    Changes,
    PageName,
    add_counts,
    amounts_of_days,
    amounts_of_tallies,
    changed_page,
    days_key,
    months_key,
    page_changes,
    totals_of_months,
)
from projections.tally import Count, Tally
from tests.model.days import day_of

FIRST = day_of("2024-01-01")
JANUARY = 648
DAYS = st.integers(FIRST, FIRST + 30)
COUNTS = st.lists(
    st.tuples(st.sampled_from(("new", "churn", "active")), DAYS, st.integers(-(2**70), 2**70)), max_size=6
)
WHOLE = Spread("USD", (TOTAL,))
PRO = Spread("USD", (TOTAL, ("plan", "pro")))


def changes_of(counts: list[Count]) -> Changes:
    """The changes of the page of the whole."""
    added: Added = {}
    add_counts(added, WHOLE, counts)
    return page_changes(added["USD", JANUARY])[TOTAL] if counts else {}


def test_keys_and_fields_are_what_operators_see() -> None:
    """Values and names may hold any character."""
    page = PageName("USD", "segment", "a|b:c", 648)
    assert (page.days_key, page.value) == ("days:USD:segment:648", "a|b:c")
    assert (page.months_key, page.months_field) == ("months:USD:segment", "648|a|b:c")
    assert (days_key("USD", "", 1), months_key("USD", "")) == ("days:USD::1", "months:USD:")


@given(st.lists(st.tuples(COUNTS, st.booleans()), max_size=5))
def test_pages_hold_the_sums_in_one_order(batches: list[tuple[list[Count], bool]]) -> None:
    """Whatever the batches, and whether the totals before are known; nothing that is empty is there."""
    page: bytes | None = None
    totals: bytes | None = None
    sums: dict[tuple[str, int], int] = {}
    for batch, has_totals in batches:
        page, totals = changed_page(page, changes_of(batch), totals if has_totals else None)
        for kind, day, change in batch:
            sums[kind, day] = sums.get((kind, day), 0) + change
    sums = {key: sums[key] for key in sorted(sums) if sums[key]}
    assert (page, totals) == changed_page(None, changes_of([(*key, sums[key]) for key in reversed(sums)]))
    assert (page is None) == (not sums)
    if page is not None and totals is not None:
        found = list(amounts_of_days({b"pro": page}, JANUARY))
        assert found == [(day, kind, "pro", sums[kind, day]) for kind, day in sums]
        kinds = sorted({kind for kind, _ in sums})
        expected = {kind: sum(amount for (one, _), amount in sums.items() if one == kind) for kind in kinds}
        assert json.loads(totals) == expected
        assert list(totals_of_months({b"648|a|b": totals})) == [(648, "a|b", expected)]


def test_a_page_is_what_somebody_on_call_can_read() -> None:
    """A number for each day of the month, by kind."""
    page, totals = changed_page(None, changes_of([("new", FIRST + 2, 5), ("active", FIRST + 30, 1), ("new", FIRST, 0)]))
    assert page == b'{"active":{"31":1},"new":{"03":5}}'
    assert json.loads(totals or b"") == {"active": 1, "new": 5}


@given(st.integers(day_of("0001-01-01"), day_of("9999-12-31")))
def test_every_day_has_its_place(day: int) -> None:
    added: Added = {}
    add_counts(added, WHOLE, [("new", day, 5)])
    ((currency, month),) = added
    page, _ = changed_page(None, page_changes(added[currency, month])[TOTAL])
    assert (currency, month) == ("USD", month_of_day(day))
    assert list(amounts_of_days({b"": page or b""}, month)) == [(day, "new", "", 5)]


def test_groups_are_told_also_where_nothing_is_to_be_added() -> None:
    """So their names are known; and what groups share is added to each of them."""
    added: Added = {}
    add_counts(added, PRO, [("new", FIRST, 5), ("new", FIRST, -5)])
    nothing = page_changes(added["USD", JANUARY])
    assert [*nothing] == [TOTAL, ("plan", "pro")]
    assert {changed_page(None, changes) for changes in nothing.values()} == {(None, None)}
    add_counts(added, WHOLE, [("new", FIRST, 7)])
    add_counts(added, PRO, [("new", FIRST, 1), ("new", FIRST + 31, 1)])
    january, february = page_changes(added["USD", JANUARY]), page_changes(added["USD", JANUARY + 1])
    assert [changed_page(None, page)[1] for page in january.values()] == [b'{"new":8}', b'{"new":1}']
    assert [changed_page(None, page)[1] for page in february.values()] == [b'{"new":1}', b'{"new":1}']


def test_tallies_of_other_currencies_are_left_out() -> None:
    tally: Tally = {("USD", ("plan", "pro"), 3, "new"): 5, ("EUR", ("plan", "pro"), 3, "new"): 7}
    assert list(amounts_of_tallies([tally], "EUR")) == [(3, "new", "pro", 7)]
