"""Conversion: the sums of several currencies in one, exact until they are rounded for a reader."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Final, Literal

from msgspec import Struct

from events.money import MRR_DIVISOR, Exact, mrr_minor
from events.movements import BRIDGE_MOVEMENTS
from events.timeline import Cell
from projections.basis import Basis, Details
from projections.bridge import BridgeRow, bridge_rows
from projections.buckets import Buckets
from projections.groups import GroupsOf
from projections.rates import NoRate, Rate, Rates
from projections.records import Key
from projections.retention import Held
from projections.tally import COUNTS
from projections.worth import Part

Convert = Literal["closing", "constant"]
"""`closing`: each period at the rates in force as it ends, and what is spent on a day at those of that day; `constant`:
all at those in force as the last period ends."""


class NoRates(Exception):
    """Rates that are needed are missing, in order of day and currency."""

    def __init__(self, missing: Sequence[NoRate]) -> None:
        super().__init__("; ".join(map(str, missing)))
        self.missing = missing


class _Known(Struct, frozen=True):
    """What was looked up by day and currency; `last` is the day whose rates are those of all."""

    last: int
    factors: dict[tuple[int, str], Fraction]
    missing: dict[tuple[int, str], NoRate]
    used: dict[tuple[int, str], Rate]


class Converter:
    """Converts to one currency at the bounds of a question; nothing it gave counts before `require` has passed.

    At a bound are in force the rates of the day before it: a level "at D" is that of the end of the day before.
    """

    def __init__(
        self, rates: Rates, currency: str, how: Convert, bounds: Sequence[int], known: _Known | None = None
    ) -> None:
        self._rates = rates
        self._bounds = bounds
        self._known = known or _Known(bounds[-1] - 1, {}, {}, {})
        self.currency: Final = currency
        self.how: Final = how

    def beside(self, bounds: Sequence[int]) -> "Converter":
        """The same at the bounds of another window, under `constant` by the same rates; both need what either does."""
        return Converter(self._rates, self.currency, self.how, bounds, self._known)

    @property
    def used(self) -> Mapping[tuple[int, str], Rate]:
        """The rates that were needed, by the day they were in force on and the currency they were needed for."""
        return self._known.used

    def factor(self, currency: str, place: int) -> Exact:
        """What a minor unit of a currency is worth at a bound; nothing where a rate is missing, see `require`."""
        if currency == self.currency:
            return 1
        return self._factor_on(self._bounds[place] - 1, currency)

    def over(self, currency: str, start: int, until: int, part: Part) -> Exact:
        """What an amount of some days is worth: under `closing` each day's at the rate of that day; see `Worth`."""
        if currency == self.currency:
            return part(start, until)
        closing = self.how == "closing"
        changes = self._rates.changes(currency, self.currency, start, until) if closing else ()
        spans = [(part(*span), span[0]) for span in pairwise((start, *changes, until))]
        return sum(amount * self._factor_on(first, currency) for amount, first in spans if amount)

    def _factor_on(self, day: int, currency: str) -> Fraction:
        """What a minor unit is worth on a day; under `constant` on whatever day."""
        key = (day if self.how == "closing" else self._known.last, currency)
        factor = self._known.factors.get(key)
        if factor is None:
            factor = self._known.factors[key] = self._looked_up(*key)
        return factor

    def _looked_up(self, day: int, currency: str) -> Fraction:
        try:
            rate = self._known.used[day, currency] = self._rates.in_force(currency, self.currency, day)
        except NoRate as missing:
            self._known.missing[day, currency] = missing
            return Fraction(0)
        return rate.factor(currency)

    def require(self) -> None:
        """Raises NoRates if any rate that was needed is missing."""
        if self._known.missing:
            raise NoRates([self._known.missing[key] for key in sorted(self._known.missing)])

    def total(self, amounts: Iterable[tuple[str, Exact]], place: int) -> Exact:
        """The sum of amounts of several currencies at a bound; of nothing no rate is needed."""
        return sum(amount * self.factor(currency, place) for currency, amount in amounts if amount)


class ConvertedRow(Struct, frozen=True):
    """One period `[start, until)` of a converted bridge: exact annual_e4 by movement, with fx, and accounts.

    Movements are at the rates of the end; `fx` is what the change of rates made of the opening.
    """

    start: int
    until: int
    exact: dict[str, Exact]
    accounts: dict[str, int]

    @property
    def mrr_minor(self) -> dict[str, int]:
        """The same in minor units a month, adding up as they stand.

        Each is rounded half up. What that leaves of the sum goes to fx or, where no rate changed, to those
        movements that rounding has moved furthest, by one minor unit each.
        """
        minor = {name: mrr_minor(amount) for name, amount in self.exact.items()}
        rest = minor["closing"] - sum(minor[name] for name in minor if name != "closing")
        if self.exact["fx"]:
            minor["fx"] += rest
            return minor
        step = 1 if rest > 0 else -1
        for name in self._furthest(minor, step)[: abs(rest)]:
            minor[name] += step
        return minor

    def _furthest(self, minor: Mapping[str, int], step: int) -> list[str]:
        """The movements by how far rounding has moved them against a step, the furthest first."""
        moved = {name: (minor[name] * MRR_DIVISOR - self.exact[name]) * step for name in BRIDGE_MOVEMENTS}
        return sorted((name for name in moved if self.exact[name]), key=lambda name: moved[name])


def converted_bridge(bounds: Sequence[int], parts: Mapping[str, Buckets], converter: Converter) -> list[ConvertedRow]:
    """The bridge of one group from its sums by currency.

    Opening, movements and fx add up to closing exactly, and a period opens as the one before it closed.
    """
    rows_of = {currency: bridge_rows(bounds, buckets) for currency, buckets in parts.items()}
    return [
        _row({currency: rows[index] for currency, rows in rows_of.items()}, index, converter)
        for index in range(len(bounds) - 1)
    ]


def _row(rows: Mapping[str, BridgeRow], index: int, converter: Converter) -> ConvertedRow:
    def total(name: str, place: int) -> Exact:
        return converter.total(((currency, row.annual_e4[name]) for currency, row in rows.items()), place)

    opening, closing = total("opening", index), total("closing", index + 1)
    moved = {name: total(name, index + 1) for name in BRIDGE_MOVEMENTS}
    fx = closing - opening - sum(moved.values())
    some = next(iter(rows.values()))
    accounts = {name: sum(row.accounts[name] for row in rows.values()) for name in some.accounts}
    return ConvertedRow(some.start, some.until, {"opening": opening, **moved, "fx": fx, "closing": closing}, accounts)


class Sums(Mapping[str, Exact]):
    """Sums by kind of several currencies, converted at a bound when asked for: else no rate is needed."""

    def __init__(self, parts: Mapping[str, Mapping[str, Exact]], converter: Converter, place: int) -> None:
        self._parts = parts
        self._converter = converter
        self._place = place

    def __getitem__(self, kind: str) -> Exact:
        amounts = [(currency, sums[kind]) for currency, sums in self._parts.items() if kind in sums]
        if not amounts:
            raise KeyError(kind)
        return sum(count for _, count in amounts) if kind in COUNTS else self._converter.total(amounts, self._place)

    def __iter__(self) -> Iterator[str]:
        yield from dict.fromkeys(kind for sums in self._parts.values() for kind in sums)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def converted_basis(parts: Mapping[str, Basis], converter: Converter, details: Details, group: str) -> Basis:
    """What figures of one group are computed from, from that of each currency.

    The opening is at the rates of the first bound, all else at those of the last.
    """
    before = {currency: _level_first(basis) for currency, basis in parts.items()}
    return details.basis(
        group,
        Sums(before, converter, -1),
        Sums({currency: basis.after for currency, basis in parts.items()}, converter, -1),
        Sums({currency: basis.within for currency, basis in parts.items()}, converter, -1),
        Sums({currency: {"new": basis.opening} for currency, basis in parts.items()}, converter, 0),
    )


def _level_first(basis: Basis) -> dict[str, Exact]:
    """The sums before a day with all movements in one: of what came and went no rate is needed."""
    others = {kind: amount for kind, amount in basis.before.items() if kind not in BRIDGE_MOVEMENTS}
    return {"new": basis.level, **others}


class Holding(Struct, frozen=True):
    """What an account holds as the outer bounds of a question come; amounts stand on the days before them.

    In a converted one all amounts are in one currency, whatever those of the cells are.
    """

    changes: dict[Key, Exact]

    def items(self) -> Iterator[tuple[Key, Exact]]:
        """Amounts by day, movement, cell and no cause, as those of a record."""
        yield from self.changes.items()

    def levels_before(self, day: int) -> Iterator[tuple[Cell, Exact]]:
        """What the cells are worth as one of the bounds comes."""
        levels: dict[Cell, Exact] = {}
        for (at, _, cell, _), amount in self.changes.items():
            if at < day:
                levels[cell] = levels.get(cell, 0) + amount
        yield from levels.items()


def converted_record(
    account: str, record: Held, bounds: Sequence[int], groups_of: GroupsOf, converter: Converter
) -> Holding:
    """The cells of a record that count in any group, as far as levels at the outer bounds go."""
    start, end = bounds[0], bounds[-1]
    opening, closing = dict(record.levels_before(start)), dict(record.levels_before(end))
    changes: dict[Key, Exact] = {}
    for cell, level in closing.items():
        before = opening.get(cell, 0)
        if (before or level) and any(True for _ in groups_of(account, cell)):
            was = before * converter.factor(cell.currency, 0) if before else 0
            now = level * converter.factor(cell.currency, -1) if level else 0
            changes[start - 1, "new", cell, None] = was
            changes[end - 1, "transfer", cell, None] = now - was
    return Holding(changes)
