"""Records: everything posted to one account, added up by day, movement and cell."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from events.movements import Movement, Posting
from events.timeline import Cell, cell_of_bytes

Record = dict[tuple[int, Movement, Cell], int]
"""(day, movement, cell) -> annual_e4, without zeros."""

_Wire = tuple[list[msgspec.Raw], list[tuple[int, Movement, int, int]]]
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
    """The record in msgpack: the array of its cells, and that of (day, movement, annual_e4, index of the cell)."""
    places: dict[Cell, int] = {}
    sums = [
        (day, movement, amount, places.setdefault(cell, len(places)))
        for (day, movement, cell), amount in record.items()
    ]
    return _ENCODER.encode((list(places), sums))


def record_of_bytes(data: bytes) -> Record:
    """A record from its bytes."""
    raws, sums = _DECODER.decode(data)
    cells = [cell_of_bytes(bytes(raw)) for raw in raws]
    return {(day, movement, cells[place]): amount for day, movement, amount, place in sums}
