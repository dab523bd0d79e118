"""The chain within a Kafka topic: which records are in it, and where a height is to be found."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

import msgspec
from aiokafka import ConsumerRecord

from services.ledgers.port import LedgerDamaged, StoredBlock

HEADER: Final = "block"
"""The header of a record with all of a stored block but its data, in msgpack; the value is the data."""
INDEX_EVERY: Final = 64

_Header = tuple[int, int, int, int, int, bytes, bytes]
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final[msgspec.msgpack.Decoder[_Header]] = msgspec.msgpack.Decoder(_Header)


def header_of_block(block: StoredBlock) -> bytes:
    """What the header of a record says of its block."""
    return _ENCODER.encode(
        (
            block.partition,
            block.height,
            block.first_seq,
            block.entries,
            block.recorded_at,
            block.prev_hash,
            block.hash,
        )
    )


def block_of_record(record: ConsumerRecord) -> StoredBlock:
    """The block in a record; raises LedgerDamaged for a record that is none."""
    return block_of_parts(record.topic, record.partition, record.offset, record.headers, record.value)


def block_of_parts(
    topic: str, partition: int, offset: int, headers: Sequence[tuple[str, bytes]], value: bytes | None
) -> StoredBlock:
    """The block in the parts of a record, as other clients name them."""
    try:
        (header,) = [data for name, data in headers if name == HEADER]
        block = StoredBlock(*_DECODER.decode(header), data=value or b"")
        _require_place(block, partition)
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        problem = (
            f"Offset {offset} of {topic} partition {partition} is not a block of a ledger: another program wrote it."
        )
        raise LedgerDamaged(problem, "Stop that program; the topic belongs to revledger's writers alone.") from error
    return block


def _require_place(block: StoredBlock, partition: int) -> None:
    """A copied topic may have its partitions in another order, or only be a part of what it was."""
    if block.partition != partition or block.height < 0:
        raise ValueError(f"block {block.height} of partition {block.partition}")


class Chain:
    """The reader rule: the block of a height is the first record with that height whose parent is in the chain."""

    def __init__(self, partition: int, next_height: int, last_hash: bytes | None = None) -> None:
        self._partition = partition
        self.next_height = next_height
        self._last_hash = last_hash
        self.skipped = 0

    def accepts(self, block: StoredBlock) -> bool:
        """Whether a record, the next of the topic, is in the chain; raises LedgerDamaged for a loss."""
        if block.height > self.next_height:
            problem = f"Blocks {self.next_height} to {block.height - 1} of partition {self._partition} are missing."
            raise LedgerDamaged(problem, "The ledger has lost records: stop, and restore its topic from a copy.")
        if block.height < self.next_height or self._last_hash not in {None, block.prev_hash}:
            self.skipped += 1
            return False
        self.next_height += 1
        self._last_hash = block.hash
        return True


def tail_in(window: Sequence[tuple[int, StoredBlock]], *, is_whole: bool) -> tuple[int, StoredBlock] | None:
    """Offset and block of the end of the chain, from the last records; None if these do not suffice to tell.

    `is_whole`: there is nothing before them.
    """
    highest = max(block.height for _, block in window)
    hashes: set[bytes] = set()
    for offset, block in window:
        if block.height == highest and (block.prev_hash in hashes or (is_whole and highest == 0)):
            return offset, block
        hashes.add(block.hash)
    if is_whole:
        raise LedgerDamaged("The ledger's topic does not begin with block 0.", "Restore it from a copy.")
    return None


class HeightIndex:
    """Where some heights are: a height is at its own number or later, by as many records as were skipped before."""

    def __init__(self) -> None:
        self._heights: list[int] = []
        self._offsets: list[int] = []
        self._seqs: list[int] = []

    def note(self, block: StoredBlock, offset: int) -> None:
        """Remembers where a block is, now and then."""
        if not self._heights or block.height >= self._heights[-1] + INDEX_EVERY:
            self._heights.append(block.height)
            self._offsets.append(offset)
            self._seqs.append(block.first_seq)

    def start_of(self, height: int) -> int:
        """An offset at which, or soon after which, the block of a height is."""
        place = bisect_right(self._heights, height) - 1
        return height if place < 0 else self._offsets[place] + height - self._heights[place]

    def heights_around(self, seq: int, highest: int) -> tuple[int, int]:
        """The lowest and the highest height that may hold an entry; `highest` of all."""
        place = bisect_right(self._seqs, seq) - 1
        low = 0 if place < 0 else self._heights[place]
        high = self._heights[place + 1] if place + 1 < len(self._heights) else highest
        return low, min(high, highest)
