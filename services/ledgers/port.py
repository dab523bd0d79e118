"""What a ledger promises, whatever it is kept in: one chain of opaque blocks per partition, only extended."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Protocol

import msgspec


class StoredBlock(msgspec.Struct, frozen=True):
    """One block as the ledger keeps it: the fields that chain it, and bytes it does not look into.

    `entries` may be zero. Entries are numbered from 0 within a partition without gaps, so the block holds the
    entries `first_seq` to `first_seq + entries - 1`. `recorded_at` is in microseconds since 1970-01-01 UTC.
    """

    partition: int
    height: int
    first_seq: int
    entries: int
    recorded_at: int
    prev_hash: bytes
    hash: bytes
    data: bytes

    @property
    def end_seq(self) -> int:
        """The number the first entry of the next block has."""
        return self.first_seq + self.entries


class LedgerError(Exception):
    """Any answer of a ledger other than success."""


class HeightTaken(LedgerError):
    """Another writer appended first: read the tail again and book again."""

    def __init__(self, partition: int, height: int) -> None:
        super().__init__(
            f"Height {height} of partition {partition} is taken: another writer appended first."
            " Read the tail again and book on top of it."
        )
        self.partition = partition
        self.height = height


class NotNext(LedgerError):
    """The block does not follow the tail; appending it would break the chain."""

    def __init__(self, partition: int, height: int, field: str, expected: object, found: object) -> None:
        super().__init__(
            f"Block {height} of partition {partition} does not follow the tail: its {field} is {found!r}"
            f" where {expected!r} is due. Read the tail again and build the block on top of it."
        )
        self.partition = partition
        self.height = height
        self.field = field
        self.expected = expected
        self.found = found


class LedgerUnavailable(LedgerError):
    """The place the ledger is kept in does not take or give blocks; `remedy` says what to do.

    An append that ends so has stored all its blocks or none. Where it matters which, read the tail.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem} {remedy}")
        self.problem = problem
        self.remedy = remedy


class LedgerDamaged(LedgerUnavailable):
    """What is kept is not what was written: waiting does not mend it."""


class NotALedger(LedgerError):
    """What is found in the ledger's place is something else; it is left untouched."""

    def __init__(self, place: str, found: str) -> None:
        super().__init__(
            f"{place} is not a revledger ledger ({found}). Nothing was changed in it."
            " Name another file or data directory, or move this one away."
        )
        self.place = place
        self.found = found


class NewerLedger(LedgerError):
    """The ledger was written by a later version of revledger than this one."""

    def __init__(self, place: str, found: int, known: int) -> None:
        super().__init__(
            f"{place} has ledger format {found}; this revledger knows formats up to {known}."
            " Upgrade revledger, then start again. Nothing was changed in the ledger."
        )
        self.place = place
        self.found = found
        self.known = known


class Chains(Protocol):
    """Chains of blocks to be read; one object serves one event loop."""

    async def tail(self, partition: int) -> StoredBlock | None:
        """The last block of the partition; None if it has none."""
        ...

    def read(self, partition: int, from_height: int = 0, until_height: int | None = None) -> AsyncIterator[StoredBlock]:
        """The blocks with `from_height <= height < until_height` in order, in bounded memory.

        Without `until_height` it ends at the tail it finds when it gets there.
        """
        ...

    def follow(self, partition: int, from_height: int) -> AsyncIterator[StoredBlock]:
        """The blocks from `from_height` on, and then each as it is appended; never ends.

        It wakes at once on an append made through this object, and within about 100 ms on another's.
        Raises `LedgerUnavailable` once the ledger is closed.
        """
        ...

    async def block_of(self, partition: int, seq: int) -> StoredBlock | None:
        """The block that holds entry `seq` of the partition; None if there is no such entry yet."""
        ...

    async def forks(self, partition: int) -> int:
        """How many blocks are kept that are no part of the chain: another writer's were there before them."""
        ...

    async def close(self) -> None:
        """Lets go of everything; an append in progress is finished first. Closing twice is harmless."""
        ...


class Ledger(Chains, Protocol):
    """Chains of blocks that only grow."""

    async def append(self, blocks: Sequence[StoredBlock]) -> None:
        """Appends all the blocks or none; they are durable when it returns.

        Blocks of several partitions may come together; those of one partition in order.

        Raises:
            HeightTaken: a block's height is already in the ledger.
            NotNext: a block does not follow its partition's tail.
            LedgerUnavailable: the blocks cannot be stored now.
        """
        ...


async def name_of(ledger: Chains) -> str:
    """What tells a ledger from all others, for ever: the hash of its first block, in hex; empty before there is one."""
    async for block in ledger.read(0, 0, 1):
        return block.hash.hex()
    return ""


def closed_ledger() -> LedgerUnavailable:
    """The error of every call after `close`."""
    return LedgerUnavailable("The ledger is closed.", "Open it again.")


def require_next(tail: StoredBlock | None, block: StoredBlock) -> None:
    """Raises unless `block` extends the chain that ends in `tail` (None: the partition is empty).

    The first block has height 0 and first entry 0; what its `prev_hash` points to is the writer's business.
    """
    height = 0 if tail is None else tail.height + 1
    if block.height < height:
        raise HeightTaken(block.partition, block.height)
    _require(block, "height", height, block.height)
    if tail is not None:
        _require(block, "prev_hash", tail.hash.hex(), block.prev_hash.hex())
    _require(block, "first_seq", 0 if tail is None else tail.end_seq, block.first_seq)
    if block.entries < 0:
        raise NotNext(block.partition, block.height, "entries", "0 or more", block.entries)
    if tail is not None and block.recorded_at < tail.recorded_at:
        due = f"{tail.recorded_at} or later"
        raise NotNext(block.partition, block.height, "recorded_at", due, block.recorded_at)


def _require(block: StoredBlock, field: str, expected: object, found: object) -> None:
    if expected != found:
        raise NotNext(block.partition, block.height, field, expected, found)


def require_chain(tails: Mapping[int, StoredBlock | None], blocks: Iterable[StoredBlock]) -> None:
    """Raises unless the blocks extend, one after the other, the chains that end in `tails` (by partition)."""
    ends = dict(tails)
    for block in blocks:
        require_next(ends[block.partition], block)
        ends[block.partition] = block
