"""The model of discounts: on every day, what an account would be worth at list prices less what it is worth."""

from calendar import monthrange
from fractions import Fraction
from itertools import pairwise
from typing import Any

from tests.model.books import Cell, account_on, accounts_of, days_of_change, facts_of, level_of_account
from tests.model.choices import Choices
from tests.model.days import Event, date_of

LISTED, NET = Choices(discounts="list"), Choices(discounts="net")


def off_on(facts: list[Event], day: int) -> dict[Cell, int]:
    """What discounts take off every cell on a day, in annual_e4."""
    account = account_on(facts, day)
    full, net = (level_of_account(facts, account, day, choices) for choices in (LISTED, NET))
    return {cell: amount - net.get(cell, 0) for cell, amount in full.items() if amount != net.get(cell, 0)}


def of_a_month(first: int, following: int) -> Fraction:
    """How many calendar months some days are: each is one of as many as its month has."""
    dates = [date_of(day) for day in range(first, following)]
    return sum((Fraction(1, monthrange(one.year, one.month)[1]) for one in dates), Fraction(0))


def taken_off(
    events: list[Event], asked: Any, start: int | None, until: int
) -> tuple[dict[str, int], dict[str, Fraction]]:
    """By group: what discounts take off as a day begins, in annual_e4, and over the days before it, in minor units."""
    levels: dict[str, int] = {}
    spent: dict[str, Fraction] = {}
    for account in accounts_of(events):
        facts = facts_of(events, account)
        for cell, amount in off_on(facts, until - 1).items():
            group = asked.group(account, cell)
            if group is not None:
                levels[group] = levels.get(group, 0) + amount
        if start is None:
            continue
        cuts = sorted({start, until, *(day for day in days_of_change(facts) if start < day < until)})
        for first, following in pairwise(cuts):
            for cell, amount in off_on(facts, first).items():
                group = asked.group(account, cell)
                if group is not None:
                    worth = Fraction(amount, 120_000) * of_a_month(first, following)
                    spent[group] = spent.get(group, Fraction(0)) + worth
    return levels, spent
