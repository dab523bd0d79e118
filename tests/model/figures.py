"""The figures of the model: bridges, what is committed, retention and churn, as exact integers and fractions.

A window is [start, until) in days since the epoch; "at D" is the level at the start of day D. Money is
`annual_e4` (1/10,000 minor unit a year) unless a docstring says minor units. A ratio over zero is None.
"""

from collections.abc import Iterable
from datetime import date
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from tests.model.books import Cell, Level, Movement, accounts_of, facts_in_force, level, movements
from tests.model.choices import USUAL, Choices
from tests.model.days import END_OF_TIME, EPOCH, Event, date_of, day_of

MOVEMENTS = ("new", "reactivation", "expansion", "contraction", "churn", "transfer")
COUNTED = {"new": "new", "reactivation": "reactivated", "churn": "churned"}
MONTHS_A_PERIOD = {"month": 1, "quarter": 3, "year": 12}
E4_A_YEAR_PER_MINOR_A_MONTH = 120_000


Grouped = dict[tuple[str, str | None], int]


class Row(NamedTuple):
    """One period of a bridge (of one group): amounts in annual_e4, counts of accounts, both by column."""

    start: int
    until: int
    group: str | None
    amounts: dict[str, int]
    accounts: dict[str, int]


def half_up(value: Fraction) -> int:
    """The nearest integer; exactly half goes towards plus infinity."""
    return (value + Fraction(1, 2)).__floor__()


def mrr_minor(annual_e4: int | Fraction) -> int:
    """A monthly amount for a reader, in minor units."""
    return half_up(Fraction(annual_e4) / E4_A_YEAR_PER_MINOR_A_MONTH)


def arr_minor(annual_e4: int | Fraction) -> int:
    """A yearly amount for a reader, in minor units."""
    return half_up(Fraction(annual_e4) / 10_000)


def ratio(numerator: int, denominator: int) -> Fraction | None:
    """An exact ratio, None over zero."""
    return Fraction(numerator, denominator) if denominator else None


# ---------------------------------------------------------------- levels


def group_of(account: str, cell: Cell, by: str | None) -> str | None:
    """The value by which a report groups a cell; None where the cell has none."""
    if by is None:
        return None
    own = {"account": account, "currency": cell.currency, "contract": cell.contract}
    own |= {"plan": cell.plan, "product": cell.product or ""}
    return (own[by] or None) if by in own else dict(cell.dims).get(by)


def levels_at(events: list[Event], day: int) -> dict[str, Level]:
    """The level of every account at the start of a day."""
    return {account: level(events, account, day - 1) for account in accounts_of(events)}


def grouped_at(events: list[Event], day: int, currency: str, by: str | None) -> Grouped:
    """What each (account, group) with a level above zero is worth in a currency at the start of a day."""
    sums: Grouped = {}
    for account, cells in levels_at(events, day).items():
        for cell, amount in cells.items():
            if cell.currency == currency:
                key = (account, group_of(account, cell, by))
                sums[key] = sums.get(key, 0) + amount
    return sums


def by_account_at(events: list[Event], day: int, currency: str) -> dict[str, int]:
    """What each active account is worth in a currency at the start of a day."""
    return {account: amount for (account, _), amount in grouped_at(events, day, currency, None).items()}


def arr(events: list[Event], day: int, currency: str) -> int:
    """Annual recurring revenue at the start of a day."""
    return sum(by_account_at(events, day, currency).values())


def mrr(events: list[Event], day: int, currency: str) -> Fraction:
    """Monthly recurring revenue at the start of a day, in minor units, exact."""
    return Fraction(arr(events, day, currency), E4_A_YEAR_PER_MINOR_A_MONTH)


def accounts(events: list[Event], day: int, currency: str) -> int:
    """How many accounts have revenue in a currency at the start of a day."""
    return len(by_account_at(events, day, currency))


def arpa(events: list[Event], day: int, currency: str) -> Fraction | None:
    """Monthly revenue per account with revenue, in minor units, exact."""
    paying = accounts(events, day, currency)
    return mrr(events, day, currency) / paying if paying else None


# ---------------------------------------------------------------- the bridge


def first_of_next(day: int, months: int) -> int:
    """The first day of the next calendar period of so many months."""
    today = date_of(day)
    index = (today.year * 12 + today.month - 1) // months * months + months
    return (date(index // 12, index % 12 + 1, 1) - EPOCH.date()).days


def periods(start: int, until: int, every: str) -> list[tuple[int, int]]:
    """A window cut at the borders of calendar days, months, quarters or years."""
    cuts = [start]
    while cuts[-1] < until:
        following = cuts[-1] + 1 if every == "day" else first_of_next(cuts[-1], MONTHS_A_PERIOD[every])
        cuts.append(min(following, until))
    return list(pairwise(cuts))


def postings_between(events: list[Event], start: int, until: int, currency: str) -> list[Movement]:
    """The movements of a window in one currency."""
    return [p for p in movements(events) if start <= p.day < until and p.currency == currency]


def account_days(postings: Iterable[Movement]) -> int:
    """How many account-days have postings that do not sum to zero."""
    sums: dict[tuple[str, int], int] = {}
    for posting in postings:
        key = (posting.account, posting.day)
        sums[key] = sums.get(key, 0) + posting.amount_e4
    return sum(1 for amount in sums.values() if amount != 0)


def row(start: int, until: int, group: str | None, edges: list[list[int]], postings: list[Movement]) -> Row:
    """One row from the levels of its accounts at both edges and its movements."""
    opening, closing = edges
    moved = {name: [p for p in postings if p.movement == name] for name in MOVEMENTS}
    amounts = {name: sum(p.amount_e4 for p in moved[name]) for name in MOVEMENTS}
    counted = {column: account_days(moved[name]) for name, column in COUNTED.items()}
    return Row(
        start,
        until,
        group,
        {"opening": sum(opening), **amounts, "closing": sum(closing)},
        {"opening": len(opening), **counted, "closing": len(closing)},
    )


def period_rows(events: list[Event], start: int, until: int, currency: str, by: str | None) -> list[Row]:
    """The rows of one period: one in total, or one a group that holds or moves anything in it."""
    levels = [grouped_at(events, day, currency, by) for day in (start, until)]
    postings = postings_between(events, start, until, currency)
    groups: set[str | None] = {group for sums in levels for _, group in sums} if by else {None}
    groups |= {group_of(p.account, p.cell, by) for p in postings}
    return [
        row(
            start,
            until,
            group,
            [[amount for (_, held), amount in sums.items() if held == group] for sums in levels],
            [p for p in postings if group_of(p.account, p.cell, by) == group],
        )
        for group in sorted(groups, key=lambda name: (name is not None, name or ""))
    ]


def bridge(
    events: list[Event], start: int, until: int, every: str, currency: str, *, by: str | None = None
) -> list[Row]:
    """Opening, movements and closing of each period; the levels and the movements are computed apart.

    In total: one row a period. `by` an attribute, plan, product, owner, campaign, channel, currency, contract
    or account: one row a period and group, without the groups that neither hold nor move anything in it.
    """
    cuts = periods(start, until, every)
    return [line for low, high in cuts for line in period_rows(events, low, high, currency, by)]


# ---------------------------------------------------------------- what lies ahead


def committed_cells(events: list[Event], day: int, choices: Choices = USUAL) -> dict[tuple[str, Cell], int]:
    """The level in the end of everything that had happened (by `time`) before a day, by (account, cell)."""
    happened = [event for event in facts_in_force(events) if day_of(event["time"]) < day]
    return {
        (account, cell): amount
        for account in accounts_of(happened)
        for cell, amount in level(happened, account, END_OF_TIME, choices).items()
    }


def committed(events: list[Event], day: int) -> dict[str, int]:
    """Committed revenue at a day, by currency; a currency without any is left out."""
    sums: dict[str, int] = {}
    for (_, cell), amount in committed_cells(events, day).items():
        sums[cell.currency] = sums.get(cell.currency, 0) + amount
    return sums


def committed_annual(events: list[Event], day: int) -> dict[str, int]:
    """Committed revenue of contracts whose term is 12 months or longer, by currency."""
    sums: dict[str, int] = {}
    for (_, cell), amount in committed_cells(events, day).items():
        if int(dict(cell.dims).get("term_months", "0")) >= 12:
            sums[cell.currency] = sums.get(cell.currency, 0) + amount
    return sums


def scheduled_churn(events: list[Event], day: int) -> dict[str, int]:
    """The falls (churn and contraction, negative) on or after a day, by currency."""
    sums: dict[str, int] = {}
    for posting in movements(events):
        if posting.day >= day and posting.movement in ("churn", "contraction"):
            sums[posting.currency] = sums.get(posting.currency, 0) + posting.amount_e4
    return sums


# ---------------------------------------------------------------- retention and churn


def moved(events: list[Event], start: int, until: int, currency: str, *names: str) -> int:
    """The sum of the named movements of a window, falls negative."""
    return sum(p.amount_e4 for p in postings_between(events, start, until, currency) if p.movement in names)


def nrr(events: list[Event], start: int, until: int, currency: str) -> Fraction | None:
    """Net revenue retention: what the opening accounts are worth in the end, over the opening."""
    opening, closing = by_account_at(events, start, currency), by_account_at(events, until, currency)
    return ratio(sum(closing.get(account, 0) for account in opening), sum(opening.values()))


def grr(events: list[Event], start: int, until: int, currency: str) -> Fraction | None:
    """Gross revenue retention: as the net one, with no account above its opening."""
    opening, closing = by_account_at(events, start, currency), by_account_at(events, until, currency)
    kept = sum(min(amount, closing.get(account, 0)) for account, amount in opening.items())
    return ratio(kept, sum(opening.values()))


def customer_churn_rate(events: list[Event], start: int, until: int, currency: str) -> Fraction | None:
    """Opening accounts without revenue in the end, over opening accounts."""
    opening, closing = by_account_at(events, start, currency), by_account_at(events, until, currency)
    return ratio(len(opening.keys() - closing.keys()), len(opening))


def gross_mrr_churn_rate(events: list[Event], start: int, until: int, currency: str) -> Fraction | None:
    """Churn and contraction (as a positive share) over the opening."""
    lost = -moved(events, start, until, currency, "churn", "contraction")
    return ratio(lost, arr(events, start, currency))


def net_mrr_churn_rate(events: list[Event], start: int, until: int, currency: str) -> Fraction | None:
    """Churn and contraction less expansion and reactivation, over the opening."""
    lost = -moved(events, start, until, currency, "churn", "contraction", "expansion", "reactivation")
    return ratio(lost, arr(events, start, currency))


def quick_ratio(events: list[Event], start: int, until: int, currency: str) -> Fraction | None:
    """What came in over what was lost."""
    gained = moved(events, start, until, currency, "new", "reactivation", "expansion")
    return ratio(gained, -moved(events, start, until, currency, "churn", "contraction"))


def asp(events: list[Event], start: int, until: int, currency: str) -> Fraction | None:
    """Average new sale: new monthly revenue per new account, in minor units, exact."""
    sales = [p for p in postings_between(events, start, until, currency) if p.movement == "new"]
    sold = sum(p.amount_e4 for p in sales)
    return ratio(sold, account_days(sales) * E4_A_YEAR_PER_MINOR_A_MONTH)
