"""Numbering: small whole numbers that stand for values in columns, and the kinds of columns there are."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Final, Generic, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from events.contracts import Cause

Amounts = NDArray[np.int64]
Codes = NDArray[np.int32]
Places = NDArray[np.intp]
Kinds = NDArray[np.int8]
Flags = NDArray[np.bool_]

T = TypeVar("T")


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

    def numbers(self, values: Sequence[T]) -> list[int]:
        """The numbers of values, of many at once."""
        for value in dict.fromkeys(values):
            self.number(value)
        return [*map(self._numbers.__getitem__, values)]

    def known(self, value: T) -> int:
        """The same of a value that may have none: -1."""
        return self._numbers.get(value, -1)


class Vocabulary:
    """The numbers that columns have for what cells, causes of churn and answers say; labels are in msgpack."""

    def __init__(self) -> None:
        self.currency: Final = Numbered[str]()
        self.plan: Final = Numbered[str]()
        self.product: Final = Numbered[str]()
        self.labels: Final = Numbered[bytes]()
        self.cause: Final = Numbered[Cause | None]()
        self.survey: Final = Numbered[str]()
        self.tags: Final = Numbered[tuple[str, ...]]()


class Texts(Sequence[str]):
    """Texts one behind the other, which take a quarter of the memory that as many objects do."""

    def __init__(self, texts: Iterable[str]) -> None:
        every = [*texts]
        self._whole: Final = "".join(every)
        self._ends: Final = np.cumsum([len(text) for text in every], dtype=np.int64)

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[str]:
        for first, end in pairwise([0, *self._ends.tolist()]):
            yield self._whole[first:end]

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        place = range(len(self))[place]
        return self._whole[self._ends[place - 1] if place else 0 : self._ends[place]]


def firsts_of(counts: Places) -> Places:
    """Where each of some parts that follow each other begins, from how long they are."""
    return np.cumsum(counts, dtype=np.intp) - counts


def cuts(ordered: NDArray[Any], numbers: Sequence[int]) -> list[int]:
    """Before how many of some numbers in order others come; those of another type are not made of all of them."""
    return ordered.searchsorted(np.array(numbers, dtype=ordered.dtype)).tolist()  # type: ignore[no-any-return]


def begins(codes: NDArray[Any]) -> Flags:
    """Where another code follows, and at the first one."""
    found = np.ones(len(codes), dtype=np.bool_)
    found[1:] = codes[1:] != codes[:-1]
    return found


def runs(keys: Sequence[NDArray[Any]]) -> tuple[Places, Places]:
    """The order of rows by the last of some keys, then the one before, and so on; and where other keys begin in it."""
    order = np.lexsort(keys)
    return order, np.flatnonzero(np.logical_or.reduce([begins(one[order]) for one in keys]))
