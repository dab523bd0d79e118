"""What the HTTP service is given: where events go in, how far the views are, and what answers are read from."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from events.refusals import Refused
from services.alerts.board import Board
from services.ledgers.port import Ledger, StoredBlock
from services.reports import Reports
from services.views.port import Position, Views
from services.writer import Outcome

Positions = Mapping[int, Position]
"""Partition -> how far its views reach."""

Unread = Callable[[Mapping[int, StoredBlock | None]], Awaitable[Mapping[int, int]]]
"""By the last blocks of the partitions: how many events of each partition's input are still to be read."""


class Progress(Protocol):
    """Tells how far the views are, whoever moves them."""

    async def now(self) -> Positions:
        """How far the views of every partition reach; raises ViewsError."""
        ...

    async def moved(self, seen: Positions) -> Positions:
        """Waits until the views stand elsewhere than where they were seen; a store that is away is waited for."""
        ...

    def ended(self) -> str:
        """Why the views will not move any more for what this process does; empty if that is not so."""
        ...


class Entrance(Protocol):
    """Where events go in."""

    @property
    def waiting(self) -> int:
        """How many events wait to be acknowledged."""
        ...

    async def submit(self, events: Sequence[bytes], source: str) -> list[Outcome]:
        """What became of each event, once that is durable; what is refused is kept, with where it came from.

        Raises:
            Busy: too many events wait already; nothing of the call was taken.
            LedgerError, DeadLettersUnavailable: nothing of the call is acknowledged; sending it again is harmless.
        """
        ...

    async def keep(self, raw: bytes, refused: Refused, source: str) -> int:
        """Keeps what holds no event as a dead letter; its number. Raises as `submit`."""
        ...

    async def kept(self) -> Mapping[str, int]:
        """How many dead letters there are, by reason where that is known; raises as `submit`."""
        ...


class Served(Struct, frozen=True):
    """All that one HTTP service is made of; `policy` is the stamp of the one in force.

    `is_projecting`: the views are moved by this very process, whose health is theirs.
    """

    ledger: Ledger
    views: Views
    reports: Reports
    policy: str
    partitions: Sequence[int]
    progress: Progress
    entrance: Entrance
    is_projecting: bool
    unread: Unread | None = None
    board: Board | None = None
