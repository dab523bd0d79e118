"""Conversion: exact sums, rows that add up as they are shown, and no rate asked for that nothing needs."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.money import mrr_minor
from events.movements import BRIDGE_MOVEMENTS
from projections.buckets import Buckets
from projections.conversion import ConvertedRow, Converter, NoRates, Sums, converted_bridge, converted_record
from projections.groups import selected_groups
from projections.rates import Rates, rates_key
from tests.effort import examples
from tests.projections.booked import cell, posting, record

MONTH = 120_000
"""annual_e4 of one minor unit a month."""

AMOUNTS = st.fractions(-3 * MONTH, 3 * MONTH, max_denominator=7)


def converter(how: str = "closing") -> Converter:
    """To dollars at the bounds 10, 20 and 30: a euro is 1.5, from day 25 on 2."""
    quotes = {f"r{day}": f'["EUR","USD","{rate}","1970-01-{day:02}",0,{day}]' for day, rate in ((6, "1.5"), (26, "2"))}
    kept = {rates_key("EUR", "USD"): {name: data.encode() for name, data in quotes.items()}}
    return Converter(Rates(kept), "USD", "constant" if how == "constant" else "closing", [10, 20, 30])


@settings(max_examples=examples(100), deadline=None)
@given(AMOUNTS, st.dictionaries(st.sampled_from(BRIDGE_MOVEMENTS), AMOUNTS), AMOUNTS, st.booleans())
def test_rows_add_up_as_they_are_shown(
    opening: Fraction, some: dict[str, Fraction], fx: Fraction, is_revalued: bool
) -> None:
    """Each is its own amount rounded half up, but fx, or where there is none less than a minor unit beside it."""
    moved = {name: some.get(name, Fraction(0)) for name in BRIDGE_MOVEMENTS}
    fx = fx if is_revalued else Fraction(0)
    exact = {"opening": opening, **moved, "fx": fx, "closing": opening + sum(moved.values()) + fx}
    shown = ConvertedRow(0, 1, dict(exact), {}).mrr_minor
    assert list(shown) == list(exact)
    assert sum(amount for name, amount in shown.items() if name != "closing") == shown["closing"]
    for name in ("opening", "closing", *(BRIDGE_MOVEMENTS if fx else ())):
        assert shown[name] == mrr_minor(exact[name])
    for name in BRIDGE_MOVEMENTS:
        assert abs(shown[name] - exact[name] / MONTH) < 1
        assert shown[name] * exact[name] >= 0
    assert fx or not shown["fx"]


def test_a_period_opens_as_the_one_before_it_closed() -> None:
    """10 euros, then 4 more at 2.00: fx is half a dollar for each of the ten."""
    euros = Buckets({"new": 10 * MONTH}, [{}, {"expansion": 4 * MONTH}], {})
    dollars = Buckets({}, [{"new": 3 * MONTH}, {"churn": -3 * MONTH}], {})
    first, second = converted_bridge([10, 20, 30], {"EUR": euros, "USD": dollars}, converter())
    assert {name: amount for name, amount in first.mrr_minor.items() if amount} == {
        "opening": 15, "new": 3, "closing": 18
    }
    assert {name: amount for name, amount in second.mrr_minor.items() if amount} == {
        "opening": 18, "expansion": 8, "churn": -3, "fx": 5, "closing": 28
    }
    at_once = converted_bridge([10, 20, 30], {"EUR": euros, "USD": dollars}, converter("constant"))
    assert [(row.exact["opening"], row.exact["fx"]) for row in at_once] == [(20 * MONTH, 0), (23 * MONTH, 0)]


def test_sums_ask_for_rates_only_when_they_are_read() -> None:
    to_dollars = converter()
    sums = Sums({"EUR": {"new": 2, "churn": 0}, "JPY": {"churn": -7, "active": 3}}, to_dollars, -1)
    assert (sums["new"], sums["active"], len(sums)) == (4, 3, 3)
    assert sums.get("expansion", 0) == 0
    to_dollars.require()
    assert sums["churn"] == 0
    with pytest.raises(NoRates) as error:
        to_dollars.require()
    assert [(one.base, one.quote, one.day) for one in error.value.missing] == [("JPY", "USD", 29)]


def test_a_converted_record_holds_what_its_cells_are_worth_at_both_bounds() -> None:
    """Cells that no group has ask for no rate."""
    euro, yen = cell(currency="EUR"), cell(currency="JPY")
    of_both = record(posting(5, "new", 100, euro), posting(5, "new", 900, yen))
    groups = selected_groups(None, {"currency": "EUR"})
    to_dollars = converter()
    held = converted_record("a", of_both, [10, 20, 30], groups, to_dollars)
    to_dollars.require()
    assert dict(held.items()) == {
        (9, "new", euro, None): Fraction(150),
        (29, "transfer", euro, None): Fraction(50),
    }
