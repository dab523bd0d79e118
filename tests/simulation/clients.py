"""Clients of the simulation: they send, repeat and reorder events until each one is acknowledged."""

import asyncio
from collections.abc import Sequence

from services.intake import Busy, Intake
from services.ledgers.port import LedgerError
from services.writer import Outcome, Place
from tests.simulation.arrivals import MALFORMED
from tests.simulation.faults import Fuse


class Promises:
    """What was acknowledged: the place of each event, which must never be another."""

    def __init__(self) -> None:
        self.places: dict[bytes, Place] = {}

    def note(self, raw: bytes, outcome: Outcome) -> None:
        """An answer has reached a client."""
        if raw in MALFORMED:
            assert outcome.status == "refused", outcome
            return
        if outcome.status == "refused":
            assert outcome.code == "id_conflict", f"{outcome} for {raw!r}"
            return
        assert outcome.place is not None
        known = self.places.setdefault(raw, outcome.place)
        assert known == outcome.place, f"acknowledged at {known}, then at {outcome.place}: {raw!r}"


class Client:
    """One client with its own events to send; it outlives every process it talks to."""

    def __init__(self, todo: Sequence[bytes], conflicts: dict[bytes, list[bytes]], promises: Promises) -> None:
        self.todo = list(todo)
        self._conflicts = conflicts
        self._promises = promises

    async def send(self, intake: Intake, fuse: Fuse) -> None:
        """Sends batches until all is acknowledged."""
        while self.todo:
            for _ in range(fuse.dice.choice((0, 0, 10, 60))):
                await asyncio.sleep(0)
            batch = self._batch(fuse)
            try:
                outcomes = await intake.submit(batch, "simulation")
            except (LedgerError, Busy):
                await asyncio.sleep(0)
                continue
            fuse.touch("answer")
            if fuse.loses_answer():
                continue
            for raw, outcome in zip(batch, outcomes, strict=True):
                self._promises.note(raw, outcome)
            self.todo = [raw for raw in self.todo if raw not in self._promises.places]

    def _batch(self, fuse: Fuse) -> list[bytes]:
        """The next events, some twice, with some that are there already, some changed, some no events at all."""
        dice = fuse.dice
        batch = self.todo[: dice.choice((1, 2, 5, 30))]
        batch += dice.choices(self.todo, k=dice.randrange(3))
        sent = list(self._promises.places)
        if sent:
            again = dice.choices(sent, k=dice.randrange(3))
            batch += again
            batch += [dice.choice(self._conflicts[raw]) for raw in again if dice.randrange(3) == 0]
        batch += dice.choices(MALFORMED, k=dice.randrange(2))
        if dice.randrange(3) == 0:
            dice.shuffle(batch)
        return batch
