"""The model's answers to questions with groups and filters: bridges and all figures, as integers and texts.

Built on the model's levels and movements alone. Groups are the values of one name, "" for cells that have none;
a filter lets through the cells that have a value. Amounts in annual_e4 unless the name ends in `_minor`.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import NamedTuple

from tests.model import asides, discounts, terms
from tests.model.asides import Told
from tests.model.books import Cell, Movement, movements
from tests.model.days import Event, months_between
from tests.model.figures import (
    COUNTED,
    MOVEMENTS,
    account_days,
    arr_minor,
    committed_cells,
    group_of,
    half_up,
    levels_at,
    mrr_minor,
    periods,
)

Held = dict[str, dict[str, int]]
"""Group -> account -> what it is worth, above zero."""

Value = int | str | None
Exact = int | Fraction
RATIO_DIGITS = 8


class Asked(NamedTuple):
    """What is asked of the books: one currency, grouped by a name or not, of cells that fit a filter."""

    currency: str
    by: str | None = None
    where: tuple[tuple[str, str], ...] = ()

    def group(self, account: str, cell: Cell) -> str | None:
        """The group of a cell, None if it does not count."""
        fits = cell.currency == self.currency and all(
            (label(account, cell, name) or "") == value for name, value in self.where
        )
        if not fits:
            return None
        return "" if self.by is None else label(account, cell, self.by) or ""


class Period(NamedTuple):
    """One period of a bridge of one group."""

    start: int
    until: int
    amounts: dict[str, int]
    accounts: dict[str, int]


def label(account: str, cell: Cell, name: str) -> str | None:
    """The value of a cell under a name; a term of no whole month is no term."""
    value = group_of(account, cell, name)
    return None if name == "term_months" and value == "0" else value


def is_annual(cell: Cell) -> bool:
    """Whether a contract is agreed for twelve months or longer."""
    return int(dict(cell.dims).get("term_months", "0")) >= 12


def held(events: list[Event], day: int, asked: Asked) -> Held:
    """What each account is worth at the start of a day, by group."""
    cells = (
        (account, cell, amount) for account, level in levels_at(events, day).items() for cell, amount in level.items()
    )
    return _summed(cells, asked)


def _summed(cells: Iterable[tuple[str, Cell, int]], asked: Asked) -> Held:
    sums: Held = {}
    for account, cell, amount in cells:
        group = asked.group(account, cell)
        if group is not None:
            own = sums.setdefault(group, {})
            own[account] = own.get(account, 0) + amount
    return sums


class Books:
    """The movements of a list of events, worked out once and asked often."""

    def __init__(self, events: list[Event]) -> None:
        self.events = events
        self.movements = movements(events)

    def moved(self, asked: Asked, start: int, until: int) -> dict[str, list[Movement]]:
        """The movements of a window by group."""
        found: dict[str, list[Movement]] = {}
        for one in self.movements:
            group = asked.group(one.account, one.cell)
            if group is not None and start <= one.day < until:
                found.setdefault(group, []).append(one)
        return found

    def bridge(self, asked: Asked, start: int, until: int, every: str) -> dict[str, list[Period]]:
        """Every period of every group that holds or moves anything in the window; the whole is group ""."""
        cuts = periods(start, until, every)
        levels = [held(self.events, day, asked) for day in (start, *(end for _, end in cuts))]
        moved = [self.moved(asked, first, end) for first, end in cuts]
        groups = {group for sums in levels for group in sums} | {group for sums in moved for group in sums}
        groups |= {""} if asked.by is None else set()
        return {
            group: [
                _period(
                    cut, levels[index].get(group, {}), levels[index + 1].get(group, {}), moved[index].get(group, [])
                )
                for index, cut in enumerate(cuts)
            ]
            for group in groups
        }

    def figures(self, asked: Asked, start: int | None, until: int) -> dict[str, dict[str, Value]]:
        """All figures at a day (`start` None) or of a window, of every group with anything to tell."""
        closing = held(self.events, until, asked)
        opening = {} if start is None else held(self.events, start, asked)
        moved = {} if start is None else self.moved(asked, start, until)
        ahead = self.moved(asked, until, 10**9)
        agreed = [(name, cell, amount) for (name, cell), amount in committed_cells(self.events, until).items()]
        committed = _summed(agreed, asked)
        before = self.moved(asked, -(10**9), until)
        long = (one for one in agreed if is_annual(one[1]))
        annual = _summed(long, asked)
        answers = {} if start is None else asides.told(self.events, asked, start, until)
        costs = {} if start is None else asides.costs(self.events, asked, start, until)
        off, invested = discounts.taken_off(self.events, asked, start, until)
        begun = {} if start is None else terms.begun(self.events, asked, start, until)
        contracts = terms.values(self.events, asked, until)
        groups = {*closing, *answers, *costs, *off, *invested, *opening, *moved, *ahead, *committed, *contracts}
        groups |= before.keys()
        groups |= {""} if asked.by is None else set()
        found: dict[str, dict[str, Value]] = {}
        for group in groups:
            found[group] = _at(closing.get(group, {}), committed.get(group, {}), ahead.get(group, []))
            found[group]["discounts_minor"] = mrr_minor(off.get(group, 0))
            found[group] |= concentrated(closing.get(group, {}))
            found[group] |= lived(closing.get(group, {}), before.get(group, []), until)
            found[group] |= valued(contracts.get(group, []))
            found[group]["committed_arr_minor"] = arr_minor(sum(annual.get(group, {}).values()))
            if start is not None:
                found[group] |= _within(opening.get(group, {}), closing.get(group, {}), moved.get(group, []))
                found[group] |= said(answers.get(group, Told([], [], [])))
                found[group] |= spending(costs.get(group, asides.UNSPENT))
                spent = costs.get(group, asides.UNSPENT) if asides.are_named(asked) else None
                sides = opening.get(group, {}), closing.get(group, {})
                found[group] |= economics(*sides, moved.get(group, []), spent, months_between(start, until))
                new = begun.get(group, [])
                found[group]["acv_signed_minor"] = half_up(sum(new, Fraction(0)) / len(new)) if new else None
                found[group] |= invested_in(invested.get(group, Fraction(0)), moved.get(group, []), spent)
                found[group]["acv_to_cac"] = acv_to_cac(contracts.get(group, []), moved.get(group, []), spent)
        return found


def ratio_text(numerator: int | Fraction, denominator: int | Fraction) -> str | None:
    """A ratio to eight decimals, half up; None over zero."""
    if not denominator:
        return None
    scaled = half_up(Fraction(numerator) / Fraction(denominator) * 10**RATIO_DIGITS)
    whole, rest = divmod(abs(scaled), 10**RATIO_DIGITS)
    return f"{'-' if scaled < 0 else ''}{whole}.{rest:08}"


def _period(cut: tuple[int, int], opening: dict[str, int], closing: dict[str, int], moved: list[Movement]) -> Period:
    amounts = {name: sum(one.amount_e4 for one in moved if one.movement == name) for name in MOVEMENTS}
    counts = {column: account_days([one for one in moved if one.movement == name]) for name, column in COUNTED.items()}
    change = len(closing) - len(opening)
    transferred = change - counts["new"] - counts["reactivated"] + counts["churned"]
    return Period(
        *cut,
        {"opening": sum(opening.values()), **amounts, "closing": sum(closing.values())},
        {"opening": len(opening), **counts, "transferred": transferred, "closing": len(closing)},
    )


def _at(closing: dict[str, int], committed: dict[str, int], ahead: list[Movement]) -> dict[str, Value]:
    level, accounts = sum(closing.values()), len(closing)
    falls = sum(one.amount_e4 for one in ahead if one.movement in ("churn", "contraction"))
    return {
        "mrr_minor": mrr_minor(level),
        "arr_minor": arr_minor(level),
        "committed_mrr_minor": mrr_minor(sum(committed.values())),
        "scheduled_churn_minor": mrr_minor(falls),
        "accounts": accounts,
        "arpa_minor": mrr_minor(Fraction(level, accounts)) if accounts else None,
    }


def said(answers: Told) -> dict[str, Value]:
    """What people recommend, and whether they are content."""
    points = sum(band for band, _ in answers.bands)
    swing = sum((band * amount for band, amount in answers.bands), Fraction(0))
    weight = sum((amount for _, amount in answers.bands), Fraction(0))
    weighted = 100 * swing / weight if weight else Fraction(0)
    return {
        "nps": ratio_text(100 * points, len(answers.bands)),
        "nps_mrr_weighted": ratio_text(weighted.numerator, weighted.denominator) if weight else None,
        "csat": ratio_text(sum(answers.content), len(answers.content)),
        "fcr": ratio_text(sum(answers.resolved), len(answers.resolved)),
    }


def economics(
    opening: Mapping[str, Exact],
    closing: Mapping[str, Exact],
    moved: list[Movement],
    spent: Mapping[str, Exact] | None,
    months: Fraction,
) -> dict[str, Value]:
    """What an account costs and earns; the margin is all of it."""
    won = account_days([one for one in moved if one.movement == "new"])
    lost = len(opening.keys() - closing.keys())
    arpa = Fraction(sum(closing.values())) / (120_000 * len(closing)) if closing else None
    ltv = None if arpa is None or not lost else arpa / (Fraction(lost, len(opening)) / months)
    cac = Fraction(spent["acquisition"], won) if spent and spent["acquisition"] and won else None
    kept = spent["retention"] if spent and closing else 0
    crc = half_up(Fraction(kept, len(closing))) if kept else None
    return {
        "ltv_minor": None if ltv is None else half_up(ltv),
        "cac_minor": None if cac is None else half_up(cac),
        "ltv_to_cac": None if ltv is None or not cac else fraction_text(ltv / cac),
        "cac_payback_months": None if cac is None or arpa is None else fraction_text(cac / arpa),
        "crc_minor": crc,
    }


def spending(spent: Mapping[str, Exact]) -> dict[str, Value]:
    """What was spent, of each kind."""
    return {f"{kind}_cost_minor": half_up(Fraction(one)) for kind, one in spent.items()}


def lived(closing: Mapping[str, Exact], before: list[Movement], until: int) -> dict[str, Value]:
    """How long accounts have revenue: every month that one has some as it ends, over every time that one is lost."""
    ends = {until, *(end for _, end in periods(min((one.day for one in before), default=until - 1), until, "month"))}
    months = 0
    for end in ends:
        levels: dict[str, int] = {}
        for one in before:
            if one.day < end:
                levels[one.account] = levels.get(one.account, 0) + one.amount_e4
        months += sum(level > 0 for level in levels.values())
    lost = account_days([one for one in before if one.movement == "churn"])
    life = Fraction(months, lost) if lost else None
    arpa = Fraction(sum(closing.values())) / (120_000 * len(closing)) if closing else None
    return {
        "average_life_months": None if life is None else fraction_text(life),
        "ltv_by_life_minor": None if life is None or arpa is None else half_up(arpa * life),
    }


def valued(contracts: list[tuple[Fraction, Fraction]]) -> dict[str, Value]:
    """The average contract."""
    averages = [sum(one) / len(contracts) for one in zip(*contracts, strict=True)] or [None, None]
    tcv, acv = (None if one is None else half_up(one) for one in averages)
    return {"acv_minor": acv, "tcv_minor": tcv}


def invested_in(invested: Fraction, moved: list[Movement], spent: Mapping[str, Exact] | None) -> dict[str, Value]:
    """What discounts cost in a window, alone and with what winning an account cost."""
    won = account_days([one for one in moved if one.movement == "new"])
    cost = spent["acquisition"] + invested if spent else 0
    cac = Fraction(cost, won) if cost and won else None
    return {
        "discount_investment_minor": half_up(invested),
        "cac_with_discounts_minor": None if cac is None else half_up(cac),
    }


def acv_to_cac(
    contracts: list[tuple[Fraction, Fraction]], moved: list[Movement], spent: Mapping[str, Exact] | None
) -> Value:
    """A contract's year over what an account cost."""
    won = account_days([one for one in moved if one.movement == "new"])
    if spent is None or not won or not contracts or not spent["acquisition"]:
        return None
    acv = sum((yearly for _, yearly in contracts), Fraction(0)) / len(contracts)
    return fraction_text(acv / Fraction(spent["acquisition"], won))


def fraction_text(value: Fraction) -> str | None:
    """A fraction to eight decimals."""
    return ratio_text(value.numerator, value.denominator)


def concentrated(closing: Mapping[str, Exact]) -> dict[str, Value]:
    """What hangs on the largest accounts."""
    total, largest = sum(closing.values()), sorted(closing.values(), reverse=True)
    shares = [Fraction(amount) / total for amount in largest]
    index = sum((share * share for share in shares), Fraction(0))
    return {
        **{f"share_top_{count}": ratio_text(sum(largest[:count]), total) for count in (1, 3, 10)},
        "herfindahl": ratio_text(index.numerator, index.denominator) if total else None,
    }


def _within(opening: dict[str, int], closing: dict[str, int], moved: list[Movement]) -> dict[str, Value]:
    sums = {name: sum(one.amount_e4 for one in moved if one.movement == name) for name in MOVEMENTS}
    level = sum(opening.values())
    lost = -(sums["churn"] + sums["contraction"])
    won = account_days([one for one in moved if one.movement == "new"])
    return {
        "asp_minor": mrr_minor(Fraction(sums["new"], won)) if won else None,
        "nrr": ratio_text(sum(closing.get(account, 0) for account in opening), level),
        "grr": ratio_text(sum(min(amount, closing.get(name, 0)) for name, amount in opening.items()), level),
        "customer_churn_rate": ratio_text(len(opening.keys() - closing.keys()), len(opening)),
        "gross_mrr_churn_rate": ratio_text(lost, level),
        "net_mrr_churn_rate": ratio_text(lost - sums["expansion"] - sums["reactivation"], level),
        "quick_ratio": ratio_text(sums["new"] + sums["reactivation"] + sums["expansion"], lost),
    }
