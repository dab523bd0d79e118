"""Blocks as columns: the tables `postings`, `entries` and `blocks`, whose names and types stay.

Strings that come again and again are dictionaries, which Parquet and DuckDB both keep small. An absent name is the
empty string, an absent number null.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain, repeat
from typing import Final

import msgspec
import pyarrow as pa
from msgspec import Raw, Struct

from events.block import Block, BlockDamaged
from events.timeline import Cell, cell_of_bytes

MOMENT: Final = pa.timestamp("us", tz="UTC")
NAME: Final = pa.dictionary(pa.int32(), pa.string())
PLACE: Final = [
    pa.field("partition", pa.int32(), nullable=False),
    pa.field("height", pa.int64(), nullable=False),
    pa.field("seq", pa.int64(), nullable=False),
    pa.field("recorded_at", MOMENT, nullable=False),
]
"""Where an entry is, and when the ledger recorded it."""

POSTINGS: Final = pa.schema(
    [
        *PLACE,
        pa.field("account", pa.string(), nullable=False),
        pa.field("day", pa.date32(), nullable=False),
        pa.field("movement", NAME, nullable=False),
        pa.field("amount_e4", pa.int64(), nullable=False),
        *[pa.field(name, NAME, nullable=False) for name in ("currency", "contract", "line", "plan", "product")],
        *[pa.field(name, NAME, nullable=False) for name in ("owner", "campaign", "channel")],
        pa.field("term_months", pa.int32()),
        *[pa.field(name, NAME, nullable=False) for name in ("reason", "initiative")],
        pa.field("attributes", pa.map_(pa.string(), pa.string()), nullable=False),
    ]
)
"""A row for each posting; `amount_e4` in 1/10,000 of a minor unit a year."""

ENTRIES: Final = pa.schema(
    [
        *PLACE,
        pa.field("account", pa.string(), nullable=False),
        pa.field("source", NAME, nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("type", NAME, nullable=False),
        pa.field("time", MOMENT, nullable=False),
        pa.field("unmatched", pa.int32(), nullable=False),
        pa.field("postings", pa.int32(), nullable=False),
        pa.field("event", pa.binary(), nullable=False),
        pa.field("booking", pa.binary(), nullable=False),
        pa.field("original", pa.binary()),
    ]
)
"""A row for each event; `event` as received, `booking` in msgpack as in the ledger."""

BLOCKS: Final = pa.schema(
    [
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("height", pa.int64(), nullable=False),
        pa.field("first_seq", pa.int64(), nullable=False),
        pa.field("entries", pa.int32(), nullable=False),
        pa.field("recorded_at", MOMENT, nullable=False),
        pa.field("prev_hash", pa.binary(), nullable=False),
        pa.field("hash", pa.binary(), nullable=False),
        pa.field("header", pa.binary(), nullable=False),
    ]
)
"""A row for each block; with `entries` it gives the block's bytes again."""


class Columns(Struct, frozen=True):
    """The three tables of some blocks."""

    postings: pa.Table
    entries: pa.Table
    blocks: pa.Table


class _Told(Struct, frozen=True, gc=False):
    """What is looked up of an event without reading the rest."""

    source: str
    id: str
    type: str


_Posting = tuple[int, str, int, Raw, str, str]
_Booking = tuple[int, str, int, int, list[_Posting]]
_TOLD: Final = msgspec.json.Decoder(_Told)
_BOOKING: Final = msgspec.msgpack.Decoder(_Booking)
_HEADER: Final = msgspec.msgpack.Decoder(tuple[bytes, Raw])
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError)
_SOLD: Final = ("owner", "campaign", "channel")


def columns_of(blocks: Sequence[Block]) -> Columns:
    """The tables of some blocks; raises BlockDamaged."""
    entries = [entry for block in blocks for entry in block.entries]
    try:
        bookings = [_BOOKING.decode(one.booking) for one in entries]
        told = [_TOLD.decode(one.event) for one in entries]
    except _UNREADABLE as error:
        raise BlockDamaged(f"an entry cannot be read: {error}") from error
    place = _places(blocks)
    return Columns(
        _postings(place, bookings),
        pa.table(
            [
                *place,
                pa.array([one[1] for one in bookings], pa.string()),
                _names([one.source for one in told]),
                pa.array([one.id for one in told], pa.string()),
                _names([one.type for one in told]),
                pa.array([one[2] for one in bookings], MOMENT),
                pa.array([one[3] for one in bookings], pa.int32()),
                pa.array([len(one[4]) for one in bookings], pa.int32()),
                pa.array([one.event for one in entries], pa.binary()),
                pa.array([one.booking for one in entries], pa.binary()),
                pa.nulls(len(entries), pa.binary()),
            ],
            schema=ENTRIES,
        ),
        _blocks(blocks),
    )


def _places(blocks: Sequence[Block]) -> list[pa.Array]:
    """Partition, height, number and recorded time of every entry."""
    headers = [block.header for block in blocks]

    def of_each(values: Iterable[int], kind: pa.DataType) -> pa.Array:
        each = (repeat(value, header.entries) for value, header in zip(values, headers, strict=True))
        return pa.array(list(chain.from_iterable(each)), kind)

    numbers = chain.from_iterable(range(one.first_seq, one.first_seq + one.entries) for one in headers)
    return [
        of_each([one.partition for one in headers], pa.int32()),
        of_each([one.height for one in headers], pa.int64()),
        pa.array(list(numbers), pa.int64()),
        of_each([one.recorded_at for one in headers], MOMENT),
    ]


def _postings(place: Sequence[pa.Array], bookings: Sequence[_Booking]) -> pa.Table:
    posted = [one for booking in bookings for one in booking[4]]
    days, movements, amounts, raws, reasons, initiatives = zip(*posted, strict=True) if posted else ((),) * 6
    of_entry = pa.array(
        list(chain.from_iterable(map(repeat, range(len(bookings)), [len(one[4]) for one in bookings]))), pa.int64()
    )
    accounts = pa.array([one[1] for one in bookings], pa.string())
    found: dict[bytes, int] = {}
    of_cell = pa.array([found.setdefault(cell, len(found)) for cell in map(bytes, raws)], pa.int32())
    cells = _cells([*found])
    return pa.table(
        [
            *[one.take(of_entry) for one in place],
            accounts.take(of_entry),
            pa.array(days, pa.int32()).cast(pa.date32()),
            _names(movements),
            pa.array(amounts, pa.int64()),
            *[cells[name].take(of_cell) for name in ("currency", "contract", "line", "plan", "product", *_SOLD)],
            cells["term_months"].take(of_cell),
            _names(reasons),
            _names(initiatives),
            cells["attributes"].take(of_cell),
        ],
        schema=POSTINGS,
    )


def _cells(raws: Sequence[bytes]) -> dict[str, pa.Array]:
    """The columns of some cells, each of them once."""
    cells = [_cell(raw) for raw in raws]
    labels = [_labels(cell.labels) for cell in cells]
    named: dict[str, pa.Array] = {
        name: _names([getattr(cell, name) for cell in cells])
        for name in ("currency", "contract", "line", "plan", "product")
    }
    for index, name in enumerate(_SOLD):
        named[name] = _names([one[0][index] for one in labels])
    named["term_months"] = pa.array([one[1] for one in labels], pa.int32())
    named["attributes"] = pa.array([one[2] for one in labels], pa.map_(pa.string(), pa.string()))
    return named


def _cell(raw: bytes) -> Cell:
    try:
        return cell_of_bytes(raw)
    except _UNREADABLE as error:
        raise BlockDamaged(f"the cell of a booking cannot be read: {error}") from error


@lru_cache(maxsize=50_000)
def _labels(labels: tuple[tuple[str, str], ...]) -> tuple[tuple[str, ...], int | None, list[tuple[str, str]]]:
    """Who sold a contract, the months of its term, and the attributes of its account."""
    named = dict(labels)
    sold = tuple([named.pop(name, "") for name in _SOLD])
    months = named.pop("term_months", None)
    return sold, None if months is None else int(months), list(named.items())


def _names(texts: Sequence[str]) -> pa.Array:
    return pa.array(texts, pa.string()).dictionary_encode()


def _blocks(blocks: Sequence[Block]) -> pa.Table:
    headers = [block.header for block in blocks]
    return pa.table(
        [
            pa.array([one.partition for one in headers], pa.int32()),
            pa.array([one.height for one in headers], pa.int64()),
            pa.array([one.first_seq for one in headers], pa.int64()),
            pa.array([one.entries for one in headers], pa.int32()),
            pa.array([one.recorded_at for one in headers], MOMENT),
            pa.array([one.prev_hash for one in headers], pa.binary()),
            pa.array([block.hash for block in blocks], pa.binary()),
            pa.array([_HEADER.decode(block.data)[0] for block in blocks], pa.binary()),
        ],
        schema=BLOCKS,
    )
