"""Unit economics: the rows of the catalogue that costs and what an account earns make up."""

from fractions import Fraction
from typing import Final

from events.money import MRR_DIVISOR, Exact, mrr_minor, ratio_text, round_half_up
from projections.basis import Basis, Figure, Value
from projections.terms import Values


def _cac(basis: Basis, more: Exact = 0) -> Fraction | None:
    """Minor units that a new account cost, or would have with `more`; None where no cost is known, which is no zero."""
    won = int(basis.within.get("n_new", 0))
    spent = basis.costs.acquisition + more if basis.are_costs_named else 0
    return Fraction(spent, won) if spent and won else None


def _earned(basis: Basis) -> Fraction | None:
    """Minor units that an account earns a month."""
    return Fraction(basis.level * basis.margin, MRR_DIVISOR * basis.accounts) if basis.accounts else None


def _ltv(basis: Basis) -> Fraction | None:
    """Minor units that an account earns before it is lost, at the rate of the window."""
    earned, kept = _earned(basis), basis.retention
    return None if earned is None or not kept.lost else earned * basis.months * Fraction(kept.accounts, kept.lost)


def _life(basis: Basis) -> Fraction | None:
    """Months that an account has revenue before it is lost."""
    return Fraction(basis.lives.months, basis.lives.lost) if basis.lives.lost else None


def _ltv_by_life(basis: Basis) -> Value:
    life = _life(basis)
    if life is None or not basis.accounts:
        return None
    return round_half_up(basis.level * life, MRR_DIVISOR * basis.accounts)


def _acv(held: Values) -> Fraction | None:
    """Minor units that a contract is worth a year of its term."""
    return Fraction(held.yearly, held.contracts) if held.contracts else None


def _tcv(basis: Basis) -> Fraction | None:
    """Minor units that a contract is worth over its term."""
    held = basis.contracts
    return Fraction(held.total, held.contracts) if held.contracts else None


def _minor(amount: Fraction | None) -> Value:
    return None if amount is None else round_half_up(amount, 1)


def _ratio(amount: Fraction | None, of: Fraction | None) -> Value:
    return None if amount is None or of is None else ratio_text(amount, of)


def _crc(basis: Basis) -> Value:
    spent = basis.costs.retention if basis.are_costs_named else 0
    return round_half_up(spent, basis.accounts) if spent and basis.accounts else None


ECONOMICS: Final = (
    Figure(
        "acv_minor",
        "minor",
        "day",
        "Average annual contract value: what a contract with revenue is worth a year of its term, less what a"
        " cancellation took off it.",
        "sum of (TCV / years of the term) / contracts",
        "",
        lambda basis: _minor(_acv(basis.contracts)),
        ("contracts",),
    ),
    Figure(
        "tcv_minor",
        "minor",
        "day",
        "Average total contract value: what a contract with revenue is worth over the term it is in.",
        "sum of the recurring value of the term / contracts; without an end, of the year the contract is in",
        "",
        lambda basis: _minor(_tcv(basis)),
        ("contracts",),
    ),
    Figure(
        "acv_signed_minor",
        "minor",
        "window",
        "Average annual contract value of the contracts signed in the window, those with their first revenue in it, as"
        " they were signed: what happened to them after their first day makes no difference.",
        "sum of (TCV / years of the term) / contracts whose first day with revenue lies in the window",
        "",
        lambda basis: _minor(_acv(basis.begun)),
        ("begun",),
    ),
    Figure(
        "ltv_minor",
        "minor",
        "window",
        "Lifetime value: what an account earns until it is lost, at the churn rate of the window.",
        "ARPA * gross margin / (customer churn rate / months of the window)",
        "",
        lambda basis: _minor(_ltv(basis)),
        ("retention",),
    ),
    Figure(
        "average_life_months",
        "months",
        "day",
        "Average life of an account: the months that all had revenue so far, for each time that one was lost.",
        "months with revenue of all accounts up to that day / accounts lost by then",
        "",
        lambda basis: _ratio(_life(basis), Fraction(1)),
        ("lives",),
    ),
    Figure(
        "ltv_by_life_minor",
        "minor",
        "day",
        "Lifetime value by the average life: the revenue of an account until it is lost, as long as lives were so far.",
        "ARPA * average life",
        "",
        _ltv_by_life,
        ("lives",),
    ),
    Figure(
        "acquisition_cost_minor",
        "minor",
        "window",
        "Acquisition cost: what the window spent on winning accounts, every cost spread evenly over its days.",
        "sum of the parts of acquisition costs that lie in the window",
        "",
        lambda basis: round_half_up(basis.costs.acquisition, 1),
        ("costs",),
        adds_up="always",
    ),
    Figure(
        "retention_cost_minor",
        "minor",
        "window",
        "Retention cost: what the window spent on keeping accounts, every cost spread evenly over its days.",
        "sum of the parts of retention costs that lie in the window",
        "",
        lambda basis: round_half_up(basis.costs.retention, 1),
        ("costs",),
        adds_up="always",
    ),
    Figure(
        "cac_minor",
        "minor",
        "window",
        "Customer acquisition cost: what the window spent on winning accounts, per new account.",
        "acquisition cost of the window / new accounts",
        "",
        lambda basis: _minor(_cac(basis)),
        ("costs",),
    ),
    Figure(
        "discounts_minor",
        "minor",
        "day",
        "Discounts: what they take off list prices a month, also off lines that cost nothing with them.",
        "list MRR - MRR with all discounts deducted",
        "",
        lambda basis: mrr_minor(basis.discounts.level),
        ("discounts",),
        adds_up="always",
    ),
    Figure(
        "discount_investment_minor",
        "minor",
        "window",
        "Discount investment: what discounts took off list prices over the days of the window.",
        "list value less net value, each day its part of the month it is in",
        "",
        lambda basis: _minor(basis.discounts.spent),
        ("discounts",),
        adds_up="always",
    ),
    Figure(
        "cac_with_discounts_minor",
        "minor",
        "window",
        "Customer acquisition cost with discounts counted as cost: those of all accounts in the window.",
        "(acquisition cost of the window + discount investment) / new accounts",
        "",
        lambda basis: _minor(_cac(basis, basis.discounts.spent)),
        ("costs", "discounts"),
    ),
    Figure(
        "ltv_to_cac",
        "times",
        "window",
        "How many times an account earns in its life what it cost to win it.",
        "LTV / CAC",
        "",
        lambda basis: _ratio(_ltv(basis), _cac(basis)),
        ("retention", "costs"),
    ),
    Figure(
        "acv_to_cac",
        "times",
        "window",
        "How many times a contract is worth a year, at the end of the window, what it cost to win an account.",
        "ACV / CAC",
        "",
        lambda basis: _ratio(_acv(basis.contracts), _cac(basis)),
        ("contracts", "costs"),
    ),
    Figure(
        "cac_payback_months",
        "months",
        "window",
        "Months until an account has earned what it cost to win it.",
        "CAC / (ARPA * gross margin)",
        "",
        lambda basis: _ratio(_cac(basis), _earned(basis)),
        ("costs",),
    ),
    Figure(
        "crc_minor",
        "minor",
        "window",
        "Customer retention cost: what the window spent on keeping accounts, per account with revenue at its end.",
        "retention cost of the window / accounts",
        "",
        _crc,
        ("costs",),
    ),
)
"""Figures of costs and lifetimes; adding one means adding a row."""
