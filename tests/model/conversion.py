"""The model's conversion: rates read from the events, bridges and figures in one currency as exact fractions."""

from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from tests.model import asides, discounts, terms
from tests.model.asides import Told, Weighed
from tests.model.books import Cell, Movement, facts_in_force
from tests.model.days import Event, effective_day, moment, months_between
from tests.model.figures import MOVEMENTS, account_days, arr_minor, committed_cells, half_up, mrr_minor
from tests.model.reports import (
    Asked,
    Books,
    Value,
    acv_to_cac,
    concentrated,
    economics,
    held,
    invested_in,
    is_annual,
    label,
    lived,
    ratio_text,
    said,
    spending,
    valued,
)

DIGITS = {"USD": 2, "EUR": 2, "KRW": 0, "JPY": 0}
PUBLISHED = "revledger.rate.published.v1"
CURRENCIES = tuple(DIGITS)


class MissingError(Exception):
    """There is no rate of a pair on a day."""

    def __init__(self, base: str, quote: str, day: int) -> None:
        super().__init__(base, quote, day)
        self.day = day


class InAny(Asked):
    """What is asked, of cells in any currency."""

    def alone(self, currency: str) -> Asked:
        """The same of one of them."""
        return Asked(currency, self.by, self.where)

    def group(self, account: str, cell: Cell) -> str | None:
        """The group of a cell, None if it does not count."""
        if any((label(account, cell, name) or "") != value for name, value in self.where):
            return None
        return "" if self.by is None else label(account, cell, self.by) or ""


class Period(NamedTuple):
    """One period of a converted bridge of one group, exact."""

    amounts: dict[str, Fraction]
    accounts: dict[str, int]


class Money:
    """Converts to one currency on days, all to the rates of one day if that is given."""

    def __init__(self, events: list[Event], currency: str, always: int | None = None) -> None:
        own = [event for event in facts_in_force(events) if event["type"] == PUBLISHED]
        self.rates = [(effective_day(event), moment(event["time"]), event["data"]) for event in own]
        self.days = {day for day, _, _ in self.rates}
        self.currency = currency
        self.always = always

    def of(self, amount: Fraction | int, currency: str, day: int) -> Fraction:
        """An amount of another currency at the end of a day; raises MissingError unless it is zero."""
        if currency == self.currency or not amount:
            return Fraction(amount)
        day = day if self.always is None else self.always
        pair = {currency, self.currency}
        known = [rate for rate in self.rates if rate[0] <= day and {rate[2]["base"], rate[2]["quote"]} == pair]
        if not known:
            raise MissingError(currency, self.currency, day)
        last = max(rate[0] for rate in known)
        of_day = [rate for rate in known if rate[0] == last]
        direct = [rate for rate in of_day if rate[2]["base"] == currency] or of_day
        found = max(direct, key=lambda rate: rate[1])[2]
        rate = Fraction(found["rate"]) if found["base"] == currency else 1 / Fraction(found["rate"])
        return Fraction(amount) * rate * Fraction(10 ** DIGITS[self.currency], 10 ** DIGITS[currency])


def bridge(
    books: Books, asked: Asked, convert: str, window: tuple[int, int, str]
) -> dict[str, list[Period]]:
    """Every period of every group that any currency has, as exact fractions; raises MissingError."""
    money = Money(books.events, asked.currency, window[1] - 1 if convert == "constant" else None)
    counted = books.bridge(InAny(*asked), *window)
    in_each = {one: books.bridge(asked._replace(currency=one), *window) for one in CURRENCIES}
    found: dict[str, list[Period]] = {}
    for group, rows in counted.items():
        for index, row in enumerate(rows):
            parts = {one: groups[group][index].amounts for one, groups in in_each.items() if group in groups}
            opening = sum(money.of(part["opening"], one, row.start - 1) for one, part in parts.items())
            closing = sum(money.of(part["closing"], one, row.until - 1) for one, part in parts.items())
            moved = {
                name: Fraction(sum(money.of(part[name], one, row.until - 1) for one, part in parts.items()))
                for name in MOVEMENTS
            }
            fx = closing - opening - sum(moved.values())
            amounts = {"opening": Fraction(opening), **moved, "fx": Fraction(fx), "closing": Fraction(closing)}
            found.setdefault(group, []).append(Period(amounts, row.accounts))
    return found


def figures(books: Books, asked: Asked, convert: str, start: int | None, until: int) -> dict[str, dict[str, Value]]:
    """All figures of every group, at a day (`start` None) or of a window; raises MissingError."""
    money = Money(books.events, asked.currency, until - 1 if convert == "constant" else None)
    one = InAny(*asked)
    ahead = books.moved(one, until, 10**9)
    within = {} if start is None else books.moved(one, start, until)
    levels = {day: _levels(books.events, one, day, money) for day in (start, until) if day is not None}
    agreed = committed_cells(books.events, until)
    later = _committed(agreed, one, until, money)
    annual = _committed({key: amount for key, amount in agreed.items() if is_annual(key[1])}, one, until, money)
    before = books.moved(one, -(10**9), until)
    aside = Asides(books.events, one, money, start, until)
    groups = {*before, *ahead, *within, *later, *aside.groups, *(group for sums in levels.values() for group in sums)}
    groups |= {""} if asked.by is None else set()
    found: dict[str, dict[str, Value]] = {}
    for group in groups:
        closing = levels[until].get(group, {})
        level = Fraction(sum(closing.values()))
        falls = [p for p in ahead.get(group, []) if p.movement in ("churn", "contraction")]
        found[group] = {
            "mrr_minor": mrr_minor(level),
            "arr_minor": arr_minor(level),
            "committed_mrr_minor": mrr_minor(later.get(group, 0)),
            "committed_arr_minor": arr_minor(annual.get(group, 0)),
            "scheduled_churn_minor": mrr_minor(_sum(falls, money, until)),
            "accounts": len(closing),
            "arpa_minor": mrr_minor(level / len(closing)) if closing else None,
            **concentrated(closing),
            **lived(closing, before.get(group, []), until),
        }
        opening, moved = {} if start is None else levels[start].get(group, {}), within.get(group, [])
        found[group] |= aside.figures(group, opening, closing, moved)
        if start is not None:
            found[group] |= _within(opening, closing, moved, money, until)
    return found


class Asides:
    """What the events say beside revenue, in one currency, by group."""

    def __init__(self, events: list[Event], asked: InAny, money: Money, start: int | None, until: int) -> None:
        self.months = months_between(until if start is None else start, until)
        self.asked = asked
        self.is_window = start is not None
        self.off, self.invested = _taken_off(events, asked, start, until, money)
        self.contracts: dict[str, list[tuple[Fraction, Fraction]]] = {}
        self.begun: dict[str, list[Fraction]] = {}
        self.answers = {} if start is None else asides.told(events, asked, start, until, _weighed(money, until))
        self.costs = {} if start is None else asides.costs(events, asked, start, until, money.of)
        for one in CURRENCIES:
            for group, values in terms.values(events, asked.alone(one), until).items():
                for each in values:
                    total, yearly = (money.of(amount, one, until - 1) for amount in each)
                    self.contracts.setdefault(group, []).append((total, yearly))
            begun = {} if start is None else terms.begun(events, asked.alone(one), start, until)
            for group, signed in begun.items():
                self.begun.setdefault(group, []).extend(money.of(each, one, until - 1) for each in signed)

    @property
    def groups(self) -> set[str]:
        """Those of which anything is said."""
        spent = {group for group, kinds in self.costs.items() if any(kinds.values())}
        return {*self.off, *self.invested, *self.contracts, *self.begun, *self.answers, *spent}

    def figures(
        self, group: str, opening: dict[str, Fraction], closing: dict[str, Fraction], moved: list[Movement]
    ) -> dict[str, Value]:
        """The figures of one group."""
        contracts, new = self.contracts.get(group, []), self.begun.get(group, [])
        found = {"discounts_minor": mrr_minor(self.off.get(group, 0)), **valued(contracts)}
        if not self.is_window:
            return found
        costs = self.costs.get(group, asides.UNSPENT)
        spent = costs if asides.are_named(self.asked) else None
        found |= spending(costs)
        found |= said(self.answers.get(group, Told([], [], [])))
        found |= economics(opening, closing, moved, spent, self.months)
        found |= invested_in(self.invested.get(group, Fraction(0)), moved, spent)
        found["acv_signed_minor"] = half_up(sum(new, Fraction(0)) / len(new)) if new else None
        found["acv_to_cac"] = acv_to_cac(contracts, moved, spent)
        return found


def _weighed(money: Money, until: int) -> Weighed:
    """An answer weighs what the account is worth in all currencies, at the rates as the window ends."""
    return lambda cell, amount: (cell, money.of(amount, cell.currency, until - 1))


def _taken_off(
    events: list[Event], asked: InAny, start: int | None, until: int, money: Money
) -> tuple[dict[str, Fraction], dict[str, Fraction]]:
    """What discounts take off as a day begins, at the rate of the day before, and over each day, at that of it."""
    levels: dict[str, Fraction] = {}
    spent: dict[str, Fraction] = {}
    cuts = [until] if start is None else sorted({start, until, *(day for day in money.days if start < day < until)})
    for currency in CURRENCIES:
        for group, amount in discounts.taken_off(events, asked.alone(currency), None, until)[0].items():
            levels[group] = levels.get(group, Fraction(0)) + money.of(amount, currency, until - 1)
        for first, end in pairwise(cuts):
            for group, worth in discounts.taken_off(events, asked.alone(currency), first, end)[1].items():
                spent[group] = spent.get(group, Fraction(0)) + money.of(worth, currency, first)
    return levels, spent


def _levels(events: list[Event], asked: InAny, day: int, money: Money) -> dict[str, dict[str, Fraction]]:
    """What each account of each group is worth as a day begins."""
    found: dict[str, dict[str, Fraction]] = {}
    for currency in CURRENCIES:
        for group, accounts in held(events, day, Asked(currency, asked.by, asked.where)).items():
            own = found.setdefault(group, {})
            for account, amount in accounts.items():
                own[account] = own.get(account, Fraction(0)) + money.of(amount, currency, day - 1)
    return found


def _committed(
    agreed: dict[tuple[str, Cell], int], asked: InAny, day: int, money: Money
) -> dict[str, Fraction]:
    """What is committed as a day begins, by group."""
    sums: dict[tuple[str, str], int] = {}
    for (account, cell), amount in agreed.items():
        group = asked.group(account, cell)
        if group is not None:
            sums[group, cell.currency] = sums.get((group, cell.currency), 0) + amount
    found: dict[str, Fraction] = {}
    for (group, currency), amount in sums.items():
        found[group] = found.get(group, Fraction(0)) + money.of(amount, currency, day - 1)
    return found


def _sum(moved: list[Movement], money: Money, until: int) -> Fraction:
    """Movements at the rates of the end, each kind and currency in one."""
    sums: dict[tuple[str, str], int] = {}
    for one in moved:
        sums[one.movement, one.currency] = sums.get((one.movement, one.currency), 0) + one.amount_e4
    parts = [money.of(amount, currency, until - 1) for (_, currency), amount in sums.items()]
    return sum(parts, Fraction(0))


def _within(
    opening: dict[str, Fraction], closing: dict[str, Fraction], moved: list[Movement], money: Money, until: int
) -> dict[str, Value]:
    sums = {name: _sum([one for one in moved if one.movement == name], money, until) for name in MOVEMENTS}
    level = sum(opening.values(), Fraction(0))
    lost = -(sums["churn"] + sums["contraction"])
    won = account_days([one for one in moved if one.movement == "new"])
    net = sum((closing.get(account, Fraction(0)) for account in opening), Fraction(0))
    gross = sum((min(amount, closing.get(name, Fraction(0))) for name, amount in opening.items()), Fraction(0))
    return {
        "asp_minor": mrr_minor(sums["new"] / won) if won else None,
        "nrr": ratio_text(net, level),
        "grr": ratio_text(gross, level),
        "customer_churn_rate": ratio_text(len(opening.keys() - closing.keys()), len(opening)),
        "gross_mrr_churn_rate": ratio_text(lost, level),
        "net_mrr_churn_rate": ratio_text(lost - sums["expansion"] - sums["reactivation"], level),
        "quick_ratio": ratio_text(sums["new"] + sums["reactivation"] + sums["expansion"], lost),
    }
