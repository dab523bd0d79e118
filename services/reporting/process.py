"""Reports of a large book, which another process answers, so that questions and events do not wait for each other."""

import asyncio
import logging
import os
import socket
import sys
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from msgspec.structs import replace

from services.adoptions import Policies, begun_under, policies_of
from services.compose import Books
from services.questions import Question, QuestionError
from services.reporting.messages import REPLY, VALUES, Asked, Refused, Reply, Told, received, send
from services.reports import Answer, Reports
from services.settings import Settings
from services.tasks import cancelled

LARGE_ENTRIES: Final = 50_000
"""From so many entries on a process of its own is worth its memory; fewer are looked through in some milliseconds."""
AGAIN_SECONDS: Final = 30.0
"""How long questions are answered here after the other process could not be started, or ended by itself."""
END_SECONDS: Final = 5.0
_log: Final = logging.getLogger("revledger")


@asynccontextmanager
async def reporting(books: Books, settings: Settings, large_entries: int = LARGE_ENTRIES) -> AsyncIterator[Books]:
    """The same books, of which another process answers as soon as they are large."""
    beside = _Beside(books, settings, large_entries)
    policies = await policies_of(books.ledger) or begun_under(books.policy)
    reports = _ReportsBeside(books, policies, beside)
    beside.begin_if_large()
    try:
        yield replace(books, reports=reports)
    finally:
        await beside.close()


class _ReportsBeside(Reports):
    """Reports that another process answers where there is one."""

    def __init__(self, books: Books, policies: Policies, beside: "_Beside") -> None:
        super().__init__(books.ledger, books.views, policies)
        self._beside = beside

    async def bridge(self, question: Question) -> Answer:
        found = await self._beside.asked("bridge", question)
        return await super().bridge(question) if found is None else found

    async def figures(self, question: Question) -> Answer:
        found = await self._beside.asked("figures", question)
        return await super().figures(question) if found is None else found

    async def table(self, name: str, question: Question) -> Answer:
        found = await self._beside.asked(name, question)
        return await super().table(name, question) if found is None else found

    async def require_values(self, question: Question) -> None:
        if await self._beside.asked(VALUES, question) is None:
            await super().require_values(question)


class _Beside:
    """The other process: begun once the books are large, and again should it end."""

    def __init__(self, books: Books, settings: Settings, large_entries: int) -> None:
        self._books = books
        self._settings = settings
        self._large_entries = large_entries
        self._running: asyncio.Task[_Running] | None = None
        self._not_before = 0.0

    def begin_if_large(self) -> None:
        """Begins it, so that it has all accounts in memory when the first question comes."""
        if self._running is None and self._books.projector.position.last_seq >= self._large_entries:
            self._running = asyncio.create_task(_begun(self._settings), name="reporting")

    async def asked(self, report: str, question: Question) -> Answer | None:
        """The answer of the other process; None if it has to be found here. Raises QuestionError."""
        now = asyncio.get_running_loop().time()
        if now >= self._not_before:
            self.begin_if_large()
        if self._running is None:
            return None
        task = self._running
        try:
            running = await asyncio.shield(task)
            reply = await running.asked(report, question)
        except OSError as error:
            if self._running is task:
                _log.error("the process that answers questions is away, they are answered here meanwhile: %s", error)
                self._running, self._not_before = None, now + AGAIN_SECONDS
                await _closed(task)
            return None
        if isinstance(reply, Refused):
            raise QuestionError(reply.parameter, reply.message)
        return reply.answer if isinstance(reply, Told) else None

    async def close(self) -> None:
        """Ends the process; whoever still waits for an answer gets none of it."""
        if self._running is not None:
            await _closed(self._running)


class _Running:
    """A running process, and the questions it has."""

    def __init__(self, process: Process, reader: StreamReader, writer: StreamWriter) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._number = 0
        self._reading = asyncio.create_task(self._read(), name="replies")

    async def asked(self, report: str, question: Question) -> Reply:
        """What it replies; raises ConnectionError once it is gone."""
        if self._reading.done():
            raise ConnectionError("it has ended")
        self._number += 1
        number = self._number
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            send(self._writer, Asked(number, report, question))
            return await future
        finally:
            del self._waiting[number]

    async def close(self) -> None:
        """Ends it: it keeps nothing."""
        await cancelled([self._reading])
        self._writer.close()
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def _read(self) -> None:
        try:
            while (data := await received(self._reader)) is not None:
                reply = REPLY.decode(data)
                future = self._waiting.get(reply.number)
                if future is not None and not future.done():  # whoever asked may have gone
                    future.set_result(reply)
        finally:
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(ConnectionError("it ended before it answered (out of memory?)"))


async def _begun(settings: Settings) -> _Running:
    own, other = socket.socketpair()
    with other:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "services.reporting.worker", str(other.fileno())),
            stdin=DEVNULL,
            stdout=DEVNULL,
            pass_fds=[other.fileno()],
            env={
                "MALLOC_ARENA_MAX": "1",  # of glibc: threads take turns anyway, and each would keep memory
                **os.environ,
                "REVLEDGER_DATA": str(settings.data),
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            },
            start_new_session=True,  # Ctrl-C is for us, who end it
        )
    return _Running(process, *await asyncio.open_connection(sock=own))


async def _closed(task: "asyncio.Task[_Running]") -> None:
    """Ends a process, be it still on its way."""
    with suppress(OSError):
        await (await task).close()
