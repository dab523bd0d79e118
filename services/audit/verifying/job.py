"""What verifying one partition takes, also in a process of its own: the job, its state on disk, what it answers."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from services.audit.verifying.findings import Verified
from services.audit.verifying.partition import Progress, Task, verified_partition
from services.audit.verifying.state import State
from services.ledgers.port import Chains
from services.turns import open_lock, turn

HOT_MIN: Final = 1_000


class VerifyingAlready(Exception):
    """Another process verifies the same partition and keeps its state in the same place."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"Another `revledger verify` is at work with {path}: wait for it or end it, then try again")
        self.path = path


class Job(Struct, frozen=True):
    """A task, the directory where its state is kept, and how many accounts stay in memory; others get it as JSON."""

    task: Task
    directory: str
    hot_max: int

    @property
    def state(self) -> Path:
        """Where its state is kept."""
        return Path(self.directory) / f"verify-{self.task.partition}.db"


class Told(Struct, frozen=True, tag="told"):
    """How far a job is."""

    partition: int
    entries: int


class Done(Struct, frozen=True, tag="done"):
    """What came of a job."""

    verified: Verified


class Failed(Struct, frozen=True, tag="failed"):
    """Why a job could not be done."""

    message: str


Answer = Told | Done | Failed


async def done(ledger: Chains, job: Job, progress: Progress) -> Verified:
    """Does a job; its state is kept if it is interrupted, and at the end if it was so long that it was kept before.

    Raises VerifyingAlready, or as `verified_partition`.
    """
    with _alone(job.state):
        state = State(job.state, job.task.partition, max(HOT_MIN, job.hot_max))
        try:
            verified = await verified_partition(ledger, job.task, state, progress)
            if state.was_kept:
                state.keep(verified)
        finally:
            state.close_or_remove()
        return verified


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    lock = open_lock(path)
    try:
        with turn(lock, 0):
            yield
    except TimeoutError as error:
        raise VerifyingAlready(path) from error
    finally:
        os.close(lock)
