"""The intake: many callers, few batches; each hears of its own events, once they are durable."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from services.deadletters import DeadLetters
from services.intake import BATCH_EVENTS_MAX, Busy, Intake
from services.ledgers.port import LedgerUnavailable
from services.writer import Outcome, Place, Submitted
from tests.model.notation import fact, line
from tests.services.books import MemoryBooks, raw_of
from tests.services.running import asynchronous


def event(number: int) -> bytes:
    """A contract of an account, by number."""
    said = fact("signed", f"a{number}", "2024-01-10", lines=[line(1000)])
    return raw_of(said | {"subject": f"a{number % 10}"})


class SlowWriter:
    """A writer that waits until it is let go, and remembers the sizes of its batches."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer
        self.sizes: list[int] = []
        self.go = asyncio.Event()
        self.error: Exception | None = None

    async def write(self, items: Sequence[Submitted]) -> list[Outcome]:
        self.sizes.append(len(items))
        await self.go.wait()
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        outcomes: list[Outcome] = await self._writer.write(items)
        return outcomes


@asynccontextmanager
async def intake_of(
    directory: Path, waiting_max: int = 10_000
) -> AsyncIterator[tuple[Intake, SlowWriter, DeadLetters]]:
    """An intake that runs, in front of a writer that does not move yet."""
    books = await MemoryBooks().start()
    writer: Any = SlowWriter(books.writer)
    dead_letters = DeadLetters(directory)
    intake = Intake(writer, dead_letters, waiting_max)
    running = asyncio.create_task(intake.run())
    try:
        yield intake, writer, dead_letters
    finally:
        running.cancel()
        await asyncio.wait([running])
        dead_letters.close()


@asynchronous
async def test_callers_share_batches_and_hear_of_their_own(tmp_path: Path) -> None:
    async with intake_of(tmp_path) as (intake, writer, _):
        calls = [asyncio.create_task(intake.submit([event(n), event(n + 1)], "test")) for n in range(0, 20, 2)]
        await asyncio.sleep(0.01)
        writer.go.set()
        answers = await asyncio.gather(*calls)
    assert writer.sizes == [20]
    assert [one.place for answer in answers for one in answer] == [Place(0, 1, seq) for seq in range(20)]


@asynchronous
async def test_large_calls_are_cut(tmp_path: Path) -> None:
    async with intake_of(tmp_path) as (intake, writer, _):
        writer.go.set()
        outcomes = await intake.submit([event(number) for number in range(BATCH_EVENTS_MAX + 1)], "test")
    assert writer.sizes == [BATCH_EVENTS_MAX, 1]
    assert [one.place.seq for one in outcomes if one.place] == list(range(BATCH_EVENTS_MAX + 1))


@asynchronous
async def test_it_turns_away_what_is_too_much(tmp_path: Path) -> None:
    """But for a call that alone is more than may wait: it could never come in otherwise."""
    async with intake_of(tmp_path, waiting_max=3) as (intake, writer, _):
        first = asyncio.create_task(intake.submit([event(0)], "test"))
        await asyncio.sleep(0.01)
        second = asyncio.create_task(intake.submit([event(n) for n in range(1, 6)], "test"))
        await asyncio.sleep(0.01)
        assert intake.waiting == 5
        with pytest.raises(Busy):
            await intake.submit([event(6)], "test")
        writer.go.set()
        assert len(await first + await second) == 6
        assert len(await intake.submit([event(6)], "test")) == 1


@asynchronous
async def test_a_failed_write_is_told_to_all_of_its_callers(tmp_path: Path) -> None:
    """And the next batch is written."""
    async with intake_of(tmp_path) as (intake, writer, _):
        writer.error = LedgerUnavailable("The disk is full.", "Free some space.")
        calls = [asyncio.create_task(intake.submit([event(number)], "test")) for number in range(3)]
        await asyncio.sleep(0.01)
        writer.go.set()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(answer) for answer in answers] == [LedgerUnavailable] * 3
        assert [one.status for one in await intake.submit([event(0)], "test")] == ["accepted"]


@asynchronous
async def test_refused_events_are_kept_before_anybody_is_told(tmp_path: Path) -> None:
    """Whole, with their reason and where they came from; those beside them are written."""
    async with intake_of(tmp_path) as (intake, writer, dead_letters):
        writer.go.set()
        outcomes = await intake.submit([b"{", event(1), b"[]"], "somewhere")
        assert [one.status for one in outcomes] == ["refused", "accepted", "refused"]
        letters = dead_letters.waiting()
        assert [(one.id, one.raw, one.code, one.source) for one in letters] == [
            (outcomes[0].dead_letter, b"{", "not_json", "somewhere"),
            (outcomes[2].dead_letter, b"[]", "not_cloudevent", "somewhere"),
        ]


@asynchronous
async def test_a_caller_that_leaves_takes_nobody_along(tmp_path: Path) -> None:
    async with intake_of(tmp_path) as (intake, writer, _):
        leaving = asyncio.create_task(intake.submit([event(0)], "test"))
        staying = asyncio.create_task(intake.submit([event(1)], "test"))
        await asyncio.sleep(0.01)
        leaving.cancel()
        await asyncio.sleep(0)
        writer.go.set()
        assert (await staying)[0].status == "accepted"
        assert (await intake.submit([event(0)], "test"))[0].status == "duplicate", "it was on its way already"


@asynchronous
async def test_nobody_is_left_waiting_at_the_end(tmp_path: Path) -> None:
    """Neither those whose batch was being written nor those behind them."""
    async with intake_of(tmp_path) as (intake, _, _letters):
        calls = [asyncio.create_task(intake.submit([event(0)], "test"))]
        await asyncio.sleep(0.01)
        calls.append(asyncio.create_task(intake.submit([event(1)], "test")))
        await asyncio.sleep(0.01)
    done, waiting = await asyncio.wait(calls, timeout=5)
    assert not waiting
    assert all(call.cancelled() for call in done)
