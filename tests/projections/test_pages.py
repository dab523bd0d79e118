"""Pages: sums of a month as JSON, by kind and day, beside their totals; names and bytes that stay."""

import json

from hypothesis import given
from hypothesis import strategies as st

from projections.pages import (
    PageName,
    amounts_of_days,
    amounts_of_months,
    amounts_of_tallies,
    changed_page,
    days_key,
    months_key,
)
from projections.tally import Tally

CHANGES = st.dictionaries(
    st.tuples(st.sampled_from(("new", "churn", "active")), st.integers(19_700, 19_730)),
    st.integers(-(2**70), 2**70),
    max_size=6,
)


def test_keys_and_fields_are_what_operators_see() -> None:
    """Values and names may hold any character."""
    page = PageName("USD", "segment", "a|b:c", 648)
    assert (page.days_key, page.value) == ("days:USD:segment:648", "a|b:c")
    assert (page.months_key, page.months_field) == ("months:USD:segment", "648|a|b:c")
    assert (days_key("USD", "", 1), months_key("USD", "")) == ("days:USD::1", "months:USD:")


@given(st.lists(CHANGES, max_size=5))
def test_pages_hold_the_sums_in_one_order(batches: list[dict[tuple[str, int], int]]) -> None:
    """Whatever the batches; zeros are left out, and so is a page without anything; amounts may be of any size."""
    page: bytes | None = None
    totals: bytes | None = None
    sums: dict[tuple[str, int], int] = {}
    for batch in batches:
        page, totals = changed_page(page, batch)
        for key, change in batch.items():
            sums[key] = sums.get(key, 0) + change
    sums = {key: sums[key] for key in sorted(sums) if sums[key]}
    at_once = changed_page(None, dict(reversed(sums.items())))
    assert (page, totals) == at_once or not batches
    assert (page is None) == (not sums)
    if page is not None and totals is not None:
        assert list(amounts_of_days({b"pro": page})) == [(day, kind, "pro", sums[kind, day]) for kind, day in sums]
        kinds = sorted({kind for kind, _ in sums})
        expected = {kind: sum(amount for (one, _), amount in sums.items() if one == kind) for kind in kinds}
        assert json.loads(totals) == expected
        assert list(amounts_of_months({b"648|a|b": totals})) == [(648, kind, "a|b", expected[kind]) for kind in kinds]


def test_tallies_of_other_currencies_are_left_out() -> None:
    tally: Tally = {("USD", ("plan", "pro"), 3, "new"): 5, ("EUR", ("plan", "pro"), 3, "new"): 7}
    assert list(amounts_of_tallies([tally], "EUR")) == [(3, "new", "pro", 7)]
