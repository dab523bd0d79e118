"""Blocks: sealed, chained, read back; and no byte of one can change unnoticed."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from events import block as b
from events.account import Booking
from events.merkle import leaf_hash, merkle_path, root_of_path
from events.movements import Posting
from events.policy import Policy
from events.timeline import Cell

POSTING = Posting(19_800, "churn", -120_000_000, Cell("USD", "k1", "l1", "pro", "", (("segment", "smb"),)), "price")


def entry(seq: int) -> b.Entry:
    """An entry with one posting."""
    return b.entry_of(b'{"id": "%d"}' % seq, Booking(seq, "acme", 1_700_000_000_000_000, 0, [POSTING]))


def chain(*sizes: int) -> list[b.Block]:
    """A genesis block and one block of so many entries each."""
    policy = Policy()
    genesis = b.Genesis(1, policy)
    blocks = [b.seal(None, [], partition=0, recorded_at=1_000, policy=policy.stamp, genesis=genesis)]
    for size in sizes:
        before = blocks[-1]
        entries = [entry(before.next_seq + index) for index in range(size)]
        blocks.append(b.seal(before, entries, partition=0, recorded_at=2_000, policy=policy.stamp, sources={"/a": 5}))
    return blocks


def check(before: b.Block | None, data: bytes) -> b.Block:
    """A block from its bytes with every check there is."""
    block = b.block_of(data)
    b.check_next(before, block)
    b.check_entries(block)
    return block


def test_a_chain_reads_back_as_it_was_sealed() -> None:
    before = None
    for sealed in chain(3, 0, 1, 7):
        read = check(before, sealed.data)
        assert read == sealed
        assert read.data == sealed.data
        before = read
    assert before is not None
    assert (before.header.height, before.next_seq) == (4, 11)


def test_the_hash_is_that_of_the_header_as_it_lies_there() -> None:
    sealed = chain(2)[1]
    header, entries = msgspec.msgpack.decode(sealed.data)
    assert sealed.hash == sha256(header).digest()
    said = msgspec.msgpack.decode(header)
    assert said["prev_hash"] == chain()[0].hash
    assert (said["height"], said["first_seq"], said["entries"]) == (1, 0, 2)
    assert said["sources"] == {"/a": 5}
    assert [event for event, _ in entries] == [b'{"id": "0"}', b'{"id": "1"}']


def test_genesis_says_what_holds_for_the_life_of_the_ledger() -> None:
    genesis, following = chain(1)
    assert genesis.header.genesis == b.Genesis(1, Policy())
    assert genesis.header.prev_hash == b.NO_HASH == bytes(32)
    assert following.header.genesis is None


def test_a_booking_reads_back() -> None:
    assert b.booking_of(entry(4)) == Booking(4, "acme", 1_700_000_000_000_000, 0, [POSTING])


def test_the_text_of_an_event_can_be_taken_out_and_its_leaf_still_be_known() -> None:
    one = entry(4)
    assert b.entry_leaf(one) == leaf_hash(sha256(one.event).digest() + one.booking)


def test_an_entry_is_proved_by_its_path() -> None:
    block = chain(5)[1]
    leaves = [b.entry_leaf(one) for one in block.entries]
    for index, leaf in enumerate(leaves):
        assert root_of_path(leaf, merkle_path(leaves, index)) == block.header.merkle_root


def test_the_clock_never_runs_backwards() -> None:
    block = b.seal(chain(1)[1], [], partition=0, recorded_at=5, policy="p")
    assert block.header.recorded_at == 2_000
    header = msgspec.structs.replace(block.header, recorded_at=1_999)
    with pytest.raises(b.BlockDamaged, match="backwards"):
        b.check_next(chain(1)[1], msgspec.structs.replace(block, header=header))


# ---------------------------------------------------------------- damage


@pytest.mark.parametrize("which", [0, 1, 2])
def test_no_byte_can_change_unnoticed(which: int) -> None:
    """Any bit of any byte turned: the block cannot be read, fails a check, or has another hash."""
    blocks = chain(1, 2)
    before = blocks[which - 1] if which else None
    good = blocks[which]
    for spot, byte in enumerate(good.data):
        for flip in (1, 2, 4, 8, 16, 32, 64, 128, 255):
            bad = good.data[:spot] + bytes([byte ^ flip]) + good.data[spot + 1 :]
            assert hash_of(before, bad) != good.hash, (spot, flip)


def hash_of(before: b.Block | None, data: bytes) -> bytes | None:
    """The hash of a block that passes every check, else None."""
    try:
        return check(before, data).hash
    except b.BlockDamaged:
        return None


def test_no_byte_can_be_missing_or_added() -> None:
    genesis, good = chain(2)
    for bad in [*(good.data[:length] for length in range(len(good.data))), good.data + b"\x00", b"\x00" + good.data]:
        with pytest.raises(b.BlockDamaged):
            check(genesis, bad)


def rewritten(block: b.Block, **changes: Any) -> bytes:
    """The bytes of a block whose header says something else."""
    header = msgspec.msgpack.encode(msgspec.structs.replace(block.header, **changes))
    return msgspec.msgpack.encode([header, block.entries])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": 2}, "upgrade"),
        ({"entries": 3}, "says 3 entries"),
        ({"height": 7}, "does not follow"),
        ({"first_seq": 1}, "does not follow"),
        ({"prev_hash": bytes(32)}, "does not follow"),
        ({"recorded_at": 1}, "backwards"),
        ({"merkle_root": bytes(32)}, "changed after it was sealed"),
    ],
)
def test_a_header_that_lies(changes: dict[str, Any], said: str) -> None:
    genesis, good = chain(2)
    with pytest.raises(b.BlockDamaged, match=said):
        check(genesis, rewritten(good, **changes))


def test_entries_cannot_change_places() -> None:
    genesis, good = chain(2)
    header, entries = msgspec.msgpack.decode(good.data)
    with pytest.raises(b.BlockDamaged, match="changed after it was sealed"):
        check(genesis, msgspec.msgpack.encode([header, entries[::-1]]))


def test_a_block_cannot_be_left_out_or_repeated() -> None:
    blocks = chain(1, 1, 1)
    for before, after in ((0, 2), (1, 1), (2, 1)):
        with pytest.raises(b.BlockDamaged, match="does not follow"):
            check(blocks[before], blocks[after].data)
    with pytest.raises(b.BlockDamaged, match="does not follow"):
        check(None, blocks[1].data)


def test_raw_bookings_are_bookings_with_cells_in_bytes() -> None:
    (raw,) = b.raw_bookings_of([entry(4)])
    (posting,) = raw.postings
    cell = bytes(posting.cell)
    assert (raw.seq, raw.account, raw.moment, raw.unmatched) == (4, "acme", 1_700_000_000_000_000, 0)
    assert (posting.day, posting.movement, posting.amount) == (POSTING.day, POSTING.movement, POSTING.amount)
    assert b.cell_of_raw(cell) == POSTING.cell
    part = b.raw_cell_of(cell)
    assert (part.currency, part.plan, part.product) == (POSTING.cell.currency, POSTING.cell.plan, POSTING.cell.product)
    assert b.labels_of_raw(bytes(part.labels)) == POSTING.cell.labels


@pytest.mark.parametrize("read", [b.cell_of_raw, b.raw_cell_of, b.labels_of_raw])
def test_a_cell_that_cannot_be_read(read: Callable[[bytes], object]) -> None:
    for bad in (b"", b"\xc1", msgspec.msgpack.encode(["USD", 5]), msgspec.msgpack.encode(POSTING.cell)[:-1]):
        with pytest.raises(b.BlockDamaged, match="of a booking cannot be read"):
            read(bad)


def test_a_booking_that_cannot_be_read() -> None:
    for bad in (b"", b"\xc1", b"\x95", entry(1).booking[:-1], entry(1).booking.replace(b"acme", b"\xff\xff\xff\xff")):
        with pytest.raises(b.BlockDamaged, match="booking"):
            b.booking_of(b.Entry(b"{}", bad))
