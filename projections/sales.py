"""Sales: what was sold by seller, campaign, channel or season, what became of it, and the same a year before."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import accumulate, pairwise
from operator import itemgetter
from typing import ClassVar, Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from events.days import MONTH_PARTS, month_parts, text_of_day
from events.facts import Fact, Pairs
from events.money import MRR_DIVISOR, Exact, mrr_minor, ratio_text, round_half_up
from events.movements import Movement
from events.notes import AnyNote, Cost
from events.stated import spans_of
from events.timeline import Cell
from projections.columns import Column, Row, columns
from projections.costs import COST_NAMES, costs_of
from projections.groups import Group, GroupsOf, selected_groups, value_of
from projections.periods import Every, PeriodError, bounds_of, first_day_of_period, next_period, period_name
from projections.portfolio import year_before
from projections.satisfaction import Item
from projections.terms import Held, as_signed, by_contract, first_day_with_revenue, held_on, values_of_contract

SOLD_BY: Final = ("campaign", "channel", "owner")
"""The labels of a contract that say who or what won it."""
BEFORE: Final = "before_"
"""What the columns of a year before begin with."""
SEASONS_MAX: Final = 400
"""How many seasons are told at a time: each is counted for every account."""
_SIDE: Final = columns(
    new_mrr_minor="minor",
    new_accounts="count",
    acv_signed_minor="minor",
    discount_share="ratio",
    nrr="ratio",
    cac_minor="minor",
)


class Sales(Struct, frozen=True):
    """A table of what was sold in a window: a row for each value of `by`, or for each period of the window."""

    name: str
    definition: str
    by: str | None = None
    every: tuple[Every, ...] = ()
    is_window: ClassVar[bool] = True
    is_whole: ClassVar[bool] = False

    @property
    def columns(self) -> tuple[Column, ...]:
        """What a row is about, and each number with that of a year before beside it."""
        sides = [side for one in _SIDE for side in (one, Column(BEFORE + one.name, one.unit))]
        return (Column(self.by or "period", "text"), *sides)

    @property
    def names(self) -> tuple[str, ...]:
        """What it is told by anyway."""
        return () if self.by is None else (self.by,)


Told = tuple[str, Iterable[Item], Sequence[AnyNote]]
"""An account, the sums of what was posted to it, and its notes."""
FactsOf = Callable[[str], Sequence[Fact]]
"""Account -> its facts, their lines worth what discounts take off; asked for accounts that signed something alone."""


class Sources(Struct, frozen=True):
    """What sales are worked out from: all accounts and the book, looked at once.

    `off`: of all discounts; `deducted`: of those that the level is counted without, None where that is all of them.
    """

    told: Iterable[Told]
    off: FactsOf = lambda _: ()
    deducted: FactsOf | None = None


class AskedSales(Struct, frozen=True):
    """What is asked: sales in one currency of `[start, until)`, of what fits `where`, by another name or none."""

    currency: str
    start: int
    until: int
    every: Every = "quarter"
    by: str | None = None
    where: Mapping[str, str] = {}


class Sold(Struct):
    """What a group sold in a window; levels in annual_e4, values of contracts over their terms in minor units.

    `off`, and of that what is `deducted` from the value, are what discounts take off the contracts signed. `opening`
    and `closing` are those of the accounts with revenue at the start, from contracts that the group won. `spent` is
    what was spent on winning accounts in the name of the group.
    """

    new: int = 0
    accounts: int = 0
    contracts: int = 0
    value: Fraction = Fraction(0)
    yearly: Fraction = Fraction(0)
    off: Fraction = Fraction(0)
    deducted: Fraction = Fraction(0)
    opening: int = 0
    closing: int = 0
    spent: Exact = 0

    @property
    def is_nothing(self) -> bool:
        """Whether there is nothing to tell."""
        return not (self.new or self.accounts or self.contracts or self.opening or self.spent)

    def told(self) -> Row:
        """The numbers of a row; a ratio of nothing is None."""
        return {
            "new_mrr_minor": mrr_minor(self.new),
            "new_accounts": self.accounts,
            "acv_signed_minor": round_half_up(self.yearly, self.contracts) if self.contracts else None,
            "discount_share": ratio_text(self.off, self.value + self.deducted),
            "nrr": ratio_text(self.closing, self.opening),
            "cac_minor": round_half_up(self.spent, self.accounts) if self.spent and self.accounts else None,
        }


NOTHING: Final = Sold()
"""What a group that sold nothing is compared with."""


def sales_rows(table: Sales, sources: Sources, asked: AskedSales) -> dict[str, list[Row]]:
    """The rows of each value that is asked for by, in order; the empty value stands for the whole, or for none.

    Raises PeriodError for more seasons than are told.
    """
    spans = [(asked.start, asked.until)] if table.by is not None else _periods(asked)
    windows = _Windows(table, sources, asked, [side for span in spans for side in _sides(*span)])
    return _seasons(windows, spans, asked) if table.by is None else _sellers(windows, table.by, asked)


def _periods(asked: AskedSales) -> list[tuple[int, int]]:
    """Every period of the window, the latest first; raises PeriodError."""
    bounds = bounds_of(asked.start, asked.until, asked.every)
    if len(bounds) > SEASONS_MAX + 1:
        raise PeriodError(f"more than {SEASONS_MAX} seasons: ask for a shorter window or longer periods")
    return [*pairwise(bounds)][::-1]


def whole_periods(start: int, until: int, every: Every) -> tuple[int, int]:
    """A window widened to whole periods."""
    return first_day_of_period(start, every), next_period(first_day_of_period(until - 1, every), every)


def _sellers(windows: "_Windows", by: str, asked: AskedSales) -> dict[str, list[Row]]:
    """Whoever sold or had sold anything in the window or a year before, the most new revenue first."""
    now, then = (windows.sold(start, until) for start, until in _sides(asked.start, asked.until))
    found: dict[str, list[tuple[int, int, str]]] = {}
    for place in {**now, **then}:
        own, before = now.get(place, NOTHING), then.get(place, NOTHING)
        if not (own.is_nothing and before.is_nothing):
            found.setdefault(place.group, []).append((-own.new, -before.new, place.value))
    return {
        group: [
            {by: value or None, **_row(now.get(place, NOTHING), then.get(place, NOTHING))}
            for _, _, value in sorted(ranked)
            for place in [_Place(group, value)]
        ]
        for group, ranked in found.items()
    }


def _seasons(windows: "_Windows", spans: Sequence[tuple[int, int]], asked: AskedSales) -> dict[str, list[Row]]:
    """The periods in their order."""
    sides = [[windows.sold(*side) for side in _sides(*span)] for span in spans]
    groups = {place.group for pair in sides for side in pair for place, own in side.items() if not own.is_nothing}
    return {
        group: [
            {"period": _name(*span, asked.every), **_row(*[side.get(_Place(group), NOTHING) for side in pair])}
            for span, pair in zip(spans, sides, strict=True)
        ]
        for group in (groups if asked.by else [""])
    }


def _sides(start: int, until: int) -> list[tuple[int, int]]:
    """A window, and the same a year before."""
    return [(start, until), (year_before(start), year_before(until))]


def _row(now: Sold, before: Sold) -> Row:
    """Both sides of a row, each number with that of a year before beside it."""
    earlier = before.told()
    sides = ((one, BEFORE + one, own) for one, own in now.told().items())
    return {name: value for one, then, own in sides for name, value in ((one, own), (then, earlier[one]))}


def _name(start: int, until: int, every: Every) -> str:
    first = first_day_of_period(start, every)
    is_whole = (start, until) == (first, next_period(first, every))
    return period_name(start, every) if is_whole else f"{text_of_day(start)}..{text_of_day(until)}"


class _Place(NamedTuple):
    """Where something counts: under a value that is asked for by, and under one that the table is told by."""

    group: str
    value: str = ""

    @property
    def text(self) -> str:
        """As the value of a group."""
        return f"{len(self.group)}:{self.group}{self.value}"


def _place_of_text(text: str) -> _Place:
    length, _, both = text.partition(":")
    return _Place(both[: int(length)], both[int(length) :])


class _Windows:
    """What was sold in each of some windows, worked out while all accounts are looked at once."""

    def __init__(self, table: Sales, sources: Sources, asked: AskedSales, windows: Iterable[tuple[int, int]]) -> None:
        self._by = table.by
        self._currency = asked.currency
        self._groups_of = _groups_of(table.by, asked)
        self._off_of, self._deducted_of = sources.off, sources.deducted
        self._sold: dict[tuple[int, int], dict[str, Sold]] = {window: {} for window in windows}
        costly: list[tuple[str, Sequence[AnyNote]]] = []
        for told in sources.told:
            self._take(told)
            if costs := [one for one in told[2] if type(one) is Cost]:
                costly.append((told[0], costs))
        if {*asked.where, *([asked.by] if asked.by else []), *table.names} <= COST_NAMES:
            for (start, until), found in self._sold.items():
                self._count_costs(found, costly, start, until)

    def sold(self, start: int, until: int) -> dict[_Place, Sold]:
        """What was sold in a window, by place."""
        return {_place_of_text(text): sold for text, sold in self._sold[start, until].items()}

    def _take(self, told: Told) -> None:
        """Counts an account in, its contracts as who won them has them."""
        name, items, notes = told
        moves: dict[str, list[tuple[int, Movement, int]]] = {}
        for _, told_of in by_contract(items, self._currency, ahead=True):
            posted, first = [one for one in told_of if one[0][1] != "ahead"], first_day_with_revenue(told_of)
            if first is not None:
                posted = _as_won(posted, first)
                for (start, until), found in self._sold.items():
                    if start <= first < until:
                        signed = _as_won(as_signed(told_of, first), first)
                        self._count_signed(found, (name, posted, notes), first, signed)
            places: dict[Cell, list[str]] = {}
            for (day, movement, cell, _), amount in posted:
                if cell not in places:
                    places[cell] = [place for _, place in self._groups_of(name, cell)]
                for place in places[cell]:
                    moves.setdefault(place, []).append((day, movement, amount))
        for place, moved in moves.items():
            self._count_moves(place, moved)

    def _count_moves(self, place: str, moved: list[tuple[int, Movement, int]]) -> None:
        """New revenue of each window, the account with it, and what it had at the start, as the window ends."""
        moved.sort(key=itemgetter(0))
        days = [day for day, _, _ in moved]
        levels = [0, *accumulate(amount for _, _, amount in moved)]
        new: dict[int, int] = {}
        for day, movement, amount in moved:
            if movement == "new":
                new[day] = new.get(day, 0) + amount
        for (start, until), found in self._sold.items():
            if days[0] < until:
                opening = levels[bisect_left(days, start)]
                if opening > 0:
                    sold = found.setdefault(place, Sold())
                    sold.opening += opening
                    sold.closing += levels[bisect_left(days, until)]
                for day, amount in new.items():
                    if start <= day < until and amount:
                        sold = found.setdefault(place, Sold())
                        sold.new += amount
                        sold.accounts += 1

    def _count_signed(
        self, found: dict[str, Sold], told: tuple[str, list[Item], Sequence[AnyNote]], first: int, signed: list[Item]
    ) -> None:
        """What a contract is worth as it was signed and as it went, with the labels of its first day, and discounts."""
        account, posted, notes = told
        for held in held_on(account, posted, notes, self._currency, first + 1):
            for place, value in values_of_contract(replace(held, items=signed), self._groups_of).items():
                sold = found.setdefault(place, Sold())
                sold.contracts += 1
                sold.yearly += value * Fraction(12 * MONTH_PARTS, held.term.parts)
            values = values_of_contract(held, self._groups_of)
            off = deducted = self._off(self._off_of(account), held) if values else {}
            if self._deducted_of is not None and off:
                deducted = self._off(self._deducted_of(account), held)
            for place, value in values.items():
                sold = found.setdefault(place, Sold())
                sold.value += value
                sold.off += off.get(place, 0)
                sold.deducted += deducted.get(place, 0)

    def _off(self, facts: Sequence[Fact], held: Held) -> dict[str, Fraction]:
        """What discounts take off a contract over its term, in minor units, by place."""
        parts: dict[str, int] = {}
        for first, end, level in spans_of(facts) if facts else ():
            first_within, end_within = max(first, held.term.start), min(end, held.term.end)
            if first_within < end_within:
                lasts = month_parts(held.term.start, end_within) - month_parts(held.term.start, first_within)
                for cell, amount in level.items():
                    if (cell.contract, cell.currency) == (held.contract, self._currency):
                        for _, place in self._groups_of(held.account, replace(cell, labels=held.labels)):
                            parts[place] = parts.get(place, 0) + amount * lasts
        return {place: Fraction(part, MRR_DIVISOR * MONTH_PARTS) for place, part in parts.items()}

    def _count_costs(
        self, found: dict[str, Sold], noted: Sequence[tuple[str, Sequence[AnyNote]]], start: int, until: int
    ) -> None:
        """What was spent in the name of whoever sold; or of nobody, beside what nobody sold, if anything."""
        for place, costs in costs_of(noted, self._currency, start, until, self._groups_of).items():
            if costs.acquisition and (self._by is None or place in found or _place_of_text(place).value):
                found.setdefault(place, Sold()).spent = costs.acquisition


def _groups_of(name: str | None, asked: AskedSales) -> GroupsOf:
    """The place of a cell that fits a question."""
    fitting = selected_groups(None, asked.where)

    def groups(account: str, cell: Cell) -> tuple[Group, ...]:
        if not fitting(account, cell):
            return ()
        values = ["" if one is None else value_of(one, account, cell) for one in (asked.by, name)]
        return (("", _Place(*values).text),)

    return groups


def _as_won(posted: list[Item], first: int) -> list[Item]:
    """What was posted to a contract, as if it had stayed with whom it had on its first day with revenue."""
    labels = next((cell.labels for (day, _, cell, _), amount in posted if day == first and amount > 0), ())
    seller = tuple([pair for pair in labels if pair[0] in SOLD_BY])
    won = {cell: _sold_by(cell, seller) for cell in {cell for (_, _, cell, _), _ in posted}}
    return [((day, movement, won[cell], cause), amount) for (day, movement, cell, cause), amount in posted]


def _sold_by(cell: Cell, seller: Pairs) -> Cell:
    """A cell as it were, had whoever won its contract kept it."""
    others = [pair for pair in cell.labels if pair[0] not in SOLD_BY]
    labels = tuple(sorted((*others, *seller)))
    return cell if labels == cell.labels else replace(cell, labels=labels)


def _told_by(name: str, by: str) -> Sales:
    return Sales(
        name,
        f"What each {by} sold in a window, beside the same a year before. A contract stays with the {by} of its first"
        " day with revenue, whoever has it now.",
        by,
    )


SELLERS: Final = _told_by("sellers", "owner")
CAMPAIGNS: Final = _told_by("campaigns", "campaign")
CHANNELS: Final = _told_by("channels", "channel")
SEASONS: Final = Sales(
    "seasons",
    "What was sold in each quarter, beside the same quarter a year before.",
    every=("quarter", "month", "year"),
)
