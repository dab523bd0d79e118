"""Moments of knowledge: up to which block of each partition the ledger had been recorded by then."""

from collections.abc import Sequence

from msgspec import Struct

from events.days import text_of_moment
from services.ledgers.port import Chains
from services.questions import Moment, QuestionError


class Known(Struct, frozen=True):
    """The last block of each partition, -1 for none; `final`: no other can come that was recorded by then."""

    heights: dict[int, int]
    final: bool = True


async def known_now(ledger: Chains, partitions: Sequence[int]) -> Known:
    """All that is in the ledger."""
    return Known({partition: await _head(ledger, partition) for partition in partitions})


async def known_at(ledger: Chains, partitions: Sequence[int], moment: Moment, parameter: str = "known_at") -> Known:
    """All that had been recorded by a moment; raises QuestionError, about `parameter`, for a position not reached."""
    if moment.is_now:
        return await known_now(ledger, partitions)
    if moment.time is None:
        return await _known_at_position(ledger, partitions, dict(moment.heights), parameter)
    found = {partition: await _known_at_time(ledger, partition, moment.time) for partition in partitions}
    return Known({partition: height for partition, (height, _) in found.items()}, all(one[1] for one in found.values()))


async def require_begun(ledger: Chains, known: Known, moment: Moment, parameter: str = "known_at") -> Known:
    """What was known at a moment; raises QuestionError for one before a ledger began that has begun."""
    if max(known.heights.values()) >= 0:
        return known
    first = [block.recorded_at for one in known.heights async for block in ledger.read(one, 0, 1)]
    if first:
        began = text_of_moment(min(first))
        raise QuestionError(parameter, f"{moment.text} is before the ledger began, at {began}: name a later moment")
    return known


async def _known_at_position(
    ledger: Chains, partitions: Sequence[int], heights: dict[int, int], parameter: str
) -> Known:
    if set(heights) != set(partitions):
        raise QuestionError(parameter, f"a position names every partition: {list(partitions)}")
    for partition, height in heights.items():
        if height > await _head(ledger, partition):
            raise QuestionError(parameter, f"partition {partition} has no block {height} yet")
    return Known({partition: heights[partition] for partition in partitions})


async def _known_at_time(ledger: Chains, partition: int, time: int) -> tuple[int, bool]:
    """The last block of a partition that was recorded by then, and whether no other can come."""
    tail = await ledger.tail(partition)
    if tail is None or tail.recorded_at <= time:
        return (-1 if tail is None else tail.height), False
    low, high = 0, tail.height
    while low < high:
        middle = (low + high) // 2
        async for block in ledger.read(partition, middle, middle + 1):
            low, high = (middle + 1, high) if block.recorded_at <= time else (low, middle)
    return low - 1, True


async def _head(ledger: Chains, partition: int) -> int:
    tail = await ledger.tail(partition)
    return -1 if tail is None else tail.height
