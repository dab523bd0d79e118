"""Records: everything posted to one account, added up by day, movement, cell and cause."""

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Final

import msgspec
from msgspec import Struct

from events.block import cell_of_raw
from events.contracts import Cause
from events.days import FIRST_DAY
from events.movements import Movement
from events.timeline import Cell
from projections.groups import Spread

Posted = tuple[int, Movement, int, Spread, bytes, Cause | None]
"""What a posting adds: (day, movement, annual_e4, the groups it counts in, cell in msgpack, cause)."""

Sum = tuple[int, Movement, int, int, Cause | None]
"""(day, movement, annual_e4, place of the cell in the record, cause)."""

Key = tuple[int, Movement, Cell, Cause | None]
"""(day, movement, cell, cause): what a sum is of; the cause is that of a churn, None where nobody gave one."""

Amounts = dict[tuple[int, Movement, bytes, Cause | None], int]
"""(day, movement, cell in msgpack, cause) -> annual_e4, without zeros."""

BEFORE_ALL: Final = FIRST_DAY - 1
"""A day that everything comes after."""


class TooLarge(Exception):
    """Amounts that 64 bits may not have room for when they are added up."""


def cause_of(reason: str, initiative: str) -> Cause | None:
    """The cause of a posting."""
    return (reason, initiative) if reason or initiative else None


class Record(Struct, frozen=True, array_like=True, gc=False):
    """Sums without zeros in the order they first came; `last` is the latest day of any, `count` how many there are.

    `cells` are in msgpack, in the order they first came; `levels` what each is worth after all its movements.
    `sums` are `Sum`s in msgpack, one after the other. So what comes after the last day, as nearly everything
    does, is added without a look at what was there.
    """

    last: int
    cells: list[bytes]
    levels: list[int]
    count: int
    sums: bytes

    def amounts(self) -> Amounts:
        """The sums by day, movement, cell in msgpack, and cause."""
        sums = sums_of([self])
        return {(day, movement, self.cells[place], cause): amount for day, movement, amount, place, cause in sums}

    def items(self) -> Iterator[tuple[Key, int]]:
        """The sums by day, movement, cell and cause."""
        cells = [*map(cell_of_raw, self.cells)]
        for day, movement, amount, place, cause in sums_of([self]):
            yield (day, movement, cells[place], cause), amount

    def levels_before(self, day: int) -> Iterator[tuple[Cell, int]]:
        """What the cells are worth as a day begins; mostly as after all movements, without a look at the sums."""
        if self.last < day:
            yield from zip(map(cell_of_raw, self.cells), self.levels, strict=True)
            return
        levels = dict.fromkeys(self.cells, 0)
        for (at, movement, cell, _), amount in self.amounts().items():
            if at < day and movement != "ahead":
                levels[cell] += amount
        for cell, level in levels.items():
            yield cell_of_raw(cell), level


NOTHING: Final = Record(BEFORE_ALL, [], [], 0, b"")
"""The record of an account nothing was posted to."""

_ENCODE: Final = msgspec.msgpack.Encoder().encode
_RECORD: Final = msgspec.msgpack.Decoder(Record)
_SUMS: Final = msgspec.msgpack.Decoder(list[Sum])
_DAY: Final = itemgetter(0)
_KEY: Final = itemgetter(0, 1, 4, 5)
_ARRAY: Final = b"\xdd"
"""What an array in msgpack begins with, before its length in four bytes."""


def sums_of(records: Sequence[Record]) -> list[Sum]:
    """The sums of some records, one record after the other, their cells by the place in their record."""
    count = sum([one.count for one in records])
    return _SUMS.decode(_ARRAY + count.to_bytes(4) + b"".join([one.sums for one in records]))


def merged(record: Record, posted: Sequence[Posted]) -> Record:
    """The record with more postings; what cancels out is gone."""
    if posted and first_day(posted) > record.last and not _repeats(posted):
        return _extended(record, posted)
    amounts = record.amounts()
    for day, movement, amount, _, cell, cause in posted:
        key = (day, movement, cell, cause)
        amounts[key] = amounts.get(key, 0) + amount
        if not amounts[key]:
            del amounts[key]
    return _extended(
        NOTHING,
        [(day, movement, amount, None, cell, cause) for (day, movement, cell, cause), amount in amounts.items()],
    )


def first_day(posted: Sequence[Posted]) -> int:
    """The earliest day that anything is posted to."""
    day: int = min(map(_DAY, posted))
    return day


def _repeats(posted: Sequence[Posted]) -> bool:
    """Whether two postings add to one sum."""
    return len(posted) > 1 and len(set(map(_KEY, posted))) < len(posted)


def _extended(record: Record, more: Sequence[tuple[int, Movement, int, Spread | None, bytes, Cause | None]]) -> Record:
    """The record with sums that it does not have yet."""
    last, cells, levels = record.last, record.cells.copy(), record.levels.copy()
    sums: list[Sum] = []
    for day, movement, amount, _, cell, cause in more:
        if cell in cells:
            place = cells.index(cell)
        else:
            place = len(cells)
            cells.append(cell)
            levels.append(0)
        if movement != "ahead":
            levels[place] += amount
        if day > last:  # noqa: PLR1730 - a call for every posting is dear
            last = day
        sums.append((day, movement, amount, place, cause))
    return Record(last, cells, levels, record.count + len(sums), record.sums + _bare(sums))


def _bare(sums: Sequence[Sum]) -> bytes:
    """Sums in msgpack without the head of their array, which is as long as their number takes."""
    head = 1 if len(sums) < 1 << 4 else 3 if len(sums) < 1 << 16 else 5
    return _ENCODE(sums)[head:]


def bytes_of_record(record: Record) -> bytes:
    """The record in msgpack."""
    return _ENCODE(record)


def record_of_bytes(data: bytes) -> Record:
    """A record from its bytes."""
    return _RECORD.decode(data)
