"""The reference of all figures and tables as Markdown: what the catalogue says, with examples and sources."""

from collections.abc import Iterator
from typing import Final

from projections.basis import Figure, Source
from projections.columns import Table
from projections.costs import COST_NAMES
from projections.figures import FIGURES
from projections.groups import CELL_NAMES
from projections.sales import SELLERS, Sales
from projections.tables import TABLES

EXAMPLES: Final[dict[str, tuple[str, str]]] = {
    "mrr_minor": ("12 x 49.00 a month and 1,200.00 a year: 688.00", "these books: a sum of integers, rounded once"),
    "arr_minor": ("MRR 688.00: 8,256.00", "these books"),
    "committed_mrr_minor": ("MRR 200.00, of which 100.00 ends with its term: 100.00", "Polar: committed MRR"),
    "committed_arr_minor": ("200.00 a month for 24 months, 50.00 a month for none: 2,400.00", "these books"),
    "scheduled_churn_minor": ("notice for next month of 100.00: -100.00", "these books"),
    "accounts": ("100 pay, 20 are free: 100", "these books"),
    "arpa_minor": ("50,000,000 won of 100 paying accounts: 500,000", "the usual ARPA or ARPU"),
    "asp_minor": ("new MRR of 900.00 from 4 new accounts: 225.00", "the usual average new sale"),
    "nrr": ("10,000 at the start; +2,000, -600, -1,000 within: 10,400 / 10,000 = 104 %", "the usual NRR or NDR"),
    "grr": ("100 grows to 150, 100 falls to 50: (100 + 50) / 200 = 75 %", "the usual GRR, capped account by account"),
    "customer_churn_rate": ("3 of 8 accounts are gone: 37.5 %", "the usual logo churn"),
    "gross_mrr_churn_rate": ("churn 100, contraction 20, opening 800: 15 %", "ChartMogul: gross MRR churn rate"),
    "net_mrr_churn_rate": ("the same with expansion 60 and reactivation 15: 5.63 %", "ChartMogul: net MRR churn rate"),
    "quick_ratio": ("won 165, lost 120: 1.38", "Mamoon Hamid, Social Capital: SaaS quick ratio"),
    "share_top_1": ("600 of 1,000: 60 %", "the concentration ratio of economics, CR1"),
    "share_top_3": ("600, 200 and 100 of 1,000: 90 %", "the concentration ratio, CR3"),
    "share_top_10": ("all of three accounts: 100 %", "the concentration ratio, CR10"),
    "herfindahl": ("shares of 60, 20, 10 and 10 %: 0.42", "Herfindahl-Hirschman index, of 1 instead of 10,000"),
    "acv_minor": ("20M, 30M and 30M over three years: 26,666,667", "the usual ACV: TCV / years"),
    "tcv_minor": ("20M, 30M and 30M over three years: 80,000,000", "the usual TCV, recurring lines alone"),
    "acv_signed_minor": ("two contracts signed, 1,200.00 and 600.00 a year: 900.00", "ACV of new contracts"),
    "ltv_minor": ("ARPA 250.00, margin 100 %, 1 of 2 accounts lost in a month: 500.00", "David Skok: SaaS Metrics 2.0"),
    "average_life_months": (
        "10, 6, 5 and 3 months with revenue, 2 of the 4 accounts are lost: 24 / 2 = 12",
        "exposure by events, as lives are measured where not all are over",
    ),
    "ltv_by_life_minor": ("ARPA 250.00, an average life of 12 months: 3,000.00", "the usual ARPA * average lifetime"),
    "acquisition_cost_minor": ("90.00 over three months, of which one is in the window: 30.00", "costs, as recorded"),
    "retention_cost_minor": ("60 of 100 spent by then: 60", "costs, as recorded"),
    "cac_minor": ("290.00 spent on one new account: 290.00", "David Skok: SaaS Metrics 2.0"),
    "discounts_minor": ("10 % off 100.00, 100 % off 50.00: 60.00", "these books"),
    "discount_investment_minor": ("60.00 a month over a quarter: 180.00", "these books: list value less net value"),
    "cac_with_discounts_minor": ("(290.00 + 60.00) for one new account: 350.00", "CAC, with discounts as a cost"),
    "ltv_to_cac": ("500.00 / 290.00: 1.72", "David Skok: SaaS Metrics 2.0"),
    "acv_to_cac": ("ACV 750.00, CAC 250.00: 3", "ACV and CAC, divided"),
    "cac_payback_months": ("CAC 900.00, ARPA 200.00: 4.5", "David Skok: months to recover CAC"),
    "crc_minor": ("60 of 100 spent by then, for 2 accounts: 30", "the usual customer retention cost"),
    "nps": ("18 promoters, 6 passives, 6 detractors: 40", "Fred Reichheld, Harvard Business Review, 2003"),
    "nps_mrr_weighted": ("400 recommend, 100 warn, of 900: 33.3", "NPS, by revenue"),
    "csat": ("5, 4 and 3 of 5: 2 / 3", "the usual top-two-box score"),
    "fcr": ("2 of 3 resolved at once: 66.67 %", "the usual first contact resolution"),
}
"""Figure -> a small example, and whose definition it is."""

_UNSPENT: Final = "no such cost of the window is recorded for what is asked (which is no zero)"
_NO_CAC: Final = f"no account is new, or {_UNSPENT}"
_NO_OPENING: Final = "no account has revenue at the start"
_NO_MRR: Final = "no account has revenue"
NULLS: Final = {
    "arpa_minor": _NO_MRR,
    "asp_minor": "no account is new",
    "nrr": _NO_OPENING,
    "grr": _NO_OPENING,
    "customer_churn_rate": _NO_OPENING,
    "gross_mrr_churn_rate": _NO_OPENING,
    "net_mrr_churn_rate": _NO_OPENING,
    "quick_ratio": "nothing is lost",
    "share_top_1": _NO_MRR,
    "share_top_3": _NO_MRR,
    "share_top_10": _NO_MRR,
    "herfindahl": _NO_MRR,
    "acv_minor": "no contract has revenue",
    "tcv_minor": "no contract has revenue",
    "acv_signed_minor": "no contract has its first revenue in the window",
    "ltv_minor": "no account has revenue at the end, or none of those at the start is lost",
    "average_life_months": "no account is lost by then",
    "ltv_by_life_minor": "no account has revenue, or none is lost by then",
    "cac_minor": _NO_CAC,
    "cac_with_discounts_minor": "no account is new, or neither cost nor discount is recorded for what is asked",
    "ltv_to_cac": f"LTV is; {_NO_CAC}",
    "acv_to_cac": f"no contract has revenue; {_NO_CAC}",
    "cac_payback_months": f"no account has revenue at the end; {_NO_CAC}",
    "crc_minor": f"no account has revenue at the end, or {_UNSPENT}",
    "nps": "nobody answered",
    "nps_mrr_weighted": "nobody with revenue answered",
    "csat": "nobody answered with a score",
    "fcr": "no answer says whether",
}
"""Figure -> when there is no answer; the others are zero where there is nothing."""

SOLD: Final = {
    "new_mrr_minor": "the `new` of a bridge",
    "new_accounts": "accounts that became new",
    "acv_signed_minor": "as the figure, of the contracts whose first day with revenue lies in the window",
    "discount_share": "what discounts take off these contracts over their terms / their value at list prices",
    "nrr": "as the figure, of the revenue that each won: what another sells to the same account is none of it",
    "cac_minor": "acquisition cost that names the value (for `-`: none) / new accounts; null where no such cost is",
    "before_...": "the same a year before; `before` in the answer is its window",
}
"""Column of a table of what was sold -> what it tells."""

_UNITS: Final = {
    "minor": "minor units of the currency, a whole number, half up",
    "accounts": "a whole number",
    "ratio": "a ratio of 1, a decimal string of 8 digits",
    "index": "0 to 1, a decimal string of 8 digits",
    "points": "points from -100 to 100, a decimal string of 8 digits",
    "months": "months, a decimal string of 8 digits",
    "times": "times, a decimal string of 8 digits",
}
_GROUPS: Final[dict[Source, str]] = {
    "costs": f"{', '.join(sorted(COST_NAMES - {'currency'}))}; a cost that does not name it is in the row without a"
    " value (`-`). By anything else all costs are, and what is divided by accounts is null",
    "answers": "any; an answer counts where its account has revenue, of any currency, as the day of the answer ends",
    "discounts": "any; a discount counts each day with the attributes its account has that day",
    "begun": "any; a contract counts with the attributes it has on its first day with revenue",
    "contracts": "any; a contract counts with the attributes it has on the day",
}
_SEVERAL: Final = ", ".join(sorted({*CELL_NAMES} - {"account"}))
_ADDS_UP: Final = {
    "always": "the whole, but for rounding",
    "accounts": "the whole by `account` and by attributes of accounts, of which each has one value a day. By"
    f" {_SEVERAL} it may be more: an account with two plans counts in both",
    "never": "says nothing: each group is worked out by itself",
}
_HEAD: Final = """# Figures

Generated by `python -m services.generate` from the catalogue of figures; do not edit it.

`revledger report figures` and `/v1/figures` answer with all of them, or those named. A figure of a day is asked with
`--at` or `--on` (over a window it is that of its end), one of a window with `--from` and `--until`. All take `--by`,
`--where` and `--known-at`, and come alike from the live projection and from `revledger replay --figures`. All can be
converted to one currency (`--convert`, see [currencies.md](currencies.md)).

What the live projection keeps for them, measured with 4,000 accounts of the made-up company over 24 months: 380 bytes
an account for its postings, 280 for its notes (55 an answer, a cost or a term), and 510 for the days of a month of one
group and currency with their totals. A ledger with discounts keeps 190 bytes more of each event about a contract or
about labels. Sums answer in milliseconds; retention, concentration, answers and contracts look at every account: a
command that asks once reads them all, which takes seconds; a service keeps them in memory and takes a fraction of that.
"""


def markdown() -> str:
    """The whole reference."""
    return "\n".join((_HEAD, *[line for figure in FIGURES for line in _figure(figure)], *_tables())).rstrip() + "\n"


def _figure(figure: Figure) -> Iterator[str]:
    example, source = EXAMPLES[figure.name]
    groups = "; ".join(_groups_of(figure)) or "any"
    yield f"## `{figure.name}`\n"
    yield f"{figure.definition}\n"
    yield f"- Formula: {figure.formula}"
    yield f"- Of a {figure.needs}, in {_UNITS[figure.unit]}"
    yield f"- Null where {NULLS[figure.name]}" if figure.name in NULLS else "- Never null: zero where there is nothing"
    yield f"- Groups: {groups}"
    yield f"- Sum of groups: {_ADDS_UP[figure.adds_up]}"
    yield f"- Example: {example}"
    yield f"- Source: {source}"
    if figure.worked:
        yield f"- Down to its events: `revledger explain {figure.name}`"
    yield ""


def _groups_of(figure: Figure) -> Iterator[str]:
    """What it can be broken down by; where costs are among what it reads, by no more than these can."""
    reads = sorted([one for one in figure.reads if one in _GROUPS], key=lambda one: one != "costs")
    for place, one in enumerate(reads):
        yield _GROUPS[one].removeprefix("any; ") if place else _GROUPS[one]


def _tables() -> Iterator[str]:
    yield "# Tables\n"
    yield "`revledger report NAME` and `/v1/reports/NAME`, as a day begins (`--at`, `--on`), with `--where`, `--by`,"
    yield "`--known-at`, `--policy` and `--limit`. Grouped, a table has for each value the rows that `--where` gives"
    yield "for it; what customers said counts with every value their account has revenue in. An account with two plans,"
    yield "or two values of anything else that belongs to contracts, is in both groups: accounts of groups may come to"
    yield "more than the whole, in tables, in figures and in the bridge. Revenue adds up.\n"
    for table in TABLES.values():
        yield f"## `{table.name}`\n"
        yield f"{table.definition}\n"
        if table.is_window:
            yield "Of a window (`--from`, `--until`) instead.\n"
        if isinstance(table, Table) and table.names:
            yield f"`--where` takes {' and '.join(table.names)} too.\n"
        if table.every:
            yield f"`--every`: {', '.join(table.every)}.\n"
        yield f"Columns: {', '.join(column.name for column in table.columns)}\n"
        if table is SELLERS:
            yield from (f"- `{name}`: {meaning}" for name, meaning in SOLD.items())
            yield ""
        elif isinstance(table, Sales):
            yield f"They are told as those of `{SELLERS.name}`.\n"
