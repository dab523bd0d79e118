"""Arrays: the sums of many accounts side by side in columns, to look at every account in a few milliseconds.

All numbers are whole, in 64 bits, and so are all sums of them: amounts that together might outgrow them are not taken.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Generic, TypeVar, get_args

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from events.block import labels_of_raw, raw_cell_of
from events.days import LAST_DAY
from events.movements import Movement
from projections.concentration import LARGEST_MAX, Shares
from projections.groups import Choice
from projections.records import Record, sums_of
from projections.retention import Retention

Amounts = NDArray[np.int64]
Codes = NDArray[np.int32]
Places = NDArray[np.intp]
Kinds = NDArray[np.int8]
Flags = NDArray[np.bool_]

TOTAL_MAX: Final = 2**62
"""All amounts come to less, whatever their signs: no sum of some of them, nor of two sums, outgrows 64 bits."""
NEVER: Final = LAST_DAY + 1
"""The day of what is agreed and not in force: after all days that may be asked for."""
MOVEMENTS: Final[tuple[Movement, ...]] = get_args(Movement)
"""Movements by their places in columns."""
_PLACES: Final = {movement: place for place, movement in enumerate(MOVEMENTS)}
AHEAD: Final = _PLACES["ahead"]
MARK_SUMS: Final = 1 << 16
"""After so many sums the levels of all cells are kept: what they are worth on a day takes no more sums than these."""
_LIMB_BITS: Final = 16
_LIMBS: Final = 4

T = TypeVar("T")


class TooLarge(Exception):
    """Amounts that 64 bits may not have room for when they are added up."""


class Numbered(Generic[T]):
    """Numbers from 0 on for values, in the order they first come; only grows."""

    def __init__(self) -> None:
        self.values: list[T] = []
        self._numbers: dict[T, int] = {}

    def number(self, value: T) -> int:
        """The number of a value."""
        found = self._numbers.get(value)
        if found is None:
            found = self._numbers[value] = len(self.values)
            self.values.append(value)
        return found


class Vocabulary:
    """The numbers that columns have for currencies, plans, products, and labels in msgpack."""

    def __init__(self) -> None:
        self.currency: Final = Numbered[str]()
        self.plan: Final = Numbered[str]()
        self.product: Final = Numbered[str]()
        self.labels: Final = Numbered[bytes]()


class Groups(Struct, frozen=True):
    """Pairs of a group and an account in it, in order of group and account: of each cell its pair.

    `accounts` are those of the pairs, `firsts` the first pair of each group.
    """

    pairs: Places
    accounts: Codes
    firsts: Places
    values: Sequence[str]


class Known:
    """What was worked out of columns: how cells are grouped, their values of labels, and their levels in between."""

    def __init__(self) -> None:
        self.groups: dict[str, Groups] = {}
        self.labels: dict[str, tuple[Codes, Sequence[str]]] = {}
        self.marks: list[Amounts] = []


class Columns(Struct, frozen=True):
    """Sums in order of their days, cells in order of their accounts.

    Of each sum the day (`NEVER` for what lies ahead), the cell, the movement as a place in `MOVEMENTS`, and the amount;
    of those ahead, which are the last, also their days; of each cell its account, and the numbers of what it says; of
    each account its first cell, its name, and whether these columns still hold for it.
    `total` is the sum of all amounts whatever their signs. `known` keeps what was worked out once.
    """

    vocabulary: Vocabulary
    names: Sequence[str]
    places: Mapping[str, int]
    holds: Flags
    days: Codes
    cells: Places
    movements: Kinds
    amounts: Amounts
    ahead: Codes
    accounts: Codes
    currencies: Codes
    plans: Codes
    products: Codes
    labels: Codes
    first_cells: Places
    total: int
    known: Known

    @property
    def held(self) -> int:
        """How many accounts these columns hold for."""
        return int(np.count_nonzero(self.holds))

    def without(self, names: Iterable[str]) -> "Columns":
        """The same columns, which no longer hold for some accounts."""
        gone = [place for name in names if (place := self.places.get(name)) is not None and self.holds[place]]
        if not gone:
            return self
        holds = self.holds.copy()
        holds[gone] = False
        return replace(self, holds=holds)

    def retention(self, choice: Choice, start: int, until: int) -> dict[str, Retention]:
        """As `retention_of`, of the accounts held."""
        groups, fitting = self.groups(choice.by), self.fitting(choice)
        opening, closing = (self.levels(day, groups, fitting) for day in (start, until))
        is_opening = (opening > 0) & self.holds[groups.accounts]
        opening, closing = np.where(is_opening, opening, 0), np.where(is_opening, closing, 0)
        of_each = (
            opening,
            closing,
            np.minimum(opening, closing),
            is_opening.astype(np.int64),
            (is_opening & (closing <= 0)).astype(np.int64),
        )
        sums = [np.add.reduceat(one, groups.firsts).tolist() for one in of_each]
        found = zip(groups.values, *sums, strict=True)
        return {value: Retention(*amounts) for value, *amounts in found if amounts[0]}

    def shares(self, choice: Choice, day: int) -> dict[str, Shares]:
        """As `shares_of`, of the accounts held."""
        groups = self.groups(choice.by)
        levels = self.levels(day, groups, self.fitting(choice))
        levels = np.where((levels > 0) & self.holds[groups.accounts], levels, 0)
        totals = np.add.reduceat(levels, groups.firsts).tolist()
        squares = _squares(levels, groups.firsts)
        ends = [*groups.firsts[1:].tolist(), len(levels)]
        found = zip(groups.values, groups.firsts.tolist(), ends, totals, squares, strict=True)
        return {
            value: Shares(_largest(levels[first:end]), total, square)
            for value, first, end, total, square in found
            if total
        }

    def worth(self, choice: Choice, day: int) -> Amounts:
        """What each account is worth as a day begins, by its place; nothing if it is not held."""
        return np.where(self.holds, self.levels(day, self.groups(None), self.fitting(choice)), 0)

    def levels(self, day: int, groups: Groups, fitting: Flags | None) -> Amounts:
        """What each pair of a group and an account is worth as a day begins, counting the cells that fit."""
        levels = self._levels_of_cells(day)
        if fitting is not None:
            levels *= fitting
        of_pairs = np.zeros(len(groups.accounts), dtype=np.int64)
        np.add.at(of_pairs, groups.pairs, levels)
        return of_pairs

    def _levels_of_cells(self, day: int) -> Amounts:
        """What each cell is worth as a day begins, from the levels at the last mark before it."""
        marks = self._marks()
        end = int(np.searchsorted(self.days, day))
        place = min(end // MARK_SUMS, len(marks) - 1)
        levels = marks[place].copy()
        start = place * MARK_SUMS
        np.add.at(levels, self.cells[start:end], self.amounts[start:end])
        return levels

    def _marks(self) -> Sequence[Amounts]:
        """The levels of cells after every so many sums."""
        marks = self.known.marks
        if not marks:
            levels = np.zeros(len(self.accounts), dtype=np.int64)
            marks = [levels]
            for start in range(0, len(self.days) - MARK_SUMS, MARK_SUMS):
                some = slice(start, start + MARK_SUMS)
                levels = levels.copy()
                np.add.at(levels, self.cells[some], self.amounts[some])
                marks.append(levels)
            self.known.marks = marks  # at once and whole: another thread may be at it too
        return marks

    def fitting(self, choice: Choice) -> Flags | None:
        """The cells a question is about; None: all of them."""
        fitting: Flags | None = None
        for name, value in (("currency", choice.currency), *choice.where.items()):
            codes, values = self.values(name)
            if value not in values:
                return np.zeros(len(codes), dtype=np.bool_)
            if len(values) > 1:
                own = codes == values.index(value)
                fitting = own if fitting is None else fitting & own
        return fitting

    def groups(self, by: str | None) -> Groups:
        """The groups that a question asks for."""
        found = self.known.groups.get(by or "")
        if found is None:
            found = self.known.groups[by or ""] = self._whole() if by is None else self._grouped(by)
        return found

    def _whole(self) -> Groups:
        accounts = np.arange(len(self.names), dtype=np.int32)
        return Groups(self.accounts.astype(np.intp), accounts, np.zeros(1, dtype=np.intp), [""])

    def _grouped(self, by: str) -> Groups:
        codes, values = self.values(by)
        order = np.lexsort((self.accounts, codes))
        codes, accounts = codes[order], self.accounts[order]
        firsts_of_pairs = begins(codes) | begins(accounts)
        pairs = np.zeros(len(order), dtype=np.intp)
        pairs[order] = np.cumsum(firsts_of_pairs) - 1
        codes = codes[firsts_of_pairs]
        firsts = np.flatnonzero(begins(codes))
        return Groups(pairs, accounts[firsts_of_pairs], firsts, [values[code] for code in codes[firsts].tolist()])

    def values(self, name: str) -> tuple[Codes, Sequence[str]]:
        """The value of every cell under a name, as a place in a list of values."""
        vocabulary = self.vocabulary
        plain = {
            "currency": (self.currencies, vocabulary.currency.values),
            "plan": (self.plans, vocabulary.plan.values),
            "product": (self.products, vocabulary.product.values),
        }
        if name in plain:
            return plain[name]
        found = self.known.labels.get(name)
        if found is None:
            found = self.known.labels[name] = self._of_labels(name)
        return found

    def _of_labels(self, name: str) -> tuple[Codes, Sequence[str]]:
        labels, places = np.unique(self.labels, return_inverse=True)
        numbered, known = Numbered[str](), self.vocabulary.labels.values
        of_labels = [numbered.number(dict(labels_of_raw(known[one])).get(name, "")) for one in labels.tolist()]
        return np.array(of_labels, dtype=np.int32)[places], numbered.values

    def only_held(self) -> "Columns":
        """The accounts held alone."""
        if self.holds.all():
            return self
        keeps = self.holds[self.accounts]
        kept = keeps[self.cells]
        amounts = self.amounts[kept]
        return _columns(
            self.vocabulary,
            [name for name, holds in zip(self.names, self.holds.tolist(), strict=True) if holds],
            self.days[kept],
            (np.cumsum(keeps) - 1)[self.cells[kept]],
            self.movements[kept],
            amounts,
            self.ahead[kept[len(kept) - len(self.ahead) :]],
            [codes[keeps] for codes in (self.currencies, self.plans, self.products, self.labels)],
            self.cells_of_accounts()[self.holds],
            int(np.abs(amounts).sum()),
        )

    def cells_of_accounts(self) -> Places:
        """How many cells each account has."""
        return np.diff(self.first_cells, append=len(self.accounts))


def columns_of(records: Mapping[str, Record], vocabulary: Vocabulary) -> Columns:
    """The columns of some records, at least one, each with a sum at least; raises TooLarge."""
    held = [*records.values()]
    days, movements, amounts, places, _ = zip(*sums_of(held), strict=True)
    total = sum(map(abs, amounts))
    if total >= TOTAL_MAX:
        raise TooLarge
    counts = np.array([len(one.cells) for one in held], dtype=np.intp)
    cells = np.array(places, dtype=np.intp)
    cells += np.repeat(_firsts(counts), [one.count for one in held])
    kinds = np.array([_PLACES[movement] for movement in movements], dtype=np.int8)
    told = np.array(days, dtype=np.int32)
    dated = np.where(kinds == AHEAD, NEVER, told).astype(np.int32)
    order = np.argsort(dated, kind="stable")
    raw = [raw_cell_of(cell) for one in held for cell in one.cells]
    said = (
        [vocabulary.currency.number(one.currency) for one in raw],
        [vocabulary.plan.number(one.plan) for one in raw],
        [vocabulary.product.number(one.product) for one in raw],
        [vocabulary.labels.number(bytes(one.labels)) for one in raw],
    )
    return _columns(
        vocabulary,
        [*records],
        dated[order],
        cells[order],
        kinds[order],
        np.array(amounts, dtype=np.int64)[order],
        told[kinds == AHEAD],
        [np.array(codes, dtype=np.int32) for codes in said],
        counts,
        total,
    )


def joined(tables: Sequence[Columns]) -> Columns:
    """Several columns of different accounts in one; raises TooLarge."""
    parts = [table.only_held() for table in tables]
    total = sum(part.total for part in parts)
    if total >= TOTAL_MAX:
        raise TooLarge
    days = np.concatenate([part.days for part in parts])
    order = np.argsort(days, kind="stable")
    before = _firsts(np.array([len(part.accounts) for part in parts], dtype=np.intp)).tolist()
    said = [(part.currencies, part.plans, part.products, part.labels) for part in parts]
    return _columns(
        parts[0].vocabulary,
        [name for part in parts for name in part.names],
        days[order],
        np.concatenate([part.cells + first for part, first in zip(parts, before, strict=True)])[order],
        np.concatenate([part.movements for part in parts])[order],
        np.concatenate([part.amounts for part in parts])[order],
        np.concatenate([part.ahead for part in parts]),
        [np.concatenate(codes) for codes in zip(*said, strict=True)],
        np.concatenate([part.cells_of_accounts() for part in parts]),
        total,
    )


def _columns(
    vocabulary: Vocabulary,
    names: Sequence[str],
    days: Codes,
    cells: Places,
    movements: Kinds,
    amounts: Amounts,
    ahead: Codes,
    said: Sequence[Codes],
    counts: Places,
    total: int,
) -> Columns:
    """Columns that hold for all accounts, from how many cells each account has, at least one."""
    accounts = np.repeat(np.arange(len(names), dtype=np.int32), counts)
    places = {name: place for place, name in enumerate(names)}
    holds = np.ones(len(names), dtype=np.bool_)
    currencies, plans, products, labels = said
    of_sums, of_cells = (days, cells, movements, amounts, ahead), (accounts, currencies, plans, products, labels)
    return Columns(vocabulary, names, places, holds, *of_sums, *of_cells, _firsts(counts), total, Known())


def _firsts(counts: Places) -> Places:
    """Where each of some parts that follow each other begins, from how long they are."""
    return np.cumsum(counts, dtype=np.intp) - counts


def begins(codes: Codes | Places) -> Flags:
    """Where another code follows, and at the first one."""
    found = np.ones(len(codes), dtype=np.bool_)
    found[1:] = codes[1:] != codes[:-1]
    return found


def _largest(levels: Amounts) -> tuple[int, ...]:
    """The largest levels above zero, the largest first."""
    if len(levels) > LARGEST_MAX:
        levels = np.partition(levels, -LARGEST_MAX)[-LARGEST_MAX:]
    return tuple(sorted((level for level in levels.tolist() if level), reverse=True))


def _squares(levels: Amounts, firsts: Places) -> list[int]:
    """The sums of the squares of levels from one place to the next, which 64 bits have no room for.

    Levels are cut into limbs whose products can be added up for as many accounts as there may be.
    """
    sums = [0] * len(firsts)
    limbs = [levels >> (_LIMB_BITS * place) & ((1 << _LIMB_BITS) - 1) for place in range(_LIMBS)]
    filled = [(place, limb) for place, limb in enumerate(limbs) if limb.any()]
    for place, limb in filled:
        for other, times in filled:
            if other <= place:
                weight = (1 if other == place else 2) << (_LIMB_BITS * (place + other))
                parts = np.add.reduceat(limb * times, firsts).tolist()
                sums = [so_far + part * weight for so_far, part in zip(sums, parts, strict=True)]
    return sums
