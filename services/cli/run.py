"""`revledger run`: one service of the distributed form."""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Final, Protocol

import typer

from services.cli.failures import WRONG_USAGE, Failure
from services.cli.options import Data, examples, settings_of
from services.cli.running import run
from services.cli.up import bound, url_of

if TYPE_CHECKING:
    from litestar import Litestar

    from services.metrics import Metrics
    from services.settings import Settings

NOT_DISTRIBUTED: Final = (
    "The services of the distributed form need Kafka and Redis: set REVLEDGER_KAFKA (such as kafka-1:9092,kafka-2:9092)"
    " and REVLEDGER_REDIS (such as redis://redis:6379/0). Without them, `revledger up` is the whole service in one"
    " process."
)
NOT_INSTALLED: Final = "This revledger is installed without Kafka: run `pip install 'revledger[kafka]'`."

STOP_SECONDS: Final = 10.0
STOP_TRIES: Final = 2
"""How often a service is asked to end, and how long it may take each time."""

services = typer.Typer(
    help="Run one service of the distributed form: Kafka in, a ledger on Kafka, views in Redis.",
    epilog=examples(
        "export REVLEDGER_KAFKA=localhost:9092 REVLEDGER_REDIS=redis://localhost:6379/0",
        "revledger run writer --port 8001",
        "revledger run projector --port 8002",
        "revledger run alerter --port 8003",
        "revledger run gateway --port 8000",
        "REVLEDGER_ARCHIVE=s3://books/archive revledger run archiver --port 8004",
    ),
    rich_markup_mode=None,
    no_args_is_help=True,
)

Host = Annotated[
    str | None, typer.Option("--host", help="Address to listen on; by default REVLEDGER_HOST or 127.0.0.1.")
]
Port = Annotated[
    int | None, typer.Option("--port", help="Port to listen on; by default REVLEDGER_PORT or 8000. 0: any.")
]


class Service(Protocol):
    """A service without HTTP of its own."""

    async def run(self) -> None:
        """Works until it is cancelled or something breaks."""
        ...

    async def not_live(self) -> str:
        """Why the process should be started again; empty if it should not."""
        ...

    async def not_ready(self) -> str:
        """Why it cannot do its work now; empty if it can."""
        ...


Opening = Callable[["Settings", "Metrics"], AbstractAsyncContextManager[Service]]


@services.command(epilog=examples("revledger run writer --data ./writer-1 --port 8001"))
def writer(data: Data = None, host: Host = None, port: Port = None) -> None:
    """Books the events of the topic into the ledger.

    Makes the topics if they are missing, and checks them. Run as many as there are partitions, each with a data
    directory of its own: there it keeps what it knows of the accounts, and builds it again should that be lost.

    Over HTTP: /health/live, /health/ready and /metrics. It ends in order on Ctrl-C or SIGTERM.
    """
    settings = _prepared(data, host, port)
    run(_Process(settings, "writer").run(lambda: _writer(settings), _opened_writer))


@services.command(epilog=examples("revledger run projector --port 8002"))
def projector(host: Host = None, port: Port = None) -> None:
    """Folds the ledger into the views in Redis.

    Waits until a writer has begun the ledger. Run as many as there are partitions.

    Over HTTP: /health/live, /health/ready and /metrics. It ends in order on Ctrl-C or SIGTERM.
    """
    settings = _prepared(None, host, port)
    run(_Process(settings, "projector").run(lambda: _begun(settings), _opened_projector))


@services.command(epilog=examples("REVLEDGER_ALERTS=alerts.toml revledger run alerter --port 8003"))
def alerter(host: Host = None, port: Port = None) -> None:
    """Looks at what comes into the ledger, and sends alerts.

    Waits until a writer has begun the ledger. It needs the projections, and so a projector. Run as many as there are
    partitions, all with the same file of rules (`revledger alerts check`).

    Over HTTP: /health/live, /health/ready and /metrics. It ends in order on Ctrl-C or SIGTERM.
    """
    settings = _prepared(None, host, port)
    run(_Process(settings, "alerter").run(lambda: _begun(settings), _opened_alerter))


@services.command(epilog=examples("revledger run gateway --host 0.0.0.0 --port 8000"))
def gateway(host: Host = None, port: Port = None) -> None:
    """Takes events over HTTP and answers from the views.

    Waits until a writer has begun the ledger. An event is acknowledged (202) once Kafka has it; a writer books it.

    Over HTTP: all that `revledger up` has. It ends in order on Ctrl-C or SIGTERM.
    """
    settings = _prepared(None, host, port)
    run(_Process(settings, "gateway").run_gateway())


@services.command(epilog=examples("revledger run archiver --port 8004"))
def archiver(host: Host = None, port: Port = None) -> None:
    """Seals the ledger into the archive as it grows.

    Waits until a writer has begun the ledger. One is enough; more do no harm, and share the work. REVLEDGER_ARCHIVE
    says where: a directory or a URL such as s3://bucket/folder. What `revledger archive --due` seals, it seals.

    Over HTTP: /health/live, /health/ready and /metrics. It ends in order on Ctrl-C or SIGTERM.
    """
    settings = _prepared(None, host, port)
    if not settings.archive_location:
        from services.cli.archive import NOWHERE

        raise Failure(NOWHERE, WRONG_USAGE)
    run(_Process(settings, "archiver").run(lambda: _begun(settings), _opened_archiver))


def _is_there(module: str) -> bool:
    """Whether a module is installed; one that is loaded already may have no specification, as faust."""
    return module in sys.modules or find_spec(module) is not None


def _prepared(data: str | None, host: str | None, port: int | None) -> "Settings":
    """The settings of a service of the distributed form; raises Failure where it cannot run."""
    settings = settings_of(data, host, port)
    if not settings.is_distributed:
        raise Failure(NOT_DISTRIBUTED, WRONG_USAGE)
    if not (_is_there("aiokafka") and _is_there("faust")):
        raise Failure(NOT_INSTALLED)
    from services.logs import log_to_stderr

    log_to_stderr(settings.log, settings.log_format)
    return settings


class _Waiting:
    """How a service is before it can begin."""

    async def not_live(self) -> str:
        return ""

    async def not_ready(self) -> str:
        return "it waits for Kafka or for the ledger to begin; the log says for what"


class _Vital:
    """How the service of this process is, whatever it is by now."""

    def __init__(self) -> None:
        self.is_now: _Waiting | Service = _Waiting()

    async def not_live(self) -> str:
        return await self.is_now.not_live()

    async def not_ready(self) -> str:
        return await self.is_now.not_ready()


class _Process:
    """One run of a service, from the signals that end it to what it says in the end."""

    def __init__(self, settings: "Settings", name: str) -> None:
        self._settings = settings
        self._name = name
        self._stopped = asyncio.Event()

    async def run(self, before: Callable[[], AbstractAsyncContextManager[None]], opening: Opening) -> None:
        """Runs a service without HTTP of its own, and its probes; raises what it died of.

        `before` is entered first, and left last.
        """
        from services.distributed import patiently
        from services.gateway.probes import probe_application
        from services.metrics import Metrics
        from services.tuning import tune

        vital, metrics = _Vital(), Metrics()

        async def work() -> None:
            async with before(), AsyncExitStack() as stack:
                service = await patiently(lambda: stack.enter_async_context(opening(self._settings, metrics)))
                vital.is_now = service
                tune()
                await service.run()

        with self._listening() as listener:
            async with _served(probe_application(vital, metrics), self._settings, listener):
                _say(f"revledger {self._name} has its probes on {url_of(listener)} (Ctrl-C ends it)")
                await self._until_stopped(work())
        _say("Stopped.")

    async def run_gateway(self) -> None:
        """Runs the gateway; before the ledger has begun, it has only probes."""
        from services import distributed
        from services.gateway import application
        from services.gateway.mirrored import keep_accounts, warm
        from services.gateway.probes import probe_application
        from services.metrics import Metrics
        from services.tasks import cancelled

        with self._listening() as listener:

            async def work() -> None:
                async with AsyncExitStack() as stack:
                    async with _served(probe_application(_Waiting(), Metrics()), self._settings, listener):
                        served = await distributed.patiently(
                            lambda: stack.enter_async_context(distributed.gateway(self._settings))
                        )
                    mirror = keep_accounts(served.reports, served.ledger, served.views, served.partitions)
                    warming = asyncio.create_task(warm(mirror), name="warming")
                    stack.push_async_callback(cancelled, [warming])
                    app = application(served, self._settings)
                    serving = await stack.enter_async_context(_served(app, self._settings, listener))
                    _say(f"revledger gateway listens on {url_of(listener)} (Ctrl-C ends it)")
                    await asyncio.wait([serving])  # to await the task itself would cut it off with us

            await self._until_stopped(work())
        _say("Stopped; everything acknowledged is in Kafka.")

    def _listening(self) -> socket.socket:
        """The socket, and the signals caught: both before anything that takes long."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopped.set)
        return bound(self._settings.host, self._settings.port)

    async def _until_stopped(self, work: "Awaitable[None]") -> None:
        """Works until a signal comes; raises what the work died of, and Failure if it ended by itself."""
        working = asyncio.ensure_future(work)
        stopping = asyncio.create_task(self._stopped.wait())
        try:
            await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            await _ended(working, self._name)
        if not self._stopped.is_set():
            raise Failure(f"The {self._name} has ended by itself, though nobody stopped it: start it again.")


async def _ended(working: "asyncio.Future[None]", name: str) -> None:
    """Ends the work, in order; raises what it died of. A library may swallow a request to end, so it is repeated."""
    for _ in range(STOP_TRIES):
        working.cancel()
        await asyncio.wait([working], timeout=STOP_SECONDS)
        if working.done():
            with suppress(asyncio.CancelledError):
                working.result()
            return
    raise Failure(f"The {name} did not end in order; nothing acknowledged is lost by that. Kill it if it still runs.")


@asynccontextmanager
async def _served(
    app: "Litestar", settings: "Settings", listener: socket.socket
) -> AsyncIterator["asyncio.Task[None]"]:
    """An application on a socket meanwhile; the socket stays open, so that another one can follow."""
    from services.cli.serving import announced_server

    server = announced_server(app, settings)
    serving = asyncio.create_task(server.serve(sockets=[listener.dup()]), name="server")
    listening = asyncio.create_task(server.listening.wait())
    try:
        await asyncio.wait([listening, serving], return_when=asyncio.FIRST_COMPLETED)
        yield serving
    finally:
        listening.cancel()
        server.should_exit = True
        await serving


@asynccontextmanager
async def _writer(settings: "Settings") -> AsyncIterator[None]:
    """The data directory held alone, and the topics made or found right."""
    from services.compose import holding
    from services.distributed import patiently
    from services.kafka.topics import ensure_topics

    async with holding(settings.data):
        await patiently(lambda: ensure_topics(settings))
        yield


@asynccontextmanager
async def _begun(settings: "Settings") -> AsyncIterator[None]:
    """A ledger that a writer has begun."""
    from services.distributed import begun

    await begun(settings)
    yield


def _opened_writer(settings: "Settings", metrics: "Metrics") -> AbstractAsyncContextManager[Service]:
    from services.kafka.writing import writer_service

    return writer_service(settings, metrics)


def _opened_projector(settings: "Settings", metrics: "Metrics") -> AbstractAsyncContextManager[Service]:
    from services.kafka.projecting import projector_service

    return projector_service(settings, metrics)


def _opened_alerter(settings: "Settings", metrics: "Metrics") -> AbstractAsyncContextManager[Service]:
    from services.kafka.alerting import alerter_service

    return alerter_service(settings, metrics)


def _opened_archiver(settings: "Settings", metrics: "Metrics") -> AbstractAsyncContextManager[Service]:
    from services.archive.keeping import archiver_service

    return archiver_service(settings, metrics)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
