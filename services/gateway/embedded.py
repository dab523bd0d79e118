"""The embedded form as the HTTP service sees it: one partition, projected and written in this process."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from events.refusals import Refused
from services import clock
from services.alerts.board import Board
from services.alerts.requests import Requests
from services.compose import Books
from services.deadletters import DeadLetters
from services.gateway.mirrored import keep_accounts
from services.gateway.ports import Positions, Served
from services.intake import Intake
from services.projector import Projector
from services.writer import Outcome

PARTITION: Final = 0


def embedded(books: Books, intake: Intake, projection: asyncio.Task[None]) -> Served:
    """What is served of a data directory; `projection` is the task that moves its views."""
    keep_accounts(books.reports, books.ledger, books.views, (PARTITION,))
    return Served(
        books.ledger,
        books.views,
        books.reports,
        books.policy.stamp,
        (PARTITION,),
        InProcess(books.projector, projection),
        OwnWriter(intake, books.dead_letters),
        is_projecting=True,
        board=Board(books.alert_views, Requests(books.request_views), (PARTITION,)),
    )


class InProcess:
    """How far the projector of this process is."""

    def __init__(self, projector: Projector, projection: asyncio.Task[None]) -> None:
        self._projector = projector
        self._projection = projection

    async def now(self) -> Positions:
        return {PARTITION: self._projector.position}

    async def moved(self, seen: Positions) -> Positions:
        await self._projector.reached(seen[PARTITION].next_height)
        return await self.now()

    def ended(self) -> str:
        if not self._projection.done():
            return ""
        return "the projection has ended with an error, which is in the log: start the service again"


class OwnWriter:
    """The way to the writer of this process, and to the dead letters of its data directory."""

    def __init__(self, intake: Intake, dead_letters: DeadLetters) -> None:
        self._intake = intake
        self._dead_letters = dead_letters

    @property
    def waiting(self) -> int:
        return self._intake.waiting

    async def submit(self, events: Sequence[bytes], source: str) -> list[Outcome]:
        return await self._intake.submit(events, source)

    async def keep(self, raw: bytes, refused: Refused, source: str) -> int:
        put = self._dead_letters.put
        return await asyncio.to_thread(put, raw, refused.code, refused.message, refused.field, source, clock.now())

    async def kept(self) -> Mapping[str, int]:
        return await asyncio.to_thread(self._dead_letters.count)
