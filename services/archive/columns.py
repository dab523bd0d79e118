"""Blocks as columns: the tables `postings`, `entries` and `blocks`, whose names and types stay.

Strings that come again and again are dictionaries, which Parquet and DuckDB both keep small. An absent name is the
empty string, an absent number null.
"""

import gc
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import accumulate, chain, islice
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Raw, Struct

from events.adoption import is_sent
from events.block import Block, BlockDamaged, Entry
from services.archive.manifests import TABLES, Table

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
"""A row for each event; `booking` in msgpack as in the ledger, `event` as received.

Where free text was taken out of it, `original` is not null: the `hashes` of the entry (`events.block.Redacted`).
"""

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
    """The three tables of some blocks; how many entries they have, and the time of the newest event in microseconds."""

    postings: pa.Table
    entries: pa.Table
    blocks: pa.Table
    count: int
    newest_event: int | None


class _Told(Struct, frozen=True, gc=False):
    """What is looked up of an event without reading the rest."""

    source: str
    id: str
    type: str


_Posting = tuple[int, str, int, Raw, str, str]
_Booking = tuple[int, str, int, int, list[_Posting]]
_Cell = tuple[str, str, str, str, str, Raw]
_Labels = tuple[tuple[str, str], ...]
_TOLD: Final = msgspec.json.Decoder(_Told)
_BOOKING: Final = msgspec.msgpack.Decoder(_Booking)
_CELL: Final = msgspec.msgpack.Decoder(_Cell)
_LABELS: Final = msgspec.msgpack.Decoder(_Labels)
_HEADER: Final = msgspec.msgpack.Decoder(tuple[bytes, Raw])
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, OverflowError, pa.ArrowInvalid)
_SOLD: Final = ("owner", "campaign", "channel")


def columns_of(blocks: Sequence[Block], names: Collection[Table] = TABLES) -> Columns:
    """The tables named of some blocks, which follow one another in one partition; the others are empty.

    Raises BlockDamaged.
    """
    try:
        with _uncollected():
            return _columns_of(blocks, names)
    except _UNREADABLE as error:
        raise BlockDamaged(f"an entry cannot be read: {error}") from error


@contextmanager
def _uncollected() -> Iterator[None]:
    """Makes no search for cycles meanwhile: a million small tuples have none, and looking takes half of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _columns_of(blocks: Sequence[Block], names: Collection[Table]) -> Columns:
    entries = [entry for block in blocks for entry in block.entries]
    bookings = list(map(_BOOKING.decode, [one.booking for one in entries]))
    _, accounts, moments, unmatched, posted = _turned(bookings, 5)
    counts = list(map(len, posted))
    of_entry = [*_places(blocks), pa.array(accounts, pa.string())]
    return Columns(
        _postings(of_entry, posted, counts) if "postings" in names else POSTINGS.empty_table(),
        _entries(of_entry, entries, moments, unmatched, counts) if "entries" in names else ENTRIES.empty_table(),
        _blocks(blocks) if "blocks" in names else BLOCKS.empty_table(),
        len(entries),
        _newest(blocks, moments),
    )


def _newest(blocks: Sequence[Block], moments: Iterable[int]) -> int | None:
    """When the newest event was that somebody sent."""
    of_each = iter(moments)
    some = [(block, [*islice(of_each, len(block.entries))]) for block in blocks]
    return max([one for block, own in some if is_sent(block.entries) for one in own], default=None)


def _entries(
    of_entry: Sequence[pa.Array],
    entries: Sequence[Entry],
    moments: Sequence[int],
    unmatched: Sequence[int],
    counts: Sequence[int],
) -> pa.Table:
    told = list(map(_TOLD.decode, [one.event for one in entries]))
    return pa.table(
        [
            *of_entry,
            _names([one.source for one in told]),
            pa.array([one.id for one in told], pa.string()),
            _names([one.type for one in told]),
            pa.array(moments, MOMENT),
            pa.array(unmatched, pa.int32()),
            pa.array(counts, pa.int32()),
            pa.array([one.event for one in entries], pa.binary()),
            pa.array([one.booking for one in entries], pa.binary()),
            pa.array([one.hashes or None for one in entries], pa.binary()),
        ],
        schema=ENTRIES,
    )


def _turned(rows: Sequence[tuple[Any, ...]], width: int) -> Sequence[tuple[Any, ...]]:
    """Columns of rows that are `width` wide."""
    return list(zip(*rows, strict=True)) if rows else [()] * width


def _each(values: pa.Array, counts: Sequence[int]) -> pa.Array:
    """Every value as often as it is counted."""
    ends = pa.array([end for end, count in zip(accumulate(counts), counts, strict=True) if count], pa.int64())
    kept = values.filter(pa.array([count > 0 for count in counts], pa.bool_()))
    return pc.run_end_decode(pa.RunEndEncodedArray.from_arrays(ends, kept))


def _places(blocks: Sequence[Block]) -> list[pa.Array]:
    """Partition, height, number and recorded time of every entry."""
    headers = [block.header for block in blocks]
    counts = [one.entries for one in headers]
    numbers = chain.from_iterable(range(one.first_seq, one.first_seq + one.entries) for one in headers)
    return [
        _each(pa.array([one.partition for one in headers], pa.int32()), counts),
        _each(pa.array([one.height for one in headers], pa.int64()), counts),
        pa.array(list(numbers), pa.int64()),
        _each(pa.array([one.recorded_at for one in headers], MOMENT), counts),
    ]


def _postings(of_entry: Sequence[pa.Array], posted: Sequence[list[_Posting]], counts: Sequence[int]) -> pa.Table:
    rows = list(chain.from_iterable(posted))
    days, movements, amounts, raws, reasons, initiatives = _turned(rows, 6)
    entry = _each(pa.array(range(len(counts)), pa.int64()), counts)
    found: dict[bytes, int] = {}
    of_cell = pa.array([found.setdefault(cell, len(found)) for cell in map(bytes, raws)], pa.int32())
    cells = [one.take(of_cell) for one in _cells([*found])]
    return pa.table(
        [
            *[one.take(entry) for one in of_entry],
            pa.array(days, pa.int32()).cast(pa.date32()),
            _names(movements),
            pa.array(amounts, pa.int64()),
            *cells[:-1],
            _names(reasons),
            _names(initiatives),
            cells[-1],
        ],
        schema=POSTINGS,
    )


def _cells(raws: Sequence[bytes]) -> list[pa.Array]:
    """The columns of some cells: their names, who sold them, the months of their term, attributes of the account."""
    *named, labels = _turned(list(map(_CELL.decode, raws)), 6)
    found: dict[bytes, int] = {}
    of_labels = pa.array([found.setdefault(one, len(found)) for one in map(bytes, labels)], pa.int32())
    *sold, months, attributes = _turned([_labels(one) for one in found], len(_SOLD) + 2)
    told = [
        *map(_names, sold),
        pa.array(months, pa.int32()),
        pa.array(attributes, pa.map_(pa.string(), pa.string())),
    ]
    return [*map(_names, named), *[one.take(of_labels) for one in told]]


@lru_cache(maxsize=50_000)
def _labels(raw: bytes) -> tuple[Any, ...]:
    """Who sold a contract, the months of its term, and the attributes of its account."""
    named = dict(_LABELS.decode(raw))
    sold = [named.pop(name, "") for name in _SOLD]
    months = named.pop("term_months", None)
    return *sold, None if months is None else int(months), list(named.items())


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
