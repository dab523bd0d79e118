"""Arrays: the sums of many accounts side by side in columns, to look at every account in a few milliseconds.

All numbers are whole, in 64 bits, and so are all sums of them: amounts that together might outgrow them are not taken.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar, get_args

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from events.days import LAST_DAY
from events.movements import Movement
from projections.columnar.numbering import Amounts, Codes, Flags, Kinds, Places, Vocabulary, cuts
from projections.columnar.sides import Answers, Terms
from projections.columnar.sorting import Groups, Sorter
from projections.concentration import LARGEST_MAX, Shares
from projections.groups import Choice
from projections.retention import Retention

TOTAL_MAX: Final = 2**62
"""All amounts come to less, whatever their signs: no sum of some of them, nor of two sums, outgrows 64 bits."""
NEVER: Final = LAST_DAY + 1
"""The day of what is agreed and not in force: after all days that may be asked for."""
MOVEMENTS: Final[tuple[Movement, ...]] = get_args(Movement)
"""Movements by their places in columns."""
MARK_SUMS: Final = 1 << 16
"""After so many sums the levels of all cells are kept: what they are worth on a day takes no more sums than these."""
_LIMB_BITS: Final = 16
_LIMBS: Final = 4

T = TypeVar("T")


class Known:
    """What was worked out of columns: how their cells are sorted, their levels in between, and more by its name."""

    def __init__(self, sorter: Sorter) -> None:
        self.sorter: Final = sorter
        self.marks: list[Amounts] = []
        self._more: dict[str, Any] = {}
        self._latest: dict[str, tuple[int, Any]] = {}

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What is made at its first use; threads that are at it together make the same."""
        found: T | None = self._more.get(name)
        if found is None:
            found = self._more[name] = make()
        return found

    def latest(self, name: str, day: int, make: Callable[[], T]) -> T:
        """What is made of a day, kept until another day is asked for: most people ask about today."""
        found = self._latest.get(name)
        if found is None or found[0] != day:
            found = self._latest[name] = (day, make())
        made: T = found[1]
        return made


class Columns(Struct, frozen=True):
    """Sums in order of their days, cells in order of their accounts.

    Of each sum the day (`NEVER` for what lies ahead), the cell, the movement as a place in `MOVEMENTS`, the amount and
    the number of its cause; of those ahead, which are the last, also their days, in order; of each cell its account,
    the numbers of what it says, and which of the contracts of the account it is of (`deals`, from 0 on); of each
    account its first cell and its first contract, its name, and whether these columns still hold for it; of each
    contract its name.
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
    causes: Codes
    ahead: Codes
    accounts: Codes
    currencies: Codes
    plans: Codes
    products: Codes
    labels: Codes
    deals: Codes
    first_cells: Places
    contracts: Sequence[str]
    first_contracts: Places
    answers: Answers
    terms: Terms
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

    def whole(self) -> "Columns":
        """The same columns, as if they held for all accounts."""
        return self if self.holds.all() else replace(self, holds=np.ones_like(self.holds))

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
        ends = [*groups.firsts.tolist(), len(levels)][1:]
        found = zip(groups.values, groups.firsts.tolist(), ends, totals, squares, strict=True)
        return {
            value: Shares(_largest(levels[first:end]), total, square)
            for value, first, end, total, square in found
            if total
        }

    def levels(self, day: int, groups: Groups, fitting: Flags | None) -> Amounts:
        """What each pair of a group and an account is worth as a day begins, counting the cells that fit."""
        levels = self.levels_of_cells(day)
        if fitting is not None:
            levels *= fitting
        of_pairs = np.zeros(len(groups.accounts), dtype=np.int64)
        np.add.at(of_pairs, groups.pairs, levels)
        return of_pairs

    def levels_of_cells(self, day: int) -> Amounts:
        """What each cell is worth as a day begins, from the levels at the last mark before it."""
        (end,) = cuts(self.days, [day])
        if end == len(self.days) - len(self.ahead):
            return self.known.once("last", self._last).copy()
        marks = self._marks()
        place = min(end // MARK_SUMS, len(marks) - 1)
        levels = marks[place].copy()
        start = place * MARK_SUMS
        np.add.at(levels, self.cells[start:end], self.amounts[start:end])
        return levels

    def _last(self) -> Amounts:
        """What each cell is worth in the end."""
        levels = np.zeros(len(self.accounts), dtype=np.int64)
        end = len(self.days) - len(self.ahead)
        np.add.at(levels, self.cells[:end], self.amounts[:end])
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

    def rises(self) -> Codes:
        """The first day on which each cell gained anything, `NEVER` for those that never did."""
        return self.known.once("rises", self._rises)

    def _rises(self) -> Codes:
        rises = np.full(len(self.accounts), NEVER, dtype=np.int32)
        rows = np.flatnonzero(self.amounts[: len(self.days) - len(self.ahead)] > 0)[::-1]
        rises[self.cells[rows]] = self.days[rows]  # of several days the earliest one stays, as it comes last
        return rises

    def has(self, name: str, value: str) -> bool:
        """Whether any cell of the accounts held has a value."""
        codes, values = self.known.sorter.values(name)
        return value in values and bool((self.holds[self.accounts] & (codes == values.index(value))).any())

    def fitting(self, choice: Choice) -> Flags | None:
        """The cells a question is about; None: all of them."""
        return self.known.sorter.fitting(choice)

    def asked(self, choice: Choice) -> Flags:
        """The same of the accounts held alone."""
        held, fitting = self.holds.take(self.accounts), self.fitting(choice)
        return held if fitting is None else held & fitting

    def groups(self, by: str | None) -> Groups:
        """The groups that a question asks for."""
        return self.known.sorter.groups(by)

    def contract_of_cells(self) -> Places:
        """The contract that each cell is of."""
        return self.known.sorter.contract_of_cells()

    def contracts_of_accounts(self) -> Places:
        """How many contracts each account has."""
        return np.diff(self.first_contracts, append=len(self.contracts))

    def cells_of_accounts(self) -> Places:
        """How many cells each account has."""
        return np.diff(self.first_cells, append=len(self.accounts))


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
