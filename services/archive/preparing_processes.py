"""Preparing in several processes at once: Python threads would take turns at one core."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory
from typing import Final

import msgspec
import pyarrow as pa

from events.block import BlockDamaged
from services.archive.columns import Columns
from services.archive.manifests import TABLES
from services.archive.preparing import ALONE, Job, Workers
from services.archive.preparing_worker import ANSWER, Damaged, ask

WORKERS_MAX: Final = 4
"""More would wait for this process, which reads the ledger and writes Parquet."""
_Process = Popen[bytes]


class PreparingFailed(Exception):
    """A process that turned blocks into columns could not go on."""

    def __init__(self) -> None:
        super().__init__(
            "A process that prepared blocks for the archive ended before it was through (out of memory?). Nothing of"
            " the segment at hand was sealed: try again, with --workers 1 if memory is short"
        )


@asynccontextmanager
async def working(count: int | None = None) -> AsyncIterator[Workers]:
    """So many processes, by default as many as cores, begun when they are first needed; one: this process alone.

    Their jobs raise BlockDamaged, PreparingFailed.
    """
    count = min(count or len(os.sched_getaffinity(0)), WORKERS_MAX)
    if count == 1:
        yield ALONE
        return
    idle: asyncio.LifoQueue[_Process | None] = asyncio.LifoQueue()
    begun: list[_Process] = []
    for _ in range(count):
        idle.put_nowait(None)

    async def prepare(job: Job) -> Columns:
        process = await idle.get()
        if process is None:
            begun.append(process := _begun())
        try:
            columns = await asyncio.to_thread(_prepared_by, process, job)
        except BaseException:
            process.kill()  # whatever it is at: nobody waits for its answer
            idle.put_nowait(None)
            raise
        idle.put_nowait(process)
        return columns

    try:
        yield Workers(prepare, count + 1)
    finally:
        for process in begun:
            process.kill()  # it keeps nothing
        await asyncio.to_thread(_ended, begun)


def _begun() -> _Process:
    return Popen(
        [sys.executable, "-P", "-m", "services.archive.preparing_worker"],
        stdin=PIPE,
        stdout=PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        start_new_session=True,  # Ctrl-C is for us, who end it
    )


def _prepared_by(process: _Process, job: Job) -> Columns:
    """What a process makes of a job; raises BlockDamaged, PreparingFailed."""
    assert process.stdin is not None, "it is a pipe"
    assert process.stdout is not None, "it is a pipe"
    with TemporaryDirectory(prefix="revledger-preparing-", ignore_cleanup_errors=True) as folder:
        try:
            ask(process.stdin, job, Path(folder))
            answer = ANSWER.decode(process.stdout.readline())
        except (BrokenPipeError, msgspec.DecodeError) as error:
            raise PreparingFailed from error
        if isinstance(answer, Damaged):
            raise BlockDamaged(answer.message)
        tables = {name: pa.ipc.open_file(pa.memory_map(f"{folder}/{name}")).read_all() for name in TABLES}
        return Columns(**tables, count=answer.count, newest_event=answer.newest_event)


def _ended(processes: list[_Process]) -> None:
    for process in processes:
        with suppress(BrokenPipeError), process:  # closes the pipes and waits for it
            pass
