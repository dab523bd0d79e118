"""Terms: which term a contract is in on a day, and what it is worth over the whole of it."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from operator import itemgetter
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from events.days import LAST_DAY, MONTH_PARTS, day_months_later, month_parts, whole_months
from events.facts import Pairs
from events.money import MRR_DIVISOR
from events.notes import Agreed, AnyNote
from projections.groups import GroupsOf
from projections.satisfaction import Item
from projections.worth import Worth, as_it_is, worth_on

OPEN_MONTHS: Final = 12
"""The term of a contract without an end: each of its years."""


class Term(Struct, frozen=True):
    """The days `[start, end)`; `is_open`: a year of a contract that has no end."""

    start: int
    end: int
    renews: bool
    is_open: bool

    @property
    def parts(self) -> int:
        """How long it is, in MONTH_PARTS."""
        return month_parts(self.start, self.end)


class Held(Struct, frozen=True):
    """A contract with revenue as a day begins: its term, its labels, what was posted to it, and its level."""

    account: str
    contract: str
    term: Term
    labels: Pairs
    items: list[Item]
    level: int

    @property
    def currency(self) -> str:
        """The one it is agreed in."""
        (_, _, cell, _), _ = self.items[0]
        return cell.currency


class Values(Struct, frozen=True):
    """Sums over contracts in minor units: over their terms, and per year of them."""

    contracts: int = 0
    total: Fraction = Fraction(0)
    yearly: Fraction = Fraction(0)

    def plus(self, other: "Values") -> "Values":
        """Sums over these contracts and others."""
        return Values(self.contracts + other.contracts, self.total + other.total, self.yearly + other.yearly)


NONE: Final = Values()
"""Where no contract has revenue."""


def held_on(
    account: str, items: Iterable[Item], notes: Iterable[AnyNote], currency: str | None, day: int
) -> list[Held]:
    """The contracts of an account that have revenue as a day begins, in order of their names; None: in any currency."""
    agreed = [note for note in notes if type(note) is Agreed and note.day < day]
    held: list[Held] = []
    for contract, own in by_contract(items, currency):
        labels, level = _labels_and_level(own, day)
        if level > 0:
            last = _last([note for note in agreed if note.contract == contract])
            first = min(at for (at, _, _, _), amount in own if amount > 0)
            has_end = any(name == "term_months" for name, _ in labels)
            term = _running(last, day - 1) if has_end and last is not None else _year(first, day - 1)
            held.append(Held(account, contract, term, labels, own, level))
    return held


def _begun_within(
    account: str, items: Iterable[Item], notes: Sequence[AnyNote], currency: str | None, start: int, until: int
) -> list[Held]:
    """The contracts of an account whose first day with revenue lies in `[start, until)`, as they are signed then."""
    held: list[Held] = []
    for _, posted in by_contract(items, currency, ahead=True):
        first = first_day_with_revenue(posted)
        if first is not None and start <= first < until:
            held += held_on(account, as_signed(posted, first), notes, currency, first + 1)
    return held


def first_day_with_revenue(posted: Iterable[Item]) -> int | None:
    """The first day on which a contract has revenue, None if it never does."""
    rises = (day for (day, movement, _, _), amount in posted if movement != "ahead" and amount > 0)
    return min(rises, default=None)


def as_signed(posted: Sequence[Item], first: int) -> list[Item]:
    """What was posted to a contract, until something that happened after its first day changes what it leads to.

    What happens on a day is what is posted to it, with what lies `ahead`: steps that were agreed before cancel out. The
    first thing to happen is the signing, be it told of later than it is effective.
    """
    happened: dict[int, int] = {}
    for (day, _, _, _), amount in posted:
        happened[day] = happened.get(day, 0) + amount
    _, *later = sorted(day for day, amount in happened.items() if amount) or [first]
    changed = next((day for day in later if day > first), LAST_DAY + 1)
    return [item for item in posted if item[0][1] != "ahead" and item[0][0] < changed]


def by_contract(
    items: Iterable[Item], currency: str | None, *, ahead: bool = False
) -> list[tuple[str, list[Item]]]:
    """What was posted to each contract in a currency, or in each of any, in order of their names.

    `ahead`: with what lies ahead.
    """
    posted: dict[tuple[str, str], list[Item]] = {}
    for item in items:
        (_, movement, cell, _), _ = item
        if (ahead or movement != "ahead") and currency in (None, cell.currency):
            posted.setdefault((cell.contract, cell.currency), []).append(item)
    return [(contract, own) for (contract, _), own in sorted(posted.items(), key=itemgetter(0))]


def values_of(
    accounts: Iterable[tuple[str, Iterable[Item], Sequence[AnyNote]]],
    currency: str | None,
    day: int,
    groups_of: GroupsOf,
    worth: Worth = as_it_is,
) -> dict[str, Values]:
    """The values of contracts with revenue as a day begins, by group; a contract has the labels it has by then.

    Those in one currency; None: those in any, by what each is worth as the day begins.
    """
    return _summed((one for told in accounts for one in held_on(*told, currency, day)), groups_of, worth, day)


def values_begun(
    accounts: Iterable[tuple[str, Iterable[Item], Sequence[AnyNote]]],
    currency: str | None,
    bounds: tuple[int, int],
    groups_of: GroupsOf,
    worth: Worth = as_it_is,
) -> dict[str, Values]:
    """The values of contracts whose first day with revenue lies in a window, as they are signed, with the labels then.

    Those in one currency; None: those in any, by what each is worth as the window ends.
    """
    begun = (one for told in accounts for one in _begun_within(*told, currency, *bounds))
    return _summed(begun, groups_of, worth, bounds[1])


def _summed(contracts: Iterable[Held], groups_of: GroupsOf, worth: Worth, day: int) -> dict[str, Values]:
    found: dict[str, Values] = {}
    for held in contracts:
        for value, own in values_of_contract(held, groups_of).items():
            total = Fraction(worth_on(worth, held.currency, day - 1, own))
            so_far = found.get(value, NONE)
            yearly = total * Fraction(12 * MONTH_PARTS, held.term.parts)
            found[value] = Values(so_far.contracts + 1, so_far.total + total, so_far.yearly + yearly)
    return found


def values_of_contract(held: Held, groups_of: GroupsOf) -> Mapping[str, Fraction]:
    """What a contract is worth over its term, in minor units, by group; groups that have no part are left out."""
    sums: dict[str, int] = {}
    start, end = held.term.start, held.term.end
    for (day, _, cell, _), amount in held.items:
        if day < end:
            parts = held.term.parts - (month_parts(start, day) if day > start else 0)
            for _, value in groups_of(held.account, replace(cell, labels=held.labels)):
                sums[value] = sums.get(value, 0) + amount * parts
    return {value: Fraction(total, MRR_DIVISOR * MONTH_PARTS) for value, total in sums.items() if total > 0}


def _labels_and_level(items: Iterable[Item], day: int) -> tuple[Pairs, int]:
    """Those labels that most of the revenue has, and all of it; as a rule there is none with others."""
    levels: dict[Pairs, int] = {}
    for (at, _, cell, _), amount in items:
        if at < day:
            levels[cell.labels] = levels.get(cell.labels, 0) + amount
    standing = sorted([(-level, labels) for labels, level in levels.items() if level > 0])
    return (standing[0][1], -sum(level for level, _ in standing)) if standing else ((), 0)


def _last(agreed: Sequence[Agreed]) -> Agreed | None:
    """The term agreed last, by day, then time, then arrival."""
    last: Agreed | None = None
    for note in agreed:
        if last is None or (last.day, last.moment) <= (note.day, note.moment):
            last = note
    return last


def _running(agreed: Agreed, day: int) -> Term:
    """The term a day is in; one that renews itself begins again, as long as it was, when it ends."""
    start, end = agreed.start, agreed.end
    if day < end or not agreed.auto_renew:
        return Term(start, end, agreed.auto_renew, is_open=False)
    months, rest = divmod(month_parts(start, end), MONTH_PARTS)
    if months and not rest:
        times = whole_months(start, day) // months
        while day_months_later(start, months * (times + 1)) <= day:
            times += 1
        first, following = (day_months_later(start, months * count) for count in (times, times + 1))
        return Term(first, following, renews=True, is_open=False)
    days = max(1, end - start)
    begun = start + (day - start) // days * days
    return Term(begun, begun + days, renews=True, is_open=False)


def _year(first: int, day: int) -> Term:
    """The year, counted from its first day, that a contract without an end is in."""
    years = whole_months(first, day) // OPEN_MONTHS
    while day_months_later(first, OPEN_MONTHS * (years + 1)) <= day:
        years += 1
    start, end = (day_months_later(first, OPEN_MONTHS * count) for count in (years, years + 1))
    return Term(start, end, renews=True, is_open=True)
