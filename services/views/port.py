"""What a views store promises: hashes that change together with the ledger position they reflect."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import msgspec


class Position(msgspec.Struct, frozen=True):
    """How far into a partition's ledger the views reach.

    `next_height` is the block to fold next, `last_hash` the hash of the one before, `last_seq` the last entry
    folded. `recorded_at` (of that block) and `newest_event_at` are in microseconds since 1970-01-01 UTC.
    """

    next_height: int
    last_hash: bytes
    last_seq: int
    recorded_at: int
    newest_event_at: int


START: Final = Position(next_height=0, last_hash=b"", last_seq=-1, recorded_at=0, newest_event_at=0)
"""Where a partition without views stands; `position` answers None for it."""

Field = bytes | str
Value = bytes | str | int
Fields = Mapping[str, Value | None] | Mapping[bytes, Value | None] | Mapping[Field, Value | None]
"""Field -> the value it has from now on, never a difference; None removes the field."""

Writes = Mapping[str, Fields]
"""Key -> what changes in its hash."""


class ViewsError(Exception):
    """Any answer of a views store other than success."""


class Fenced(ViewsError):
    """A newer epoch holds the partition: stop, another projector is at work."""

    def __init__(self, partition: int, epoch: int, newest: int) -> None:
        super().__init__(
            f"Epoch {epoch} of partition {partition} is over: epoch {newest} holds it."
            " Stop projecting the partition here."
        )
        self.partition = partition
        self.epoch = epoch
        self.newest = newest


class Gap(ViewsError):
    """The views stand elsewhere than the writer thought: forget, read the position again, fold from there."""

    def __init__(self, partition: int, expected: int, stored: int) -> None:
        super().__init__(
            f"The views of partition {partition} are at height {stored}, not {expected}."
            " Read the position again and fold the ledger from there."
        )
        self.partition = partition
        self.expected = expected
        self.stored = stored


class ViewsUnavailable(ViewsError):
    """The store does not answer or does not accept now; `remedy` says what to do.

    A commit that ends so was stored whole or not at all. Read the position to learn which.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem} {remedy}")
        self.problem = problem
        self.remedy = remedy


class Views(Protocol):
    """Hashes of fields, by partition and key; one object serves one event loop.

    The store is a cache of the ledger: whatever it loses, it loses together with the position.
    Every call raises `ViewsUnavailable` when the store cannot be used, and works again once it can.
    """

    async def claim(self, partition: int) -> int:
        """Raises the partition's epoch by one and returns it; older epochs are fenced from then on."""
        ...

    async def position(self, partition: int) -> Position | None:
        """Where the views of the partition stand; None if there are none."""
        ...

    async def commit(
        self, partition: int, epoch: int, expected_next: int, position: Position, writes: Writes
    ) -> None:
        """One atomic compare-and-set: all the writes and the position, or nothing.

        A partition without a position counts as standing at height 0. An epoch above the stored one is
        taken over: the store has then lost its newest state, and its position with it.

        Raises:
            Fenced: the partition was claimed after `epoch`.
            Gap: the stored next height is not `expected_next`.
        """
        ...

    async def read(self, partition: int, key: str) -> dict[bytes, bytes]:
        """The whole hash; empty if there is none."""
        ...

    async def read_many(self, partition: int, keys: Sequence[str]) -> list[dict[bytes, bytes]]:
        """The hashes of the keys, in their order, in one round trip; not of one instant (see `snapshot`)."""
        ...

    async def read_fields(self, partition: int, key: str, fields: Sequence[Field]) -> list[bytes | None]:
        """The values of the fields, in their order; None for those that are not there."""
        ...

    async def read_each(
        self, partition: int, wanted: Mapping[str, Sequence[Field]]
    ) -> dict[str, list[bytes | None]]:
        """For every key the values of its fields, as `read_fields`; in one round trip, not of one instant."""
        ...

    async def snapshot(
        self, partition: int, keys: Sequence[str]
    ) -> tuple[Position | None, list[dict[bytes, bytes]]]:
        """The position and the hashes of the keys, in their order, all of one instant."""
        ...

    async def snapshot_with(
        self, partition: int, keys: Sequence[str], wanted: Mapping[str, Sequence[Field]]
    ) -> tuple[Position | None, list[dict[bytes, bytes]], dict[str, list[bytes | None]]]:
        """The same, and for every key of `wanted` the values of its fields, as `read_fields`; all of one instant."""
        ...

    async def keys(self, partition: int) -> list[str]:
        """The keys of the partition's hashes, sorted; an emptied one may still be among them."""
        ...

    async def clear(self, partition: int) -> None:
        """Removes the partition's hashes and position, at once; its epoch stays, so that a fence holds."""
        ...

    async def close(self) -> None:
        """Lets go of everything; closing twice is harmless."""
        ...


def stored_form(text: Field | Value) -> bytes:
    """The bytes a field or value is kept as: integers in decimal, text in UTF-8."""
    return text if isinstance(text, bytes) else str(text).encode()
