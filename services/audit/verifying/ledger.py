"""A whole ledger verified: all partitions, the file they are in, and what a checkpoint noted of them."""

import asyncio
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

from msgspec import Struct

from events import block as blocks
from events.block import BlockDamaged, Genesis
from events.checkpoint import Checkpoint, Head
from services.audit.opening import chains_read
from services.audit.redactions import redaction_findings
from services.audit.verifying.file import accounts_findings, file_findings
from services.audit.verifying.findings import Finding, Verified
from services.audit.verifying.job import Job, done
from services.audit.verifying.partition import Progress, Task
from services.audit.verifying.processes import cores, done_by_processes
from services.compose import ACCOUNTS_FILE, LEDGER_FILE
from services.ledgers.port import Chains, LedgerDamaged
from services.ledgers.sqlite_file import make_directory
from services.settings import Settings
from services.tuning import garbage_spared


class Wanted(Struct, frozen=True):
    """How to verify: one partition or all, from where a kept state ends or from the start, against a checkpoint."""

    partition: int | None = None
    resume: bool = False
    checkpoint: Checkpoint | None = None
    workers: int | None = None


class NoSuchPartition(Exception):
    """A partition was asked for that the ledger does not have."""

    def __init__(self, partition: int, partitions: int) -> None:
        super().__init__(f"the ledger has no partition {partition}, only 0 to {partitions - 1}")


class ForeignCheckpoint(Exception):
    """A checkpoint was given that was taken of another ledger: nothing of this one is held against it."""

    def __init__(self, noted: bytes, name: bytes) -> None:
        super().__init__(
            f"it is of another ledger, whose first block is {noted.hex()[:16]}, while that of this one is"
            f" {name.hex()[:16]}: name the ledger it was taken of with --data. If this should be that ledger, all of it"
            " was written anew: stop writing to it, and restore it from a copy made before"
        )


class Report(Struct, frozen=True):
    """What was verified; `ledger` is the hash of block 0 of partition 0, empty for an empty ledger.

    `findings` are all of them, those of the file first, then by partition and in the order they were met.
    """

    ledger: bytes
    partitions: list[Verified]
    findings: list[Finding]
    findings_count: int
    seconds: float
    is_file: bool
    checkpoint: Checkpoint | None = None

    @property
    def entries(self) -> int:
        """How many entries were verified."""
        return sum(one.entries for one in self.partitions)


async def verified_ledger(settings: Settings, wanted: Wanted, progress: Progress) -> Report:
    """Verifies the ledger of the settings, beside whoever writes it.

    Raises:
        NoLedger, LedgerError: there is none, or it cannot be read now; damage is a finding.
        NoSuchPartition: the one partition that was wanted is not there.
        ForeignCheckpoint: the checkpoint is of another ledger.
        VerifyingAlready, WorkerFailed: it could not be done.
    """
    began = time.monotonic()
    seen = [] if settings.is_distributed else await _outrun(settings.data)
    with _state_place(settings) as place:
        async with chains_read(settings) as ledger:
            genesis, name = await rule_of(ledger)
            if wanted.checkpoint is not None and _is_foreign(wanted, name) and await _is_begun_so(ledger, name):
                raise ForeignCheckpoint(wanted.checkpoint.ledger, name)
            partitions = _partitions(settings, wanted, genesis)
            pins = {} if _is_foreign(wanted, name) else _pins(wanted)
            tasks = [Task(one, genesis, pins.get(one), wanted.resume) for one in partitions]
            workers = min(len(tasks), wanted.workers or cores())
            hot_max = settings.accounts_hot // workers
            jobs = [Job(task, str(place), hot_max) for task in tasks]
            file = asyncio.create_task(_file_findings(settings, genesis))
            try:
                verified = await _done(settings, ledger, jobs, workers, progress)
                found = await file
                for one in verified:
                    one.forks = await _forks(ledger, one.partition)
            finally:
                file.cancel()
                await asyncio.wait([file])
            pinned = None if wanted.checkpoint is None or _is_foreign(wanted, name) else wanted.checkpoint.redactions
            path = None if settings.is_distributed else settings.data / LEDGER_FILE
            found = [*found, *await redaction_findings(ledger, path, verified, pinned)]
    findings = [*found, *seen, *_of_checkpoint(wanted, name, partitions)]
    each = [one for part in verified for one in part.findings]
    return Report(
        name,
        sorted(verified, key=lambda part: part.partition),
        [*findings, *sorted(each, key=lambda one: one.partition)],
        len(findings) + sum(part.findings_count for part in verified),
        time.monotonic() - began,
        not settings.is_distributed,
        wanted.checkpoint,
    )


async def rule_of(ledger: Chains) -> tuple[Genesis | None, bytes]:
    """What block 0 of partition 0 fixed, and its hash, which names the ledger; None where it cannot be read."""
    try:
        async for stored in ledger.read(0, 0, 1):
            block = blocks.block_of(stored.data)
            return block.header.genesis, block.hash
    except (BlockDamaged, LedgerDamaged, sqlite3.Error):
        pass  # told as a finding of partition 0
    return None, b""


@contextmanager
def _state_place(settings: Settings) -> Iterator[Path]:
    """Where states are kept: beside the data, or for the time being where nobody may write there."""
    if settings.is_distributed:
        make_directory(settings.data)
    if os.access(settings.data, os.W_OK):
        yield settings.data
        return
    with TemporaryDirectory(prefix="revledger-") as directory:
        yield Path(directory)


async def partitions_of(settings: Settings, ledger: Chains) -> Sequence[int]:
    """The partitions there are, or should be where damage hides it."""
    return _partitions(settings, Wanted(), (await rule_of(ledger))[0])


def _partitions(settings: Settings, wanted: Wanted, genesis: Genesis | None) -> Sequence[int]:
    unknown = settings.partitions if settings.is_distributed else 1
    count = unknown if genesis is None else genesis.partitions
    if wanted.partition is None:
        return range(count)
    if wanted.partition >= count:
        raise NoSuchPartition(wanted.partition, count)
    return [wanted.partition]


def _pins(wanted: Wanted) -> Mapping[int, Head]:
    return {} if wanted.checkpoint is None else wanted.checkpoint.by_partition()


async def _is_begun_so(ledger: Chains, name: bytes) -> bool:
    """Whether block 0 of partition 0 is what the next one follows: else it is damaged, whatever a checkpoint says."""
    if not name:
        return False
    try:
        return not [block async for block in ledger.read(0, 1, 2) if block.prev_hash != name]
    except (LedgerDamaged, sqlite3.Error):
        return False


def _is_foreign(wanted: Wanted, name: bytes) -> bool:
    return wanted.checkpoint is not None and wanted.checkpoint.ledger != name


async def _done(
    settings: Settings, ledger: Chains, jobs: Sequence[Job], workers: int, progress: Progress
) -> list[Verified]:
    if workers > 1:
        return await done_by_processes(jobs, settings.data, workers, progress)
    with garbage_spared():
        return [await done(ledger, job, progress) for job in jobs]


async def _file_findings(settings: Settings, genesis: Genesis | None) -> list[Finding]:
    """What is wrong with the file of an embedded ledger."""
    if settings.is_distributed:
        return []
    stopped = Event()
    partitions = None if genesis is None else genesis.partitions
    try:
        return await asyncio.to_thread(file_findings, settings.data / LEDGER_FILE, partitions, stopped)
    finally:
        stopped.set()


async def _forks(ledger: Chains, partition: int) -> int:
    """How many records are no part of a chain; where damage hides it, none are told."""
    try:
        return await ledger.forks(partition)
    except LedgerDamaged:
        return 0


async def _outrun(data: Path) -> list[Finding]:
    """Whether the writer has seen blocks that are not there."""
    return await asyncio.to_thread(accounts_findings, data / ACCOUNTS_FILE, data / LEDGER_FILE)


def _of_checkpoint(wanted: Wanted, name: bytes, partitions: Iterable[int]) -> list[Finding]:
    """Whether a checkpoint is of another ledger, or of partitions that the ledger has not."""
    checkpoint = wanted.checkpoint
    if checkpoint is None:
        return []
    if _is_foreign(wanted, name):
        due, found = checkpoint.ledger.hex(), name.hex() or "nothing"
        sentence = (
            f"The checkpoint is of another ledger ({due}) than this one ({found}), or its first block was rewritten."
        )
        return [Finding(0, 0, None, "checkpoint", due, found, sentence)]
    if wanted.partition is not None:
        return []
    return [
        Finding(head.partition, head.height, None, "checkpoint", f"block {head.height}", "no such partition", sentence)
        for head in checkpoint.heads
        if head.partition not in partitions
        and (sentence := f"The checkpoint names partition {head.partition}, which the ledger does not have.")
    ]
