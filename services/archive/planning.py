"""Planning: into which ranges of blocks what is not sealed yet is to be cut, alike by whoever looks."""

from collections.abc import Iterable

from services.archive.catalogue import Catalogue
from services.archive.chunks import block_at
from services.archive.sealing import Range
from services.ledgers.port import Chains


async def unsealed_ranges(
    ledger: Chains, found: Catalogue, partitions: Iterable[int], segment_entries: int, *, rest_before: int | None = None
) -> list[Range]:
    """Ranges of `segment_entries` entries, or a block more; and what is left over where it is old enough.

    `rest_before`: what is left over is a range of its own if its first entry was recorded before this moment,
    in microseconds; None: never. Blocks without entries at the end are left to the next range.
    """
    ranges: list[Range] = []
    for partition in partitions:
        ranges += await _of_partition(ledger, found, partition, segment_entries, rest_before)
    return ranges


async def _of_partition(
    ledger: Chains, found: Catalogue, partition: int, segment_entries: int, rest_before: int | None
) -> list[Range]:
    height, seq = found.until(partition), found.end_seq(partition)
    tail = await ledger.tail(partition)
    end_seq = 0 if tail is None else tail.end_seq
    ranges: list[Range] = []
    while end_seq - seq >= segment_entries:
        last = await ledger.block_of(partition, seq + segment_entries - 1)
        assert last is not None, "the tail says that the entry is there"
        ranges.append(Range(partition, height, last.height + 1, last.end_seq - seq))
        height, seq = last.height + 1, last.end_seq
    if seq < end_seq and rest_before is not None:
        first, last = await ledger.block_of(partition, seq), await ledger.block_of(partition, end_seq - 1)
        assert first is not None, "the tail says that there is an entry"
        assert last is not None, "and a last one"
        if first.recorded_at < rest_before:
            ranges.append(Range(partition, height, last.height + 1, end_seq - seq))
    return ranges


async def missing_range(ledger: Chains, partition: int, from_height: int, until_height: int) -> Range:
    """A range of blocks that were sealed once; raises LedgerError if the ledger has them no more."""
    first = await block_at(ledger, partition, from_height)
    last = await block_at(ledger, partition, until_height - 1)
    return Range(partition, from_height, until_height, last.next_seq - first.header.first_seq)
