"""Members: of every group the accounts in columns that count in it, with what is told of each."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from projections.columnar.arrays import Columns
from projections.columnar.layers import Layers
from projections.columnar.numbering import Flags, Places
from projections.columnar.sorting import Groups
from projections.columns import Row
from projections.groups import Choice

Told = NDArray[Any]
"""Of each pair of a group and an account something that is told of it."""
Tell = Callable[[Columns, Groups, Flags | None], Sequence[Told]]
"""(columns, groups, the cells that fit) -> what is told of each pair."""


class First(Struct, frozen=True):
    """The first rows of a table, and how many there are in all."""

    rows: list[Row]
    count: int


class Part(Struct, frozen=True):
    """The accounts of one group in columns, as pairs, and what is told of each."""

    columns: Columns
    groups: Groups
    pairs: Places
    told: Sequence[Told]


class Members:
    """The accounts of one group, from several columns, one after the other."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts: Final = parts
        self.told: Final = [np.concatenate(some) for some in zip(*(part.told for part in parts), strict=True)]
        self._ends: Final = np.cumsum([len(part.pairs) for part in parts]).tolist()

    def at(self, place: int) -> tuple[Part, int]:
        """The part an account is in, and its pair there."""
        index = bisect_right(self._ends, place)
        part = self.parts[index]
        return part, int(part.pairs[place - self._ends[index] + len(part.pairs)])

    def name(self, place: int) -> str:
        """The name of an account."""
        part, pair = self.at(place)
        return str(part.columns.names[part.groups.accounts[pair]])


def members_of(layers: Layers, choice: Choice, tell: Tell) -> dict[str, Members]:
    """The accounts with anything posted that a question is about, by group."""
    parts: dict[str, list[Part]] = {}
    for columns in layers.columns:
        groups, fitting = columns.groups(choice.by), columns.fitting(choice)
        told = tell(columns, groups, fitting)
        pairs = np.flatnonzero(present(columns, groups, fitting))
        cuts = np.searchsorted(pairs, [*groups.firsts.tolist(), len(groups.accounts)]).tolist()
        for value, (first, end) in zip(groups.values, pairwise(cuts), strict=True):
            if first < end:
                own = pairs[first:end]
                part = Part(columns, groups, own, [one[own] for one in told])
                parts.setdefault(value, []).append(part)
    return {value: Members(some) for value, some in parts.items()}


def present(columns: Columns, groups: Groups, fitting: Flags | None) -> Flags:
    """The pairs of accounts held that have any of the cells that fit."""
    found = np.zeros(len(groups.accounts), dtype=np.bool_)
    found[groups.pairs if fitting is None else groups.pairs[fitting]] = True
    return found & columns.holds[groups.accounts]
