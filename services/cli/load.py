"""`revledger load`: events from files into the ledger."""

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Annotated, Final

import typer
from msgspec import Struct

from services.cli.failures import DONE, NOT_DONE, WRONG_USAGE, Failure
from services.cli.options import Data, examples, settings_of
from services.cli.running import run, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from services.cli.doors import Door
    from services.cli.lines import Batch, Reading
    from services.cli.progress import Bar
    from services.settings import Settings
    from services.writer import Outcome


EXAMPLES: Final = examples(
    "revledger load events.jsonl",
    "revledger demo-data | revledger load - --data ./books --as-recorded",
)


def load(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", show_default=False, help="JSON lines, also .gz; - is standard input."),
    ],
    data: Data = None,
    as_recorded: Annotated[
        bool,
        typer.Option(
            "--as-recorded",
            help="Take the `recordedtime` of each event for the ledger's clock; it must not run backwards.",
        ),
    ] = False,
) -> None:
    """Append events to the ledger.

    They are CloudEvents, one JSON object a line.

    Prints {"accepted", "duplicates", "refused", "unmatched", "position"}. Refused events go to the dead letters
    with their reasons, and the exit status is 1. Loading the same file again is harmless: what is there already
    counts as a duplicate.

    With REVLEDGER_KAFKA set, events wait in Kafka for a writer to book them, and are counted as "queued"; the other
    numbers then tell only what is refused at once.
    """
    from services.cli.lines import Reading, require_files

    require_files(files)
    settings = settings_of(data)
    reading = Reading(files)
    tally = Tally()
    try:
        run(_loaded(settings, reading, tally, as_recorded=as_recorded))
    except BaseException:
        if tally.events:
            told(f"{tally.told()} before it ended; load the same again: what is in counts as a duplicate then.")
        raise
    finally:
        reading.stop()
    _end(tally, settings)


class Reason(Struct):
    """Why some events were refused: how many, and the first of them."""

    count: int
    place: str
    message: str


class Tally:
    """What became of the events of a load."""

    def __init__(self) -> None:
        self.accepted = 0
        self.duplicates = 0
        self.refused = 0
        self.unmatched = 0
        self.queued: int | None = None
        self.position: dict[str, int] = {}
        self.reasons: dict[str, Reason] = {}

    @property
    def events(self) -> int:
        """How many events were looked at."""
        return self.accepted + self.duplicates + self.refused + (self.queued or 0)

    def add(self, batch: "Batch", outcomes: "list[Outcome]") -> None:
        """Counts the outcomes of a batch."""
        statuses = [outcome.status for outcome in outcomes]
        self.accepted += statuses.count("accepted")
        self.duplicates += statuses.count("duplicate")
        if "queued" in statuses:
            self.queued = (self.queued or 0) + statuses.count("queued")
        self.unmatched += sum([outcome.unmatched for outcome in outcomes])
        if "refused" in statuses:
            for index, outcome in enumerate(outcomes):
                if outcome.status == "refused":
                    self._refuse(batch.place(index), outcome)

    def _refuse(self, place: str, outcome: "Outcome") -> None:
        self.refused += 1
        reason = self.reasons.setdefault(outcome.code, Reason(0, place, outcome.message))
        reason.count += 1

    def told(self) -> str:
        """The counts in words."""
        if self.queued is not None:
            return f"{self.queued:,} queued, {self.refused:,} refused"
        return f"{self.accepted:,} accepted, {self.duplicates:,} duplicates, {self.refused:,} refused"

    def shown(self) -> dict[str, object]:
        """The counts as they are printed."""
        names = ("accepted", "duplicates", "refused", "unmatched", "position")
        counts = {**{name: getattr(self, name) for name in names}, "unmatched": max(0, self.unmatched)}
        return counts if self.queued is None else {**counts, "queued": self.queued}


async def _loaded(settings: "Settings", reading: "Reading", tally: Tally, *, as_recorded: bool) -> None:
    from services.cli.doors import open_door
    from services.cli.progress import Bar
    from services.compose import owner_of
    from services.tuning import garbage_spared

    if settings.is_distributed:
        tally.queued = 0
    if settings.is_distributed and as_recorded:
        raise Failure(
            "REVLEDGER_KAFKA is set, and writers go by their own clock: load without --as-recorded, or unset it to load"
            " into a ledger in a directory.",
            WRONG_USAGE,
        )
    owner = None if settings.is_distributed else owner_of(settings.data)
    if as_recorded and owner is not None and owner.url:
        raise Failure(
            f"A service runs on {settings.data} (process {owner.pid}, {owner.url}) and goes by its own clock: stop it"
            " first, or load without --as-recorded."
        )
    with garbage_spared(), Bar("loading", reading.total_bytes) as bar:
        async with open_door(settings, as_recorded=as_recorded) as door:
            await _delivered(door, reading, tally, bar)
            tally.position = await door.finish()


async def _delivered(door: "Door", reading: "Reading", tally: Tally, bar: "Bar") -> None:
    """Delivers batch after batch; the next is read meanwhile."""
    began = time.monotonic()
    batches = reading.batches()
    upcoming = asyncio.create_task(_next(batches))
    try:
        while (batch := await upcoming) is not None:
            upcoming = asyncio.create_task(_next(batches))
            tally.add(batch, await door.deliver(batch.events, batch.place))
            pace = tally.events / max(0.001, time.monotonic() - began)
            bar.at(reading.read_bytes, f"{tally.events:,} events, {pace:,.0f}/s")
    finally:
        reading.stop()
        await asyncio.wait([upcoming])


async def _next(batches: "Iterator[Batch]") -> "Batch | None":
    return await asyncio.to_thread(next, batches, None)


def _end(tally: Tally, settings: "Settings") -> None:
    import msgspec

    sys.stdout.write(msgspec.json.encode(tally.shown()).decode() + "\n")
    if not tally.refused:
        raise typer.Exit(DONE)
    told(f"{tally.refused:,} refused:")
    for code, reason in sorted(tally.reasons.items(), key=lambda item: -item[1].count):
        told(f"  {code} {reason.count:,}, the first at {reason.place}: {reason.message}")
    option = "" if settings.is_distributed else f" --data {settings.data}"
    told(f"They are kept: see `revledger dead-letters list{option}`.")
    raise typer.Exit(NOT_DONE)
