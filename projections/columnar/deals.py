"""Deals: the contracts with revenue among all accounts in columns, the terms they are in, and what those are worth."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import numpy as np
from msgspec import Struct

from events.block import labels_of_raw
from events.days import MONTH_PARTS
from events.money import MRR_DIVISOR
from projections.columnar.arrays import NEVER, Columns
from projections.columnar.calendars import Days, days_months_later, month_parts_between, whole_months_between
from projections.columnar.heard import levels_on
from projections.columnar.numbering import Amounts, Codes, Flags, Places, begins, firsts_of, runs
from projections.groups import Choice
from projections.records import TooLarge
from projections.terms import OPEN_MONTHS, Values

LOW_BITS: Final = 20
_LOW: Final = (1 << LOW_BITS) - 1
_ROOM: Final = 1 << 62
WHOLE_MONTHS: Final = 64
"""Terms of fewer whole months, as nearly all are, need not be looked for."""
OF_CELLS: Final = ("account", "contract", "currency", "plan", "product")
"""Names under which every cell has a value of its own, whatever its contract is labelled with."""


class Running(Struct, frozen=True):
    """The terms `[starts, ends)` that contracts are in; `is_open`: a year of one that has no end."""

    starts: Days
    ends: Days
    renews: Flags
    is_open: Flags

    @property
    def parts(self) -> Days:
        """How long they are, in MONTH_PARTS."""
        return month_parts_between(self.starts, self.ends)


class Deals(Struct, frozen=True):
    """Contracts with revenue, or parts of them, each with its number, its level and its term.

    `groups` are the places of the values that they are split up by, `labelled` a cell of each that has its labels;
    `cells` are those they consist of, `owners` the place of the contract of each.
    """

    contracts: Places
    groups: Places
    labelled: Places
    levels: Amounts
    terms: Running
    cells: Places
    owners: Places


    def only(self, chosen: Places) -> "Deals":
        """Some of them."""
        places = np.full(len(self.contracts), -1, dtype=np.intp)
        places[chosen] = np.arange(len(chosen), dtype=np.intp)
        of_cells = places[self.owners]
        kept = of_cells >= 0
        terms = Running(*(getattr(self.terms, name)[chosen] for name in Running.__struct_fields__))
        of_deals = (self.contracts[chosen], self.groups[chosen], self.labelled[chosen], self.levels[chosen])
        return Deals(*of_deals, terms, self.cells[kept], of_cells[kept])


class Split(Struct, frozen=True):
    """Contracts split up by the values of a name: of each cell the part it is in, and of each part what it is of.

    `places` are those of values; `pairs` split parts up by labels, and `labelled` has a cell of each pair.
    """

    of_cells: Codes
    contracts: Codes
    places: Codes
    values: Sequence[str]
    pairs: Codes
    labelled: Codes


def split(columns: Columns, by: str | None) -> Split:
    """The contracts by the values that a question asks for."""
    return columns.known.once(f"split {by or ''}", lambda: _split(columns, by))


def _split(columns: Columns, by: str | None) -> Split:
    contracts = columns.contract_of_cells()
    places, values = columns.known.sorter.values_or_none(by)
    of_cells, firsts = _paired(contracts, places)
    pairs, labelled = _paired(of_cells, columns.labels)
    own, groups = contracts[firsts].astype(np.int32), places[firsts]
    small = [one.astype(np.int32) for one in (of_cells, pairs, labelled)]
    return Split(small[0], own, groups, values, small[1], small[2])


def _paired(ones: Places, others: Codes) -> tuple[Places, Places]:
    """Of each place the pair of both in order, and the first place of each pair."""
    order = np.lexsort((others, ones))
    is_first = begins(ones[order]) | begins(others[order])
    pairs = np.zeros(len(order), dtype=np.intp)
    pairs[order] = np.cumsum(is_first) - 1
    return pairs, order[is_first]


def deals_on(columns: Columns, choice: Choice, day: int) -> Deals:
    """The contracts with revenue as a day begins, of the accounts held; as `held_on` those cells alone that fit."""
    parts, levels = split(columns, choice.by), columns.levels_of_cells(day)
    return _deals(columns, parts, columns.fitting(choice), levels, np.full(len(parts.contracts), day, dtype=np.int64))


def deals_begun(columns: Columns, currency: str) -> tuple[Deals, Codes, Days]:
    """All contracts in a currency, each as its first day with revenue ends; those days, and until when it is so."""
    parts, fitting = split(columns, None), columns.fitting(Choice(currency))
    firsts = _firsts(columns, parts, fitting)
    days = firsts.astype(np.int64) + 1
    levels = levels_on(columns, np.arange(len(columns.accounts)), days[parts.of_cells])
    deals = _deals(columns, parts, fitting, levels, days)
    return deals, firsts[deals.contracts], _changed(columns, parts, firsts)[deals.contracts]


def _changed(columns: Columns, parts: Split, firsts: Codes) -> Days:
    """As `as_signed`: the day after the first one on which something happened that changes what each part leads to."""
    days = columns.days.astype(np.int64)
    days[len(days) - len(columns.ahead) :] = columns.ahead
    of_sums = parts.of_cells[columns.cells]
    changed = np.full(len(parts.contracts), NEVER, dtype=np.int64)
    order, starts = runs((days, of_sums))
    if len(starts):
        happened = np.add.reduceat(columns.amounts[order], starts) != 0
        found = order[starts[happened]]
        is_signing = begins(of_sums[found])
        found = found[~is_signing & (days[found] > firsts[of_sums[found]])]
        np.minimum.at(changed, of_sums[found], days[found])
    return changed


def _deals(columns: Columns, parts: Split, fitting: Flags | None, levels: Amounts, days: Days) -> Deals:
    """The contracts, or parts of them, with revenue as some days begin, one for each part."""
    if fitting is not None:
        levels = levels * fitting
    of_pairs = np.zeros(len(parts.labelled), dtype=np.int64)
    np.add.at(of_pairs, parts.pairs, levels)
    standing = np.flatnonzero((of_pairs > 0) & columns.holds[columns.accounts[parts.labelled]])
    chosen = parts.of_cells[parts.labelled[standing]]
    starts = np.flatnonzero(begins(chosen))
    labelled = _most(columns, parts.labelled[standing].astype(np.intp), of_pairs[standing], starts)
    sums = np.add.reduceat(of_pairs[standing], starts) if len(starts) else of_pairs[standing]
    chosen = chosen[starts]
    firsts = _firsts(columns, parts, fitting)[chosen]
    contracts = parts.contracts[chosen].astype(np.intp)
    terms = _terms(columns, contracts, labelled, firsts, days[chosen])
    owners = np.full(len(parts.contracts), -1, dtype=np.intp)
    owners[chosen] = np.arange(len(chosen), dtype=np.intp)
    of_cells = owners[parts.of_cells]
    cells = np.flatnonzero(of_cells >= 0 if fitting is None else (of_cells >= 0) & fitting)
    return Deals(contracts, parts.places[chosen].astype(np.intp), labelled, sums, terms, cells, of_cells[cells])


def _most(columns: Columns, cells: Places, levels: Amounts, starts: Places) -> Places:
    """Of each contract the cell of the labels that most of it has; of some with as much the first by its labels."""
    ends = np.append(starts, len(cells))[1:]
    chosen, known = starts.copy(), columns.vocabulary.labels.values
    for place in np.flatnonzero(ends > starts + 1).tolist():
        ranked = (
            (-int(levels[at]), labels_of_raw(known[columns.labels[cells[at]]]), at)
            for at in range(starts[place], ends[place])
        )
        chosen[place] = min(ranked)[-1]
    return cells[chosen]


def _firsts(columns: Columns, parts: Split, fitting: Flags | None) -> Codes:
    """The first day with revenue of each part of a contract, `NEVER` for those without any."""
    cells = np.arange(len(columns.accounts)) if fitting is None else np.flatnonzero(fitting)
    firsts = np.full(len(parts.contracts), NEVER, dtype=np.int32)
    np.minimum.at(firsts, parts.of_cells[cells], columns.rises()[cells])
    return firsts


def _terms(columns: Columns, contracts: Places, labelled: Places, firsts: Codes, days: Days) -> Running:
    """The terms that contracts are in on the days before some days."""
    agreed = columns.terms
    of_terms = columns.first_contracts[agreed.accounts] + agreed.deals
    latest = np.full(len(columns.contracts), NEVER, dtype=np.int64)
    latest[contracts] = days
    counts, before = (
        np.bincount(some, minlength=len(columns.contracts))
        for some in (of_terms, of_terms[agreed.days < latest[of_terms]])
    )
    codes, values = columns.known.sorter.values("term_months")
    has_end = np.array([bool(value) for value in values], dtype=np.bool_)[codes[labelled]] & (before[contracts] > 0)
    last = (firsts_of(counts) + before - 1)[contracts[has_end]]
    starts, ends = np.ones((2, len(contracts)), dtype=np.int64)
    renews = np.ones(len(contracts), dtype=np.bool_)
    begun = firsts[~has_end].astype(np.int64)
    years = np.full(len(begun), OPEN_MONTHS, dtype=np.int64)
    starts[~has_end], ends[~has_end] = _rolled(begun, years, days[~has_end] - 1)
    renews[has_end] = agreed.renews[last] == 1
    own = [one[last].astype(np.int64) for one in (agreed.starts, agreed.ends)]
    starts[has_end], ends[has_end] = _running(own[0], own[1], renews[has_end], days[has_end] - 1)
    return Running(starts, ends, renews, ~has_end)


def _running(starts: Days, ends: Days, renews: Flags, days: Days) -> tuple[Days, Days]:
    """The terms that days are in, given the first ones, and whether each begins again when it ends."""
    rows = np.flatnonzero(renews & (days >= ends))
    first, end, day = starts[rows], ends[rows], days[rows]
    months, rest = np.divmod(month_parts_between(first, end), MONTH_PARTS)
    length = np.maximum(end - first, 1)
    starts[rows] = first + (day - first) // length * length
    ends[rows] = starts[rows] + length
    whole = np.flatnonzero((months > 0) & (rest == 0))
    rows = rows[whole]
    starts[rows], ends[rows] = _rolled(first[whole], months[whole], day[whole])
    return starts, ends


def _rolled(firsts: Days, months: Days, days: Days) -> tuple[Days, Days]:
    """Terms of so many months each, one after the other from a first day on: those that days are in."""
    times = whole_months_between(firsts, days) // months
    times += days_months_later(firsts, months * (times + 1)) <= days
    return days_months_later(firsts, months * times), days_months_later(firsts, months * (times + 1))


class Worth(Struct, frozen=True):
    """What cells of contracts are worth over their terms, in annual_e4 times MONTH_PARTS: `high` in units of 2**20."""

    high: Amounts
    low: Amounts

    def added(self, places: Places, size: int) -> "Worth":
        """The same added up by place, `low` below a unit of `high`."""
        high, low = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
        np.add.at(high, places, self.high)
        np.add.at(low, places, self.low)
        return Worth(high + (low >> LOW_BITS), low & _LOW)

    def whole(self) -> list[int]:
        """Each as one number."""
        return [(high << LOW_BITS) + low for high, low in zip(self.high.tolist(), self.low.tolist(), strict=True)]


def worth_of(columns: Columns, deals: Deals, currency: str, until: Days | None = None) -> Worth:
    """What the cells of contracts are worth over their terms, from days on as before them; raises TooLarge."""
    sums = columns.known.once(f"sums {currency}", lambda: _sums_in(columns, currency))
    places = np.full(len(columns.accounts), -1, dtype=np.int32)
    places[deals.cells] = np.arange(len(deals.cells), dtype=np.int32)
    of_sums = places[sums.cells]
    rows = np.flatnonzero(of_sums >= 0)
    at = of_sums[rows].astype(np.intp)
    owners, days, parts = deals.owners[at], sums.days[rows].astype(np.int64), deals.terms.parts
    starts, ends = deals.terms.starts[owners], deals.terms.ends[owners]
    factors = np.where(days < ends, parts[owners], 0)
    late = np.flatnonzero((days > starts) & (days < ends))
    factors[late] -= month_parts_between(starts[late], days[late])
    if until is not None:
        factors[days >= until[owners]] = 0
    return worth_by(at, sums.amounts[rows], factors, len(deals.cells), columns.total)


def worth_by(places: Places, amounts: Amounts, factors: Days, size: int, total: int) -> Worth:
    """Amounts times factors, none below zero, added up by place; raises TooLarge.

    `total` is what all amounts come to at most, whatever their signs.
    """
    if len(places):
        largest = max((total >> LOW_BITS) + len(places), int(np.bincount(places).max()) << LOW_BITS)
        if largest * int(factors.max()) >= _ROOM:
            raise TooLarge
    return Worth((amounts >> LOW_BITS) * factors, (amounts & _LOW) * factors).added(places, size)


class _Sums(Struct, frozen=True):
    """Sums in one currency, without those that lie ahead."""

    cells: Codes
    days: Codes
    amounts: Amounts


def _sums_in(columns: Columns, currency: str) -> _Sums:
    end = len(columns.days) - len(columns.ahead)
    fitting = columns.fitting(Choice(currency))
    rows = np.arange(end) if fitting is None else np.flatnonzero(fitting[columns.cells[:end]])
    return _Sums(columns.cells[rows].astype(np.int32), columns.days[rows], columns.amounts[rows])


def values(columns: Columns, choice: Choice, day: int) -> dict[str, Values]:
    """As `values_of`, of the accounts held; raises TooLarge."""

    def made() -> tuple[Deals, Worth]:
        whole = columns.whole()
        deals = deals_on(whole, Choice(choice.currency), day)
        return deals, worth_of(whole, deals, choice.currency)

    deals, worth = columns.known.latest(f"values {choice.currency}", day, made)
    return _values(columns, deals, worth, choice, columns.holds[columns.accounts[deals.labelled]])


def values_begun(columns: Columns, choice: Choice, start: int, until: int) -> dict[str, Values]:
    """As `values_begun` of terms, of the accounts held; raises TooLarge."""

    def made() -> tuple[Deals, Codes, Worth]:
        deals, firsts, changed = deals_begun(columns, choice.currency)
        return deals, firsts, worth_of(columns, deals, choice.currency, changed)

    deals, firsts, worth = columns.known.once(f"begun {choice.currency}", made)
    is_held = columns.holds[columns.accounts[deals.labelled]]
    return _values(columns, deals, worth, choice, (firsts >= start) & (firsts < until) & is_held)


def _values(columns: Columns, deals: Deals, worth: Worth, choice: Choice, chosen: Flags) -> dict[str, Values]:
    """Of some contracts the values by group: a cell counts under its own plan, but the labels of its contract."""
    sorter, owners = columns.known.sorter, deals.owners
    at = {True: deals.cells, False: deals.labelled[owners]}
    fits = chosen[owners]
    for name, value in choice.where.items():
        codes, known = sorter.values(name)
        if value not in known:
            return {}
        fits &= codes[at[name in OF_CELLS]] == known.index(value)
    rows = np.flatnonzero(fits)
    codes, groups = sorter.values_or_none(choice.by)
    of_deals, sums = owners[rows], Worth(worth.high[rows], worth.low[rows])
    if choice.by in OF_CELLS:
        keys, places = np.unique(of_deals * len(groups) + codes[deals.cells[rows]], return_inverse=True)
        of_deals, of_groups = np.divmod(keys, len(groups))
        sums = sums.added(places, len(keys))
    else:
        sums = sums.added(of_deals, len(deals.contracts))
        of_deals, of_groups = np.arange(len(deals.contracts)), codes[deals.labelled]
    there = np.flatnonzero((sums.high > 0) | ((sums.high == 0) & (sums.low > 0)))
    kinds, lengths = _lengths(deals.terms.parts[of_deals[there]])
    places, size = of_groups[there] * len(lengths) + kinds, len(groups) * len(lengths)
    whole = Worth(sums.high[there], sums.low[there]).added(places, size).whole()
    counts = np.bincount(of_groups[there], minlength=len(groups)).tolist()
    return {
        groups[place]: Values(count, *_total_and_yearly(whole[place * len(lengths) :], lengths))
        for place, count in enumerate(counts)
        if count
    }


def _lengths(parts: Days) -> tuple[Places, list[int]]:
    """Lengths of terms by number, of which there are few, and all of them."""
    months, rest = np.divmod(parts, MONTH_PARTS)
    others = np.flatnonzero((rest != 0) | (months >= WHOLE_MONTHS))
    known, places = np.unique(parts[others], return_inverse=True)
    months[others] = WHOLE_MONTHS + places
    return months, [*range(0, WHOLE_MONTHS * MONTH_PARTS, MONTH_PARTS), *known.tolist()]


def _total_and_yearly(sums: Sequence[int], parts: Sequence[int]) -> tuple[Fraction, Fraction]:
    """What contracts are worth over their terms, and a year, from the sums of those with terms of the same length."""
    yearly = (Fraction(12 * one, MRR_DIVISOR * length) for one, length in zip(sums, parts, strict=False) if one)
    return Fraction(sum(sums[: len(parts)]), MRR_DIVISOR * MONTH_PARTS), sum(yearly, Fraction(0))
