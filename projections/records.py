"""Records: everything posted to one account, added up by day, movement and cell."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from events.movements import Movement, Posting
from events.timeline import Cell

Record = dict[tuple[int, Movement, Cell], int]
"""(day, movement, cell) -> annual_e4, without zeros."""

_Wire = list[tuple[int, Movement, int, Cell]]
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final[msgspec.msgpack.Decoder[_Wire]] = msgspec.msgpack.Decoder(_Wire)


def merged(record: Mapping[tuple[int, Movement, Cell], int], postings: Iterable[Posting]) -> Record:
    """The record with more postings; what cancels out is gone."""
    sums: Record = dict(record)
    for one in postings:
        key = (one.day, one.movement, one.cell)
        amount = sums.get(key, 0) + one.amount
        if amount:
            sums[key] = amount
        else:
            del sums[key]
    return sums


def bytes_of_record(record: Record) -> bytes:
    """The record in msgpack: an array of (day, movement, annual_e4, cell)."""
    return _ENCODER.encode(
        [(day, movement, amount, cell) for (day, movement, cell), amount in record.items()]
    )


def record_of_bytes(data: bytes) -> Record:
    """A record from its bytes."""
    return {(day, movement, cell): amount for day, movement, amount, cell in _DECODER.decode(data)}
