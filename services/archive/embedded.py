"""Sealing in the embedded form: processes of their own, of low priority, so that nobody waits for it."""

import asyncio
import logging
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from typing import Any, Final

import msgspec

from services import clock
from services.archive.manifests import REST_MICROSECONDS
from services.ledgers.port import Chains, LedgerUnavailable
from services.metrics import Metrics
from services.settings import Settings
from services.tasks import cancelled

FIRST_SECONDS: Final = 10.0
"""After the start, when there is much else to do."""
LOOK_SECONDS: Final = 10.0
REST_SECONDS: Final = 3_600.0
"""How often what is too little for a segment is looked at: it may have become a day old."""
RETRY_SECONDS: Final = 60.0
END_SECONDS: Final = 10.0
PRIORITY: Final = 10
NEEDED: Final = ("pyarrow", "obstore", "duckdb")
_log: Final = logging.getLogger("revledger")


class SealingFailed(Exception):
    """A process that was to seal has ended with an error; the message is what it said."""


@asynccontextmanager
async def archiving(
    ledger: Chains, settings: Settings, metrics: Metrics, first_seconds: float = FIRST_SECONDS
) -> AsyncIterator[None]:
    """Seals what is due of the ledger of a data directory meanwhile, unless the settings say not to."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if settings.sealing == "off" or missing:
        if missing:
            _log.info("nothing is archived: install revledger[audit] for it, or set REVLEDGER_SEALING=off")
        yield
        return
    task = asyncio.create_task(_Sealing(ledger, settings, metrics).run(first_seconds), name="sealing")
    try:
        yield
    finally:
        await cancelled([task])


class _Sealing:
    def __init__(self, ledger: Chains, settings: Settings, metrics: Metrics) -> None:
        self._ledger = ledger
        self._settings = settings
        self._metrics = metrics
        self._sealed = 0
        """How many entries are sealed, as far as is known."""
        self._again_at = 0
        """From when on what is too little is looked at again, in microseconds."""
        self._told = ""

    async def run(self, first_seconds: float) -> None:
        """Looks again and again; what goes wrong is logged, once, and tried again: the service goes on without."""
        await asyncio.sleep(first_seconds)
        while True:
            try:
                if await self._is_due():
                    await self._seal()
                self._told = ""
                await asyncio.sleep(LOOK_SECONDS)
            except (SealingFailed, LedgerUnavailable, OSError) as error:
                if str(error) != self._told:
                    _log.error("sealing failed, and is tried again: %s", error)
                self._told = str(error)
                self._metrics.sealing_failed.inc()
                await asyncio.sleep(RETRY_SECONDS)

    async def _is_due(self) -> bool:
        """Whether anything can be due, found out without a look into the archive."""
        tail = await self._ledger.tail(0)
        unsealed = (0 if tail is None else tail.end_seq) - self._sealed
        self._metrics.unsealed.labels(0).set(unsealed)
        if unsealed >= self._settings.segment_entries:
            return True
        if unsealed <= 0 or clock.now() < self._again_at:
            return False
        first = await self._ledger.block_of(0, self._sealed)
        return first is not None and first.recorded_at < clock.now() - REST_MICROSECONDS

    async def _seal(self) -> None:
        """Seals in a process of its own; raises SealingFailed."""
        answer = await _answer_of(self._settings)
        self._sealed = answer["sealed_entries"]["0"]
        self._again_at = clock.now() + int(REST_SECONDS * 1_000_000)
        self._metrics.unsealed.labels(0).set(answer["unsealed_entries"]["0"])
        for row in answer["rows"]:
            self._metrics.sealed.labels(0).inc(row["entries"])
            place = (row["from_height"], row["until_height"] - 1, row["entries"], answer["place"])
            _log.info("sealed blocks %d to %d, %d entries, into %s", *place)


async def _answer_of(settings: Settings) -> Any:
    """What `revledger archive --due` says; raises SealingFailed."""
    own = {"REVLEDGER_DATA": str(settings.data), "REVLEDGER_SEGMENT_ENTRIES": str(settings.segment_entries)}
    path = os.pathsep.join(path for path in sys.path if path)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "services.cli.main", "archive", "--due", "--format", "json"),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        env={**os.environ, **own, "REVLEDGER_ARCHIVE": settings.archive_location, "PYTHONPATH": path},
        start_new_session=True,  # Ctrl-C is for us, who end it
    )
    try:
        with suppress(ProcessLookupError, PermissionError):
            os.setpriority(os.PRIO_PROCESS, process.pid, PRIORITY)
        out, err = await process.communicate()
    except asyncio.CancelledError:
        await _ended(process)
        raise
    if process.returncode != 0:
        raise SealingFailed(err.decode(errors="replace").strip() or f"it ended with status {process.returncode}")
    return msgspec.json.decode(out)


async def _ended(process: Process) -> None:
    """Ends a process in order, which leaves no half segment behind; nor does it if it has to be killed."""
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(END_SECONDS):
            await process.communicate()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
