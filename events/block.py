"""Blocks: entries under one header, chained by hash; the bytes that are for ever.

A block is the msgpack array `[header, [[event, booking], ...]]`. `header` is the msgpack map of `Header`
as bytes, and its SHA-256 is the block's hash. `event` is the CloudEvent in JSON as it was received
(with a `textnonce`, or hashes instead of its texts: `events.freetext`), `booking` the msgpack array of `Booking`.
The leaf of an entry is SHA-256 of 0x00, the SHA-256 of the event, and the booking. An entry whose free text was
taken out is `[event, booking, hashes]`: the event as it is since, and the SHA-256 of the event as it was received,
which the leaf goes on being made of, and of the event as it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import ClassVar, Final

import msgspec
from msgspec import Raw, Struct

from events.account import Booking
from events.facts import Pairs
from events.merkle import LEAF, merkle_root
from events.movements import Movement, Posting
from events.policy import Policy
from events.refusals import Refused
from events.timeline import Cell, cell_of_bytes

FORMAT: Final = 1
NO_HASH: Final = bytes(32)
"""What the first block of a partition names as the hash before it."""
HASH_BYTES: Final = 32
BOOKING_BYTES_MAX: Final = 8 * 1024 * 1024
"""The largest booking of one event, in bytes: a block of one must fit into a record, and be folded while others wait.

Every posting carries the attributes of its account, so a small event can make a very large one.
"""


class Genesis(Struct, frozen=True, forbid_unknown_fields=True):
    """What block 0 of every partition fixes for the life of the ledger."""

    partitions: int
    policy: Policy


class Adopted(Struct, frozen=True, forbid_unknown_fields=True):
    """The policy that a partition goes over to with a block, and how many entries make the difference, from there on.

    They follow one another, none but they, in this block and as many after it as they need.
    """

    policy: Policy
    entries: int


class Header(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a block says about itself; `recorded_at` in microseconds, never decreasing along a partition."""

    format: int
    partition: int
    height: int
    first_seq: int
    entries: int
    recorded_at: int
    policy: str
    merkle_root: bytes
    prev_hash: bytes
    sources: dict[str, int] = {}
    genesis: Genesis | None = None
    adopts: Adopted | None = None


class Entry(Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """One event as received, and its booking in msgpack."""

    event: bytes
    booking: bytes
    hashes: ClassVar[bytes] = b""


class Redacted(Entry, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """An entry whose event had free text taken out; `hashes`: of the event as received, then as it is, 64 bytes."""

    hashes: bytes  # type: ignore[misc]


class Block(Struct, frozen=True):
    """A block with its hash and its exact bytes."""

    header: Header
    hash: bytes
    entries: list[Entry]
    data: bytes

    @property
    def next_seq(self) -> int:
        """The number of the entry that comes after this block."""
        return self.header.first_seq + self.header.entries


class BlockDamaged(Exception):
    """The bytes of a block are not what was sealed."""


class _Wire(Struct, array_like=True, frozen=True):
    header: bytes
    entries: list[Entry]


class RawPosting(Struct, array_like=True, frozen=True, gc=False):
    """A posting with its cell still in msgpack, for whoever meets the same cells again and again."""

    day: int
    movement: Movement
    amount: int
    cell: Raw
    reason: str = ""
    initiative: str = ""


class RawCell(Struct, array_like=True, frozen=True, gc=False):
    """A cell with its labels still in msgpack: many cells share them."""

    currency: str
    contract: str
    line: str
    plan: str
    product: str
    labels: Raw


class RawBooking(Struct, array_like=True, frozen=True, gc=False):
    """A booking with its cells still in msgpack."""

    seq: int
    account: str
    moment: int
    unmatched: int
    postings: list[RawPosting]


_ENCODER: Final = msgspec.msgpack.Encoder()
_WIRE: Final = msgspec.msgpack.Decoder(_Wire)
_LOOSE: Final = msgspec.msgpack.Decoder(tuple[bytes, list[list[bytes]]])
_HEADER: Final = msgspec.msgpack.Decoder(Header)
_HEADED: Final = msgspec.msgpack.Decoder(tuple[bytes, Raw])
_BOOKING: Final = msgspec.msgpack.Decoder(RawBooking)
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError)
_CELL: Final = msgspec.msgpack.Decoder(RawCell)
_LABELS: Final = msgspec.msgpack.Decoder(Pairs)


def entry_leaf(entry: Entry) -> bytes:
    """The leaf hash of an entry."""
    return entry_leaves([entry])[0]


def entry_leaves(entries: Iterable[Entry]) -> list[bytes]:
    """The leaf hashes of entries."""
    return [
        sha256(LEAF + (one.hashes[:HASH_BYTES] or sha256(one.event).digest()) + one.booking).digest()
        for one in entries
    ]


def entry_of(event: bytes, booking: Booking) -> Entry:
    """An entry from the event as received and what it did."""
    return Entry(event, _ENCODER.encode(booking))


def kept_entry(event: bytes, booking: bytes, hashes: bytes) -> Entry:
    """An entry from its parts; no `hashes`: nothing was taken out of its event."""
    return Redacted(event, booking, hashes) if hashes else Entry(event, booking)


def require_keepable(entry: Entry, booking: Booking) -> None:
    """Raises Refused for a booking that is larger than `BOOKING_BYTES_MAX`."""
    if len(entry.booking) > BOOKING_BYTES_MAX:
        sentence = (
            f"the event would make {len(booking.postings):,} postings, {len(entry.booking):,} bytes of more than"
            f" {BOOKING_BYTES_MAX:,}: the account {booking.account!r} has too many lines and attributes for one event"
            " to touch. Remove attributes, end contracts that are over, or split the account"
        )
        raise Refused("too_many_postings", sentence)


def booking_of(entry: Entry) -> Booking:
    """What an entry did; raises BlockDamaged."""
    (raw,) = raw_bookings_of([entry])
    postings = [
        Posting(one.day, one.movement, one.amount, cell_of_raw(bytes(one.cell)), one.reason, one.initiative)
        for one in raw.postings
    ]
    return Booking(raw.seq, raw.account, raw.moment, raw.unmatched, postings)


def raw_bookings_of(entries: Iterable[Entry]) -> list[RawBooking]:
    """What entries did, their cells left in msgpack; raises BlockDamaged."""
    decode = _BOOKING.decode
    try:
        return [decode(one.booking) for one in entries]
    except _UNREADABLE as error:
        raise BlockDamaged(f"a booking cannot be read: {error}") from error


def cell_of_raw(data: bytes) -> Cell:
    """The cell of a raw posting; raises BlockDamaged."""
    try:
        return cell_of_bytes(data)
    except _UNREADABLE as error:
        raise BlockDamaged(f"the cell of a booking cannot be read: {error}") from error


def raw_cell_of(data: bytes) -> RawCell:
    """The same, its labels left in msgpack; raises BlockDamaged."""
    try:
        return _CELL.decode(data)
    except _UNREADABLE as error:
        raise BlockDamaged(f"the cell of a booking cannot be read: {error}") from error


def labels_of_raw(data: bytes) -> Pairs:
    """The labels of a raw cell; raises BlockDamaged."""
    try:
        return _LABELS.decode(data)
    except _UNREADABLE as error:
        raise BlockDamaged(f"the labels of a booking cannot be read: {error}") from error


def seal(
    before: Block | None,
    entries: Sequence[Entry],
    *,
    partition: int,
    recorded_at: int,
    policy: str,
    sources: Mapping[str, int] | None = None,
    genesis: Genesis | None = None,
    adopts: Adopted | None = None,
) -> Block:
    """The next block of a partition; its clock never runs behind that of the block before."""
    header = Header(
        format=FORMAT,
        partition=partition,
        height=0 if before is None else before.header.height + 1,
        first_seq=0 if before is None else before.next_seq,
        entries=len(entries),
        recorded_at=recorded_at if before is None else max(recorded_at, before.header.recorded_at),
        policy=policy,
        merkle_root=merkle_root(entry_leaves(entries)),
        prev_hash=NO_HASH if before is None else before.hash,
        sources=dict(sources or {}),
        genesis=genesis,
        adopts=adopts,
    )
    head = data_of_header(header)
    return Block(header, sha256(head).digest(), list(entries), data_of(head, entries))


def block_of(data: bytes) -> Block:
    """A block from its bytes, its hash worked out anew; raises BlockDamaged."""
    try:
        wire = _wire_of(data)
        header = _HEADER.decode(wire.header)
    except _UNREADABLE as error:
        raise BlockDamaged(f"a block cannot be read: {error}") from error
    if header.format != FORMAT:
        raise BlockDamaged(f"format {header.format} is newer than this revledger reads ({FORMAT}): upgrade it")
    if header.entries != len(wire.entries):
        raise BlockDamaged(f"block {header.height} says {header.entries} entries and has {len(wire.entries)}")
    return Block(header, sha256(wire.header).digest(), wire.entries, data)


def _wire_of(data: bytes) -> _Wire:
    try:
        return _WIRE.decode(data)
    except msgspec.ValidationError:
        header, rows = _LOOSE.decode(data)
        if not all(len(row) == 2 or (len(row) == 3 and len(row[2]) == 2 * HASH_BYTES) for row in rows):
            raise
    return _Wire(header, [kept_entry(*row) if len(row) == 3 else Entry(*row) for row in rows])


def header_bytes(data: bytes) -> bytes:
    """The bytes of a block's header, whose SHA-256 is its hash; raises BlockDamaged."""
    try:
        return _HEADED.decode(data)[0]
    except _UNREADABLE as error:
        raise BlockDamaged(f"a block cannot be read: {error}") from error


def header_of(head: bytes) -> Header:
    """A header from its bytes; raises BlockDamaged."""
    try:
        return _HEADER.decode(head)
    except _UNREADABLE as error:
        raise BlockDamaged(f"the header of a block cannot be read: {error}") from error


def data_of_header(header: Header) -> bytes:
    """The bytes of a header."""
    return _ENCODER.encode(header)


def data_of(head: bytes, entries: Sequence[Entry]) -> bytes:
    """The bytes of a block, from those of its header and its entries."""
    return _ENCODER.encode(_Wire(head, list(entries)))


def check_next(before: Block | None, block: Block) -> None:
    """Raises BlockDamaged unless a block follows the one before it: height, hash, numbers and clock."""
    header = block.header
    expected = (0, NO_HASH, 0) if before is None else (before.header.height + 1, before.hash, before.next_seq)
    if (header.height, header.prev_hash, header.first_seq) != expected:
        raise BlockDamaged(f"block {header.height} does not follow block {expected[0] - 1} of its partition")
    if before is not None and header.recorded_at < before.header.recorded_at:
        raise BlockDamaged(f"the clock of block {header.height} runs backwards")


def check_entries(block: Block) -> None:
    """Raises BlockDamaged unless the entries of a block are those its Merkle root was made of."""
    if merkle_root(entry_leaves(block.entries)) != block.header.merkle_root:
        raise BlockDamaged(f"an entry of block {block.header.height} was changed after it was sealed")
