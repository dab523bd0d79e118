"""The catalogue of figures: each with its definition, and worked examples of each."""

import re
from fractions import Fraction

import pytest
from msgspec.structs import replace

from projections.concentration import shares_of_levels
from projections.costs import FREE, Costs
from projections.discounts import UNDISCOUNTED, Discounts
from projections.figures import CATALOGUE, FIGURES, Basis, Value
from projections.lives import Lives
from projections.reference import NULLS
from projections.retention import Retention
from projections.satisfaction import Satisfaction
from projections.terms import Values

E4 = 120_000
"""One minor unit a month, as annual_e4."""

EMPTY = Basis({}, {}, {})
WORKED = Basis(
    before={
        "new": 1_000 * E4, "expansion": 100 * E4, "churn": -200 * E4, "ahead": -50 * E4, "annual": 25 * E4,
        "active": 7, "n_new": 9,
    },
    after={"churn": -30 * E4, "contraction": -20 * E4, "expansion": 500 * E4},
    within={
        "new": 90 * E4,
        "expansion": 60 * E4,
        "reactivation": 15 * E4,
        "contraction": -20 * E4,
        "churn": -100 * E4,
        "n_new": 4,
    },
    opened={"new": 800 * E4},
    retention=Retention(opening=800 * E4, closing=760 * E4, kept=680 * E4, accounts=8, lost=3),
    answers=Satisfaction(5, 2, 3, Fraction(30), Fraction(120), 3, 4, 2, 5),
    costs=Costs(1_000, 70),
    contracts=Values(4, Fraction(9_001), Fraction(3_001)),
    begun=Values(2, Fraction(4_000), Fraction(1_801)),
    discounts=Discounts(60 * E4, Fraction(241, 2)),
    months=Fraction(2),
    margin=Fraction(4, 5),
    lives=Lives(40, 3),
    shares=shares_of_levels((500 * E4, 200 * E4, 100 * E4, 100 * E4)),
)
VALUES: dict[str, Value] = {
    "mrr_minor": 900,
    "arr_minor": 10_800,
    "committed_mrr_minor": 850,
    "committed_arr_minor": 300,
    "scheduled_churn_minor": -50,
    "accounts": 7,
    "arpa_minor": 129,
    "asp_minor": 23,
    "nrr": "0.95000000",
    "grr": "0.85000000",
    "customer_churn_rate": "0.37500000",
    "gross_mrr_churn_rate": "0.15000000",
    "net_mrr_churn_rate": "0.05625000",
    "quick_ratio": "1.37500000",
    "nps": "20.00000000",
    "nps_mrr_weighted": "25.00000000",
    "csat": "0.75000000",
    "fcr": "0.40000000",
    "acv_minor": 750,
    "tcv_minor": 2250,
    "acv_to_cac": "3.00100000",
    "acv_signed_minor": 901,
    "ltv_minor": 549,
    "average_life_months": "13.33333333",
    "ltv_by_life_minor": 1714,
    "acquisition_cost_minor": 1_000,
    "retention_cost_minor": 70,
    "cac_minor": 250,
    "discounts_minor": 60,
    "discount_investment_minor": 121,
    "cac_with_discounts_minor": 280,
    "ltv_to_cac": "2.19428571",
    "cac_payback_months": "2.43055556",
    "crc_minor": 10,
    "share_top_1": "0.55555556",
    "share_top_3": "0.88888889",
    "share_top_10": "1.00000000",
    "herfindahl": "0.38271605",
}


COSTLY = {
    "cac_minor": None,
    "cac_with_discounts_minor": 30,
    "ltv_to_cac": None,
    "acv_to_cac": None,
    "cac_payback_months": None,
    "crc_minor": None,
}
"""The figures that costs go into, where none is recorded."""


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_worked_examples(name: str) -> None:
    """By hand; without anything to divide by there is no answer, and sums of nothing are zero."""
    assert CATALOGUE[name].value(WORKED) == VALUES[name]
    assert CATALOGUE[name].value(EMPTY) == (None if name in NULLS else 0)


def test_costs_that_nobody_recorded_are_no_zero() -> None:
    """Nor is what is divided by them, or takes them; discounts alone make a cost with discounts."""
    assert {name: CATALOGUE[name].value(replace(WORKED, costs=FREE)) for name in COSTLY} == COSTLY
    nothing = dict.fromkeys(COSTLY)
    assert {name: CATALOGUE[name].value(replace(WORKED, are_costs_named=False)) for name in COSTLY} == nothing
    undiscounted = replace(WORKED, costs=FREE, discounts=UNDISCOUNTED)
    assert {name: CATALOGUE[name].value(undiscounted) for name in COSTLY} == nothing


def test_every_figure_is_described_once() -> None:
    assert len(CATALOGUE) == len(FIGURES)
    for figure in FIGURES:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", figure.name)
        assert figure.name.endswith("_minor") == (figure.unit == "minor")
        assert figure.definition.endswith(".")
        assert figure.formula


def test_amounts_of_any_size_are_exact() -> None:
    """Beyond 64 bits, and beyond what a floating-point number tells apart."""
    huge = Basis({"new": (2**80 + 1) * E4, "active": 3}, {}, {})
    assert CATALOGUE["mrr_minor"].value(huge) == 2**80 + 1
    assert CATALOGUE["arpa_minor"].value(huge) == (2 * (2**80 + 1) + 3) // 6
