"""Made-up blocks: a chain the ledger can check, with data it cannot read."""

import hashlib

from services.ledgers.port import StoredBlock

GENESIS_HASH = bytes(32)


def next_block(
    tail: StoredBlock | None, *, partition: int = 0, entries: int = 1, data: bytes = b"\x00\xff data"
) -> StoredBlock:
    """A block that follows `tail`, recorded a microsecond later."""
    height = 0 if tail is None else tail.height + 1
    prev_hash = GENESIS_HASH if tail is None else tail.hash
    link = prev_hash + partition.to_bytes(4, "big") + height.to_bytes(8, "big") + data
    return StoredBlock(
        partition=partition,
        height=height,
        first_seq=0 if tail is None else tail.end_seq,
        entries=entries,
        recorded_at=1_700_000_000_000_000 if tail is None else tail.recorded_at + 1,
        prev_hash=prev_hash,
        hash=hashlib.sha256(link).digest(),
        data=data,
    )


def chain(length: int, *, partition: int = 0, entries: int = 1) -> list[StoredBlock]:
    """A whole chain from height 0, every block with data of its own."""
    blocks: list[StoredBlock] = []
    for number in range(length):
        tail = blocks[-1] if blocks else None
        data = f"{partition}/{number}".encode()
        blocks.append(next_block(tail, partition=partition, entries=entries, data=data))
    return blocks
