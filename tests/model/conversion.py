"""The model's conversion: rates read from the events, bridges and figures in one currency as exact fractions."""

from fractions import Fraction
from typing import NamedTuple

from tests.model.books import Cell, Movement, facts_in_force
from tests.model.days import Event, effective_day, moment
from tests.model.figures import MOVEMENTS, account_days, arr_minor, committed_cells, mrr_minor
from tests.model.reports import Asked, Books, Value, held, label, ratio_text

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
    later = _committed(books.events, one, until, money)
    groups = {*ahead, *within, *later, *(group for sums in levels.values() for group in sums)}
    groups |= {""} if asked.by is None else set()
    found: dict[str, dict[str, Value]] = {}
    for group in groups:
        closing = levels[until].get(group, {})
        level = Fraction(sum(closing.values()))
        falls = [p for p in ahead.get(group, []) if p.movement in ("churn", "contraction")]
        found[group] = {
            "mrr_minor": mrr_minor(level),
            "arr_minor": arr_minor(level),
            "committed_mrr_minor": mrr_minor(level + later.get(group, 0)),
            "scheduled_churn_minor": mrr_minor(_sum(falls, money, until)),
            "accounts": len(closing),
            "arpa_minor": mrr_minor(level / len(closing)) if closing else None,
            "share_top_1": ratio_text(max(closing.values(), default=Fraction(0)), level),
            "herfindahl": ratio_text(sum((one * one for one in closing.values()), Fraction(0)), level * level),
        }
        if start is not None:
            opening = levels[start].get(group, {})
            found[group] |= _within(opening, closing, within.get(group, []), money, until)
    return found


def _levels(events: list[Event], asked: InAny, day: int, money: Money) -> dict[str, dict[str, Fraction]]:
    """What each account of each group is worth as a day begins."""
    found: dict[str, dict[str, Fraction]] = {}
    for currency in CURRENCIES:
        for group, accounts in held(events, day, Asked(currency, asked.by, asked.where)).items():
            own = found.setdefault(group, {})
            for account, amount in accounts.items():
                own[account] = own.get(account, Fraction(0)) + money.of(amount, currency, day - 1)
    return found


def _committed(events: list[Event], asked: InAny, day: int, money: Money) -> dict[str, Fraction]:
    """What is committed beyond the level as a day begins, by group."""
    sums: dict[tuple[str, str], int] = {}
    for (account, cell), amount in committed_cells(events, day).items():
        group = asked.group(account, cell)
        if group is not None:
            sums[group, cell.currency] = sums.get((group, cell.currency), 0) + amount
    for currency in CURRENCIES:
        for group, accounts in held(events, day, Asked(currency, asked.by, asked.where)).items():
            sums[group, currency] = sums.get((group, currency), 0) - sum(accounts.values())
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
