"""The catalogue of figures: one row each, with its definition and how it is computed from sums."""

from typing import Final

from events.money import MRR_DIVISOR, arr_minor, mrr_minor, ratio_text, round_half_up
from projections.basis import Basis, Figure, Source, Unit, Value
from projections.economics import ECONOMICS
from projections.feedback import FEEDBACK

__all__ = ["CATALOGUE", "FALLS", "FIGURES", "Basis", "Figure", "Source", "Unit", "Value"]

FALLS: Final = ("churn", "contraction")
"""Movements that count from the day they are known, however far ahead they lie."""


def _arpa(basis: Basis) -> Value:
    return round_half_up(basis.level, MRR_DIVISOR * basis.accounts) if basis.accounts else None


def _asp(basis: Basis) -> Value:
    won = basis.within.get("n_new", 0)
    return round_half_up(basis.moved("new"), MRR_DIVISOR * won) if won else None


def _quick_ratio(basis: Basis) -> Value:
    return ratio_text(basis.moved("new", "reactivation", "expansion"), -basis.moved("contraction", "churn"))


def _net_churn(basis: Basis) -> Value:
    return ratio_text(-basis.moved("contraction", "churn", "expansion", "reactivation"), basis.opening)


REVENUE: Final = (
    Figure(
        "mrr_minor",
        "minor",
        "day",
        "Monthly recurring revenue: what the contracts in force are worth a month, discounts deducted.",
        "ARR / 12",
        "{annual} / 12",
        lambda basis: mrr_minor(basis.level),
        adds_up="always",
    ),
    Figure(
        "arr_minor",
        "minor",
        "day",
        "Annual recurring revenue: what the contracts in force are worth a year, discounts deducted.",
        "sum of the annual values of all recurring lines in force",
        "{annual}",
        lambda basis: arr_minor(basis.level),
        adds_up="always",
    ),
    Figure(
        "committed_mrr_minor",
        "minor",
        "day",
        "Committed MRR: the level that everything that had happened by then leads to if nothing else happens.",
        "MRR + what is agreed and not yet in force",
        "{level} + {ahead}",
        lambda basis: mrr_minor(basis.level + basis.before.get("ahead", 0)),
        adds_up="always",
    ),
    Figure(
        "committed_arr_minor",
        "minor",
        "day",
        "Committed ARR of annual contracts: the committed level of those agreed for twelve months or longer.",
        "committed ARR of contracts whose term is 12 months or longer",
        "{committed_annual}",
        lambda basis: arr_minor(basis.before.get("annual", 0)),
        adds_up="always",
    ),
    Figure(
        "scheduled_churn_minor",
        "minor",
        "day",
        "Scheduled churn: the falls in MRR that are known by now and lie ahead of the day, as a negative number.",
        "sum of churn and contraction effective on that day or later",
        "{scheduled}",
        lambda basis: mrr_minor(sum(basis.after.get(movement, 0) for movement in FALLS)),
        adds_up="always",
    ),
    Figure(
        "accounts",
        "accounts",
        "day",
        "Accounts with MRR above zero.",
        "count",
        "{active}",
        lambda basis: basis.accounts,
        adds_up="accounts",
    ),
    Figure(
        "arpa_minor",
        "minor",
        "day",
        "Average MRR per account with revenue; free accounts do not count.",
        "MRR / accounts",
        "{level} / {active}",
        _arpa,
    ),
    Figure(
        "asp_minor",
        "minor",
        "window",
        "Average new sale: the MRR that new accounts brought, per new account.",
        "new MRR / new accounts",
        "{new} / {new_accounts}",
        _asp,
    ),
    Figure(
        "nrr",
        "ratio",
        "window",
        "Net revenue retention: what the accounts with revenue at the start pay at the end.",
        "closing MRR of the opening accounts / opening MRR",
        "{retained} / {opening_mrr}",
        lambda basis: ratio_text(basis.retention.closing, basis.retention.opening),
        ("retention",),
    ),
    Figure(
        "grr",
        "ratio",
        "window",
        "Gross revenue retention: the same with every account capped at what it paid at the start.",
        "sum over opening accounts of min(opening, closing) / opening MRR",
        "{kept} / {opening_mrr}",
        lambda basis: ratio_text(basis.retention.kept, basis.retention.opening),
        ("retention",),
    ),
    Figure(
        "customer_churn_rate",
        "ratio",
        "window",
        "Share of the accounts with revenue at the start that have none at the end.",
        "opening accounts inactive at the end / opening accounts",
        "{lost} / {opening_accounts}",
        lambda basis: ratio_text(basis.retention.lost, basis.retention.accounts),
        ("retention",),
    ),
    Figure(
        "gross_mrr_churn_rate",
        "ratio",
        "window",
        "Share of the opening MRR lost to churn and contraction.",
        "-(churn + contraction) / opening MRR",
        "-({churn} + {contraction}) / {opening_level}",
        lambda basis: ratio_text(-basis.moved("contraction", "churn"), basis.opening),
    ),
    Figure(
        "net_mrr_churn_rate",
        "ratio",
        "window",
        "The same less expansion and reactivation; below zero when existing accounts grow.",
        "-(churn + contraction + expansion + reactivation) / opening MRR",
        "-({churn} + {contraction} + {expansion} + {reactivation}) / {opening_level}",
        _net_churn,
    ),
    Figure(
        "quick_ratio",
        "times",
        "window",
        "How many times the MRR won covers the MRR lost.",
        "(new + reactivation + expansion) / -(contraction + churn)",
        "({new} + {reactivation} + {expansion}) / -({contraction} + {churn})",
        _quick_ratio,
    ),
    Figure(
        "share_top_1",
        "ratio",
        "day",
        "Share of MRR that comes from the largest account.",
        "MRR of the largest account / MRR",
        "",
        lambda basis: basis.shares.top(1),
        ("shares",),
    ),
    Figure(
        "share_top_3",
        "ratio",
        "day",
        "Share of MRR that comes from the three largest accounts.",
        "MRR of the three largest accounts / MRR",
        "",
        lambda basis: basis.shares.top(3),
        ("shares",),
    ),
    Figure(
        "share_top_10",
        "ratio",
        "day",
        "Share of MRR that comes from the ten largest accounts.",
        "MRR of the ten largest accounts / MRR",
        "",
        lambda basis: basis.shares.top(10),
        ("shares",),
    ),
    Figure(
        "herfindahl",
        "index",
        "day",
        "Herfindahl index: how concentrated revenue is, from near 0 (many small accounts) to 1 (a single one).",
        "sum over accounts of (MRR of the account / MRR) squared",
        "",
        lambda basis: basis.shares.herfindahl(),
        ("shares",),
    ),
)
"""Figures of revenue; adding one means adding a row."""

FIGURES: Final = (*REVENUE, *ECONOMICS, *FEEDBACK)
"""Every figure there is."""

CATALOGUE: Final = {figure.name: figure for figure in FIGURES}
