"""The process that answers: it says what the service would, may end at any time, and ends with the service."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from services.compose import Books, owned_books, projecting, taking_in
from services.questions import QuestionError, question_of
from services.reporting import process
from services.reporting.process import reporting
from services.reports import Answer, Reports
from services.settings import settings_from
from tests.model.notation import fact, line
from tests.services.books import parameters, raw_of
from tests.services.running import asynchronous

SIGNED = [fact("signed", account, "2024-01-01", lines=[line(500)]) for account in ("a1", "b1", "c1")]
LATER = [fact("cancelled", "a1", "2024-02-01"), fact("signed", "d1", "2024-02-01", lines=[line(900)])]
WINDOW = {"start": "2024-01-10", "until": "2024-03-01", "currency": "USD"}


class Service:
    """Books and reports beside them, with what takes events in."""

    def __init__(self, books: Books, beside: Books, submit: Any) -> None:
        self.books = books
        self.reports = beside.reports
        self._submit = submit

    async def book(self, events: list[dict[str, Any]]) -> None:
        """Takes events in, and waits until the views show them."""
        outcomes = await self._submit([raw_of(event) for event in events], "test")
        assert {one.status for one in outcomes} == {"accepted"}
        tail = await self.books.ledger.tail(0)
        assert tail is not None
        await self.books.projector.reached(tail.height)

    async def check(self) -> Answer:
        """Figures, which are those that are found in this process."""
        question = question_of(parameters({**WINDOW, "figures": "mrr_minor,nrr,accounts"}))
        answer, expected = await self.reports.figures(question), await self.books.reports.figures(question)
        assert {**answer, "as_of": None} == {**expected, "as_of": None}
        assert answer["as_of"]["position"] == expected["as_of"]["position"]
        return answer

    def pid(self) -> int | None:
        """The number of the other process, if there is one."""
        running: Any = self.reports._beside._running  # type: ignore[attr-defined]
        return None if running is None or not running.done() else running.result()._process.pid


@asynccontextmanager
async def service(directory: Path, large_entries: int) -> AsyncIterator[Service]:
    """A service whose books are large from so many entries on."""
    settings = settings_from({"REVLEDGER_DATA": str(directory)})
    async with (
        owned_books(settings) as books,
        reporting(books, settings, large_entries) as beside,
        projecting(beside),
        taking_in(beside, 100) as intake,
    ):
        yield Service(books, beside, intake.submit)


@asynchronous
async def test_another_process_says_the_same_once_the_books_are_large(tmp_path: Path) -> None:
    """Figures, a bridge, a table, many questions at once, and refusals with their parameter."""
    async with service(tmp_path, large_entries=4) as found:
        await found.book(SIGNED)
        await found.check()
        assert found.pid() is None, "few entries are looked through here"
        await found.book(LATER)
        await found.check()
        assert found.pid() is not None
        question = question_of(parameters(WINDOW))
        assert (await found.reports.bridge(question))["rows"] == (await found.books.reports.bridge(question))["rows"]
        table = question_of(parameters({"at": "2024-03-01", "currency": "USD"}))
        rows = (await found.reports.table("concentration", table))["rows"]
        assert rows == (await found.books.reports.table("concentration", table))["rows"] != []
        assert len(await asyncio.gather(*(found.check() for _ in range(20)))) == 20
        for wrong in ({**WINDOW, "by": "nobody"}, {**WINDOW, "currency": "SEK"}):
            refused = question_of(parameters(wrong))
            with pytest.raises(QuestionError) as there:
                await found.reports.checked(await found.reports.figures(refused), refused)
            with pytest.raises(QuestionError) as here:
                await found.books.reports.checked(await found.books.reports.figures(refused), refused)
            assert (there.value.parameter, there.value.message) == (here.value.parameter, here.value.message)
        filtered = question_of(parameters({**WINDOW, "where": "plan=prro"}))
        with pytest.raises(QuestionError, match="plan"):
            await found.reports.checked(await found.reports.figures(filtered), filtered)


@asynchronous
async def test_one_that_ends_is_begun_again_and_questions_are_answered_meanwhile(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Killed between two questions, and in the middle of one."""
    async with service(tmp_path, large_entries=0) as found:
        await found.book(SIGNED)
        await found.check()
        first = found.pid()
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        asking = asyncio.create_task(found.check())
        await asyncio.sleep(0.05)
        os.kill(first, signal.SIGKILL)
        await asking
        assert "answered here meanwhile" in caplog.text
        await found.check()
        assert found.pid() is None, "not again at once"
        with patch.object(process, "AGAIN_SECONDS", 0.0):
            found.reports._beside._not_before = 0.0  # type: ignore[attr-defined]
            await found.check()
            assert found.pid() not in (None, first)
            os.kill(found.pid() or 0, signal.SIGKILL)
            await found.book(LATER)
            await found.check()
            await found.check()
            assert found.pid() not in (None, first)


@asynchronous
async def test_it_ends_when_the_service_is_gone(tmp_path: Path) -> None:
    """However that went: the kernel closes what a killed process had open."""
    async with service(tmp_path, large_entries=0) as found:
        await found.book(SIGNED)
        await found.check()
        running: Any = found.reports._beside._running.result()  # type: ignore[attr-defined]
        running._writer.transport.abort()
        assert await running._process.wait() == 0
        await found.check()
        assert isinstance(found.reports, Reports)
