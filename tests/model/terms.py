"""The model of contract values: every stretch of a term with one level, by the length of its months."""

from fractions import Fraction
from itertools import pairwise
from typing import Any

from tests.model.books import Cell, account_on, accounts_of, days_of_change, dims_of, facts_of, level_of_account
from tests.model.choices import USUAL, Choices
from tests.model.contracts import CONTRACT, term_of
from tests.model.days import END_OF_TIME, Event, day_of, effective_day, months_between, months_later
from tests.model.figures import committed_cells

Span = tuple[int, int]


def cells_on(facts: list[Event], name: str, currency: str, day: int, choices: Choices = USUAL) -> dict[Cell, int]:
    """What the lines of a contract are worth a year on a day."""
    cells = level_of_account(facts, account_on(facts, day), day, choices).items()
    return {cell: amount for cell, amount in cells if cell.contract == name and cell.currency == currency}


def span_of(facts: list[Event], name: str, currency: str, day: int) -> Span:
    """The term that a day is in: the one agreed last, again and again, or a year since the first day with revenue."""
    agreed = [
        fact
        for fact in facts
        if fact["type"] in (f"{CONTRACT}signed.v1", f"{CONTRACT}renewed.v1")
        and fact["data"]["contract_id"] == name
        and effective_day(fact) <= day
    ]
    term = term_of(agreed[-1])
    if term.end is None or not term.months:
        first = min(one for one in days_of_change(facts) if cells_on(facts, name, currency, one))
        steps = [months_later(first, 12 * count) for count in range(20)]
    else:
        said = agreed[-1]["data"]["term"].get("start")
        start = day_of(said) if said else effective_day(agreed[-1])
        steps = [start, term.end]
        if term.auto_renew and day >= term.end:
            months = months_between(start, term.end)
            each = [months_later(start, int(months) * count) for count in range(80)]
            steps = each if months.denominator == 1 else [start + (term.end - start) * count for count in range(80)]
        elif day < start:
            return start, term.end
    return next((first, end) for first, end in pairwise(steps) if day < end)


def changed_on(events: list[Event], account: str, name: str, currency: str, first: int) -> int:
    """The first day after one, and after its signing, on which what a contract leads to in the end is another."""

    def committed(day: int) -> int:
        agreed = committed_cells([one for one in events if one["subject"] == account], day + 1)
        return sum(amount for (_, cell), amount in agreed.items() if (cell.contract, cell.currency) == (name, currency))

    days = sorted({day_of(one["time"]) for one in events if one["subject"] == account})
    signed = max(first, next((day for day in days if committed(day)), first))
    return next((day for day in days if day > signed and committed(day) != committed(signed)), END_OF_TIME)


def worth_by_group(
    facts: list[Event],
    asked: Any,
    account: str,
    name: str,
    day: int,
    choices: Choices = USUAL,
    changed: int = END_OF_TIME,
) -> tuple[Span, dict[str, Fraction]]:
    """What a contract is worth over the term that a day is in, in minor units, by group; from a day on as before it."""
    start, end = span = span_of(facts, name, asked.currency, day)
    standing = account_on(facts, day)
    dims = dims_of(standing, standing.contracts[name])
    cuts = sorted({start, end, *(one for one in (changed, *days_of_change(facts)) if start < one < end)})
    sums: dict[str, Fraction] = {}
    for first, following in pairwise(cuts):
        months = months_between(start, following) - months_between(start, first)
        for cell, amount in cells_on(facts, name, asked.currency, min(first, changed - 1), choices).items():
            group = asked.group(account, cell._replace(dims=dims))
            if group is not None:
                sums[group] = sums.get(group, Fraction(0)) + Fraction(amount, 120_000) * months
    return span, {group: total for group, total in sums.items() if total > 0}


def values(events: list[Event], asked: Any, day: int) -> dict[str, list[tuple[Fraction, Fraction]]]:
    """Of every contract with revenue as a day begins: its value over the term and per year, by group."""
    found: dict[str, list[tuple[Fraction, Fraction]]] = {}
    for account in accounts_of(events):
        facts = facts_of(events, account)
        for name in account_on(facts, day - 1).contracts:
            if cells_on(facts, name, asked.currency, day - 1):
                (start, end), totals = worth_by_group(facts, asked, account, name, day - 1)
                for group, total in totals.items():
                    found.setdefault(group, []).append((total, total * 12 / months_between(start, end)))
    return found


def begun(events: list[Event], asked: Any, start: int, until: int) -> dict[str, list[Fraction]]:
    """Of every contract whose first day with revenue lies in a window: its value per year as signed, by group."""
    found: dict[str, list[Fraction]] = {}
    for account in accounts_of(events):
        facts = facts_of(events, account)
        days = days_of_change(facts)
        for name in {fact["data"]["contract_id"] for fact in facts if "contract_id" in fact["data"]}:
            first = next((day for day in days if cells_on(facts, name, asked.currency, day)), until)
            if start <= first < until:
                changed = changed_on(events, account, name, asked.currency, first)
                span, totals = worth_by_group(facts, asked, account, name, first, changed=changed)
                for group, total in totals.items():
                    found.setdefault(group, []).append(total * 12 / months_between(*span))
    return found
