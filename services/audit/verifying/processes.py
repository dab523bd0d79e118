"""Partitions verified by several processes at once, as many as there are cores."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from services.audit.verifying.findings import Verified
from services.audit.verifying.job import Answer, Done, Failed, Job, Told
from services.audit.verifying.partition import Progress

KEEP_SECONDS: Final = 60.0
"""How long a process may take to keep its state when it is ended."""
LINE_BYTES_MAX: Final = 64 * 1024 * 1024
_ANSWER: Final[msgspec.json.Decoder[Answer]] = msgspec.json.Decoder(Answer)


class WorkerFailed(Exception):
    """A process that verified partitions could not go on; the message says why."""


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


async def done_by_processes(jobs: Sequence[Job], data: Path, workers: int, progress: Progress) -> list[Verified]:
    """Does jobs in `workers` processes; cancelled, each keeps the state of what it is at. Raises WorkerFailed."""
    waiting = iter(jobs)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_worked(waiting, data, progress)) for _ in range(workers)]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [verified for task in tasks for verified in task.result()]


async def _worked(waiting: Iterator[Job], data: Path, progress: Progress) -> list[Verified]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "services.audit.verifying.worker"),
        stdin=PIPE,
        stdout=PIPE,
        limit=LINE_BYTES_MAX,
        env={
            **os.environ,
            "REVLEDGER_DATA": str(data),
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        },
        start_new_session=True,
    )
    try:
        return [await _done_by(process, job, progress) for job in waiting]
    finally:
        await _ended(process)


async def _done_by(process: Process, job: Job, progress: Progress) -> Verified:
    assert process.stdin is not None, "it is a pipe"
    assert process.stdout is not None, "it is a pipe"
    process.stdin.write(msgspec.json.encode(job) + b"\n")
    with suppress(ConnectionError):  # it has ended: its answer says why, if it could give one
        await process.stdin.drain()
    while line := await process.stdout.readline():
        answer = _ANSWER.decode(line)
        if isinstance(answer, Told):
            progress(answer.partition, answer.entries)
        elif isinstance(answer, Done):
            return answer.verified
        elif isinstance(answer, Failed):
            raise WorkerFailed(answer.message)
    raise WorkerFailed(
        f"The process that verified partition {job.task.partition} ended before it was through (out of memory?)."
        " With --resume it goes on from what was kept."
    )


async def _ended(process: Process) -> None:
    """Ends a process: at once if it waits for a job, else when it has kept its state."""
    assert process.stdin is not None, "it is a pipe"
    process.stdin.close()
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.terminate()
    try:
        async with asyncio.timeout(KEEP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
