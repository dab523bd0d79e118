"""Adoptions: the policies a ledger has had, each with the block it came into force with, read from the chain.

No two of them have the same stamp, so the blocks under one follow one another, and the first is found by halving.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from events import block as blocks
from events.block import Block, BlockDamaged
from events.policy import Policy
from services.ledgers.port import Chains
from services.questions import QuestionError
from services.views.port import ViewsUnavailable

PARTITION: Final = 0
"""Whose blocks tell: a ledger goes over to another policy in all of its partitions or in none."""


class Span(Struct, frozen=True):
    """A policy from the first block under it on; up to block `settled` the books are on their way to it."""

    policy: Policy
    height: int = 0
    settled: int = 0
    recorded_at: int = 0
    entries: int = 0


class Policies(Struct, frozen=True):
    """The policies of a ledger, the oldest first."""

    spans: tuple[Span, ...]

    @property
    def in_force(self) -> Policy:
        """The one that the next event is booked under."""
        return self.spans[-1].policy

    def at(self, height: int) -> Policy:
        """The one that the books up to a block are of."""
        return self._span(height).policy

    def known(self, heights: Mapping[int, int]) -> Policy:
        """The same of the last block of each partition."""
        return self.at(heights.get(PARTITION, 0))

    def unsettled(self, height: int) -> Span | None:
        """The adoption that a block is in the midst of: books up to there are neither the old nor the new ones."""
        span = self._span(height)
        return span if span.height <= height < span.settled else None

    def projected(self, heights: Mapping[str, int]) -> Policy:
        """That of figures which stand at a block; raises ViewsUnavailable where they are on the way to another one."""
        height = heights.get(str(PARTITION), 0)
        span = self.unsettled(height)
        if span is not None:
            problem = f"The figures stand at block {height}, in the midst of going over to policy {span.policy.stamp}."
            raise ViewsUnavailable(problem, f"Ask again when the projector has reached block {span.settled}.")
        return self.at(height)

    def require_settled(self, heights: Mapping[int, int], parameter: str) -> None:
        """Raises QuestionError for a position in the midst of an adoption: no policy's books stand there."""
        height = heights.get(PARTITION, -1)
        span = self.unsettled(height)
        if span is not None:
            sentence = (
                f"block {height} is in the midst of the adoption of policy {span.policy.stamp}: ask for block"
                f" {span.height - 1}, before it, or {span.settled}, after it"
            )
            raise QuestionError(parameter, sentence)

    def _span(self, height: int) -> Span:
        fitting = [span for span in self.spans if span.height <= height]
        return fitting[-1] if fitting else self.spans[0]


def begun_under(policy: Policy) -> Policies:
    """Those of a ledger that never had another policy."""
    return Policies((Span(policy),))


async def policies_of(ledger: Chains, until_height: int | None = None) -> Policies | None:
    """The policies that a ledger has had, up to a block or to its last; None for an empty one.

    Raises BlockDamaged, LedgerError.
    """
    tail = await ledger.tail(PARTITION)
    if tail is None:
        return None
    spans: list[Span] = []
    height = tail.height if until_height is None else min(tail.height, until_height)
    while height >= 0:
        first = await _first_like(ledger, height)
        spans.append(await _span_from(ledger, first))
        height = first.header.height - 1
    return Policies(tuple(reversed(spans))) if spans else None


async def _first_like(ledger: Chains, height: int) -> Block:
    """The first block under the policy of a block."""
    stamp = (await _block(ledger, height)).header.policy
    if (found := await _block(ledger, 0)).header.policy == stamp:
        return found
    low, high = 1, height
    while low < high:
        middle = (low + high) // 2
        is_under = (await _block(ledger, middle)).header.policy == stamp
        low, high = (low, middle) if is_under else (middle + 1, high)
    return await _block(ledger, low)


async def _span_from(ledger: Chains, first: Block) -> Span:
    header = first.header
    if header.genesis is not None:
        return Span(header.genesis.policy, recorded_at=header.recorded_at)
    if header.adopts is None:
        raise BlockDamaged(f"block {header.height} is under another policy than the one before it, and does not say so")
    settled = header.height
    if header.adopts.entries:
        last = await ledger.block_of(header.partition, header.first_seq + header.adopts.entries - 1)
        if last is None:
            raise BlockDamaged(f"the ledger ends in the midst of the policy adopted with block {header.height}")
        settled = last.height
    return Span(header.adopts.policy, header.height, settled, header.recorded_at, header.adopts.entries)


async def _block(ledger: Chains, height: int) -> Block:
    async for one in ledger.read(PARTITION, height, height + 1):
        return blocks.block_of(one.data)
    raise BlockDamaged(f"block {height} of partition {PARTITION} is missing")
