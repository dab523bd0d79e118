"""The intake: events from many callers, written in batches as large as the ledger's pace makes them."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from services import clock
from services.deadletters import DeadLetters, Refusal
from services.ledgers.port import LedgerError
from services.writer import Outcome, Submitted, Writer

SourceOf = Callable[[int], str]
"""Where an event came from, by its index."""

BATCH_EVENTS_MAX: Final = 500
_log: Final = logging.getLogger("revledger")


class Busy(Exception):
    """More events wait to be written than may wait; try again in a moment."""


class Intake:
    """Takes events and tells what became of each, once that is durable."""

    def __init__(
        self, writer: Writer, dead_letters: DeadLetters, waiting_max: int, tick_seconds: int | None = None
    ) -> None:
        self._writer = writer
        self._tick_seconds = tick_seconds
        self._has_written = False
        self._dead_letters = dead_letters
        self._waiting_max = waiting_max
        self._waiting: list[tuple[Submitted, asyncio.Future[Outcome]]] = []
        self._arrived = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many events wait."""
        return len(self._waiting)

    async def submit(self, events: Sequence[bytes], source: str) -> list[Outcome]:
        """Writes events; refused ones are kept as dead letters, with where they came from.

        Raises:
            Busy: too many events wait already; nothing of the call was taken.
            LedgerError, DeadLettersUnavailable: nothing of the call is acknowledged, though some of it may be in
                the ledger: send it again, what is there counts as a duplicate.
        """
        if len(self._waiting) + len(events) > self._waiting_max and self._waiting:
            raise Busy
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in events]
        self._waiting += [(Submitted(raw), future) for raw, future in zip(events, futures, strict=True)]
        self._arrived.set()
        answers = await asyncio.gather(*futures, return_exceptions=True)
        outcomes: list[Outcome] = []
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            outcomes.append(answer)
        kept = await keep_refused(self._dead_letters, events, dict(enumerate(outcomes)), lambda _: source)
        numbers = iter(kept)
        return [
            replace(outcome, dead_letter=next(numbers)) if outcome.status == "refused" else outcome
            for outcome in outcomes
        ]

    async def run(self) -> None:
        """Writes what arrives, for ever; whoever still waits when it ends is cancelled."""
        try:
            while True:
                while not await self._something_arrived():
                    await self._tick()
                self._arrived.clear()
                while batch := self._waiting[:BATCH_EVENTS_MAX]:
                    del self._waiting[:BATCH_EVENTS_MAX]
                    await self._write(batch)
        finally:
            for _, future in self._waiting:
                future.cancel()
            self._waiting.clear()

    async def _something_arrived(self) -> bool:
        """Waits for events, or until it is time for a tick."""
        try:
            async with asyncio.timeout(self._tick_seconds):
                await self._arrived.wait()
        except TimeoutError:
            return False
        return True

    async def _tick(self) -> None:
        """Notes in the ledger that nothing came, if this process has recorded anything.

        A history that is only looked at gets no block of today: its next part, recorded in the past, still fits.
        """
        if self._has_written and self._tick_seconds is not None:
            try:
                await self._writer.tick(self._tick_seconds)
            except LedgerError as error:
                _log.warning("no tick was written: %s", error)

    async def _write(self, batch: Sequence[tuple[Submitted, asyncio.Future[Outcome]]]) -> None:
        try:
            outcomes = await self._writer.write([item for item, _ in batch])
        except BaseException as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
            if not isinstance(error, Exception):
                raise
            return
        self._has_written |= any(outcome.status == "accepted" for outcome in outcomes)
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if not future.done():
                future.set_result(outcome)


async def keep_refused(
    dead_letters: DeadLetters, events: Sequence[bytes], outcomes: Mapping[int, Outcome], source: SourceOf
) -> list[int]:
    """Keeps the refused ones whole, before anybody is told that they were refused; their numbers, in order.

    `outcomes` by the index of their event, which `source` tells the origin of.
    """
    refused = [
        Refusal(events[index], outcome.code, outcome.message, outcome.field, source(index), clock.now())
        for index, outcome in outcomes.items()
        if outcome.status == "refused"
    ]
    return await asyncio.to_thread(dead_letters.put_many, refused) if refused else []
