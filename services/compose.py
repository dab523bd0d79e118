"""The composition root: every entry point and every test builds the embedded service here."""

import asyncio
import fcntl
import json
import logging
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final, TextIO

from msgspec import Struct

from events import block as blocks
from events.block import Genesis
from events.policy import Policy
from services.accounts import Accounts
from services.adoptions import begun_under, policies_of
from services.deadletters import DeadLetters
from services.intake import Intake
from services.ledgers.port import Chains, Ledger, LedgerUnavailable
from services.ledgers.sqlite import sqlite_ledger
from services.ledgers.sqlite_file import make_directory
from services.policies import policy_in_force, zone_of
from services.projector import Projector
from services.reports import Reports
from services.settings import Settings
from services.views.port import Views, ViewsUnavailable
from services.views.redis import redis_views
from services.views.valkey import embedded_valkey, running_socket
from services.writer import Writer

LEDGER_FILE: Final = "ledger.db"
ACCOUNTS_FILE: Final = "accounts.db"
OWNER_FILE: Final = "service.lock"
RETRY_SECONDS: Final = 0.5
PATIENCE_SECONDS: Final = 10.0
_log = logging.getLogger("revledger")


class DataInUse(Exception):
    """Another process works on the data directory."""

    def __init__(self, directory: Path, owner: "Owner") -> None:
        where = f", which listens on {owner.url}" if owner.url else ""
        used = f"is in use by process {owner.pid}{where}: stop it, or use another --data"
        super().__init__(f"the data directory {directory} {used}")
        self.owner = owner


class ServiceStarting(DataInUse):
    """A service has taken the data directory and is not ready yet to be asked."""

    def __init__(self, directory: Path, owner: "Owner") -> None:
        super().__init__(directory, owner)
        sentence = (
            f"the service on the data directory {directory}, process {owner.pid}, is starting: ask again when it says"
            f" that it listens on {owner.url}, or ask {owner.url}/health/ready"
        )
        self.args = (sentence,)


class ServiceGone(Exception):
    """No service runs on the data directory any more."""

    def __init__(self, directory: Path) -> None:
        super().__init__(f"no service runs on {directory}")


class Owner(Struct, frozen=True):
    """The process that works on a data directory; `url` if it serves HTTP."""

    pid: int
    url: str = ""


class Books(Struct, frozen=True):
    """The embedded service: everything of one data directory, in one process."""

    ledger: Ledger
    views: Views
    writer: Writer
    projector: Projector
    dead_letters: DeadLetters
    reports: Reports
    policy: Policy
    alert_views: Views
    request_views: Views


@asynccontextmanager
async def owned_books(settings: Settings, url: str = "", *, keep_every: int = 10_000) -> AsyncIterator[Books]:
    """The books of a data directory, held alone; the writer is at the head, the projector has started.

    Raises:
        DataInUse: another process holds the directory and does not let go of it.
        PolicyDiffers: the ledger is under another policy than the settings name.
        LedgerError, ViewsError: the stores cannot be opened.
    """
    directory = settings.data
    make_directory(directory)
    async with AsyncExitStack() as stack:
        await _hold(stack, directory, url)
        ledger = await sqlite_ledger(directory / LEDGER_FILE)
        stack.push_async_callback(ledger.close)
        policies = await policies_of(ledger)
        policy = policy_in_force(None if policies is None else policies.in_force, settings.policy, settings.zone)
        accounts = Accounts(directory / ACCOUNTS_FILE, 0, settings.accounts_hot)
        zone = zone_of(policy)
        writer = Writer(ledger, accounts, policy, zone, keep_every=keep_every, free_text=settings.free_text)
        stack.push_async_callback(writer.close)
        await writer.start()
        valkey = await stack.enter_async_context(embedded_valkey(directory))
        views = redis_views(valkey)
        stack.push_async_callback(views.close)
        alert_views = redis_views(valkey, namespace=alerts_namespace(settings))
        stack.push_async_callback(alert_views.close)
        request_views = redis_views(valkey, namespace=requests_namespace(settings))
        stack.push_async_callback(request_views.close)
        projector = Projector(ledger, views)
        await projector.start()
        dead_letters = DeadLetters(directory)
        stack.callback(dead_letters.close)
        yield Books(
            ledger,
            views,
            writer,
            projector,
            dead_letters,
            Reports(ledger, views, policies or begun_under(policy)),
            policy,
            alert_views,
            request_views,
        )


def alerts_namespace(settings: Settings) -> str:
    """What the keys of the alerts' views start with: a position of their own, beside that of the projections."""
    return f"{settings.prefix}:alerts"


def requests_namespace(settings: Settings) -> str:
    """Likewise of what people ask about alerts."""
    return f"{settings.prefix}:alert-requests"


@asynccontextmanager
async def reports_of(settings: Settings) -> AsyncIterator[Reports]:
    """The reports of a data directory, as `projection_of` finds its stores."""
    async with projection_of(settings) as (ledger, views):
        yield await _reports(settings, ledger, views)


@asynccontextmanager
async def reports_beside(settings: Settings) -> AsyncIterator[tuple[Reports, Ledger, Views]]:
    """Reports, ledger and views of the service that runs on a data directory; raises ServiceGone if none does."""
    socket = running_socket(settings.data)
    if socket is None:
        raise ServiceGone(settings.data)
    async with _beside(settings, socket) as (ledger, views):
        yield await _reports(settings, ledger, views), ledger, views


async def _reports(settings: Settings, ledger: Ledger, views: Views) -> Reports:
    policies = await policies_of(ledger)
    policy = policy_in_force(None if policies is None else policies.in_force, settings.policy, settings.zone)
    return Reports(ledger, views, policies or begun_under(policy))


@asynccontextmanager
async def projection_of(settings: Settings) -> AsyncIterator[tuple[Ledger, Views]]:
    """Ledger and views of a data directory: of the service that runs on it, else with the views brought up to date.

    One that starts is waited for a few seconds; raises ServiceStarting, and what `owned_books` raises.
    """
    socket = await _socket_of(settings.data)
    if socket is None:
        async with owned_books(settings) as books:
            await books.projector.catch_up()
            yield books.ledger, books.views
        return
    async with _beside(settings, socket) as found:
        yield found


@asynccontextmanager
async def _beside(settings: Settings, socket: Path) -> AsyncIterator[tuple[Ledger, Views]]:
    """Ledger and views of a service that runs, given the socket of its views."""
    async with AsyncExitStack() as stack:
        ledger = await sqlite_ledger(settings.data / LEDGER_FILE)
        stack.push_async_callback(ledger.close)
        views = redis_views(socket)
        stack.push_async_callback(views.close)
        yield ledger, views


async def _socket_of(directory: Path) -> Path | None:
    """The views server of the process that works on a data directory; raises ServiceStarting."""
    waited = 0.0
    while (owner := owner_of(directory)) is not None:
        socket = running_socket(directory)
        if socket is not None or not owner.url:
            return socket
        if waited >= PATIENCE_SECONDS:
            raise ServiceStarting(directory, owner)
        await asyncio.sleep(0.05)
        waited += 0.05
    return None


@asynccontextmanager
async def projecting(books: Books) -> AsyncIterator[asyncio.Task[None]]:
    """Keeps the views at the head of the ledger meanwhile; the task ends only with an error."""
    task = asyncio.create_task(_project(books.projector), name="projector")
    try:
        yield task
    finally:
        await _ended(task)


@asynccontextmanager
async def taking_in(books: Books, waiting_max: int, tick_seconds: int | None = None) -> AsyncIterator[Intake]:
    """Takes events in meanwhile; whoever still waits when it ends is told nothing, and sends again."""
    intake = Intake(books.writer, books.dead_letters, waiting_max, tick_seconds)
    task = asyncio.create_task(intake.run(), name="intake")
    try:
        yield intake
    finally:
        await _ended(task)


def owner_of(directory: Path) -> Owner | None:
    """The process that works on a data directory now, if any."""
    with suppress(FileNotFoundError), (directory / OWNER_FILE).open("r+") as file:
        if not _lock(file):
            text = file.read()
            return Owner(**json.loads(text)) if text else Owner(0)
    return None


@asynccontextmanager
async def holding(directory: Path, url: str = "") -> AsyncIterator[None]:
    """Holds a data directory alone meanwhile, for a process that keeps something in it; raises DataInUse."""
    make_directory(directory)
    async with AsyncExitStack() as stack:
        await _hold(stack, directory, url)
        yield


async def _hold(stack: AsyncExitStack, directory: Path, url: str) -> None:
    """Holds the directory until the stack unwinds; a process on its way out gets a few seconds."""
    waited = 0.0
    file = stack.enter_context((directory / OWNER_FILE).open("a+"))
    while not _lock(file):
        owner = owner_of(directory)
        if owner is not None and (owner.url or waited >= PATIENCE_SECONDS):
            raise DataInUse(directory, owner)
        await asyncio.sleep(0.05)
        waited += 0.05
    file.truncate(0)
    file.write(json.dumps({"pid": os.getpid(), "url": url}))
    file.flush()
    stack.callback(file.truncate, 0)


def _lock(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def genesis_of(ledger: Chains) -> Genesis | None:
    """What the first block of partition 0 fixed; None for an empty ledger."""
    async for stored in ledger.read(0, 0, 1):
        return blocks.block_of(stored.data).header.genesis
    return None


async def _project(projector: Projector) -> None:
    """Projects, and begins again whenever a store was away for a while."""
    while True:
        try:
            await projector.run()
        except (ViewsUnavailable, LedgerUnavailable) as error:
            _log.warning("projection waits: %s", error)
            await _started_again(projector)


async def _started_again(projector: Projector) -> None:
    """Returns once the projector has started: a claim whose answer was lost fences off whoever goes on without it."""
    while True:
        await asyncio.sleep(RETRY_SECONDS)
        with suppress(ViewsUnavailable, LedgerUnavailable):
            await projector.start()
            return


async def _ended(task: asyncio.Task[None]) -> None:
    """Ends a task; an error it ended with before is raised."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
