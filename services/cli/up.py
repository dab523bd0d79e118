"""`revledger up`: the whole service with one command."""

import asyncio
import errno
import signal
import socket
import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from services.cli.failures import WRONG_USAGE, Failure
from services.cli.options import Data, examples, settings_of
from services.cli.running import run

if TYPE_CHECKING:
    from pathlib import Path

    from services.compose import Books
    from services.gateway import Server
    from services.settings import Settings

ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - not bound here, only made reachable
"""Addresses that mean all of a machine's -> the one that it reaches itself at."""


ELSEWHERE: Final = (
    "REVLEDGER_KAFKA is set, so the ledger is on Kafka: start `revledger run writer`, `revledger run projector` and"
    " `revledger run gateway`. For a ledger in a directory, unset REVLEDGER_KAFKA and REVLEDGER_REDIS."
)

EXAMPLES: Final = examples(
    "revledger up --demo",
    "revledger up --data ./books --host 0.0.0.0 --port 9000",
)


def up(
    data: Data = None,
    host: Annotated[
        str | None,
        typer.Option("--host", help="Address to listen on; by default REVLEDGER_HOST or 127.0.0.1."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", help="Port to listen on; by default REVLEDGER_PORT or 8000. 0: any."),
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Fill the ledger with a made-up company, if it is empty.")
    ] = False,
) -> None:
    """Run the whole service.

    Events come in over HTTP; ledger, projections, figures, the stream and the dashboard are in it.

    It ends in order on Ctrl-C or SIGTERM: what it has taken is written first.
    """
    from services.logs import log_to_stderr

    settings = settings_of(data, host, port)
    if settings.is_distributed:
        raise Failure(ELSEWHERE, WRONG_USAGE)
    log_to_stderr(settings.log, settings.log_format)
    run(_Service(settings, demo=demo).run())


class _Service:
    """One run of the service, from the signals that end it to what it says when it starts."""

    def __init__(self, settings: "Settings", *, demo: bool) -> None:
        self._settings = settings
        self._demo = demo
        self._server: Server | None = None
        self._task: asyncio.Task[object] | None = None
        self._is_stopped = False

    async def run(self) -> None:
        """Serves until a signal comes or something dies; raises what it died of."""
        from services.compose import DataInUse, owned_books, owner_of

        self._catch_signals()
        owner = owner_of(self._settings.data)
        if owner is not None and owner.url:
            raise DataInUse(self._settings.data, owner)
        listener = bound(self._settings.host, self._settings.port)
        try:
            url = url_of(listener)
            async with owned_books(self._settings, url) as books:
                await self._prepared(books)
                await self._served(books, listener, url)
        except asyncio.CancelledError:
            if not self._is_stopped:
                raise
        finally:
            listener.close()

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop, number)

    def _stop(self, number: int) -> None:
        """The server ends in its own order, on a second Ctrl-C at once; before there is one, all is undone."""
        if self._server is not None:
            self._server.handle_exit(number, None)
        elif self._task is not None and not self._is_stopped:
            self._is_stopped = True
            self._task.cancel()

    async def _prepared(self, books: "Books") -> None:
        if not self._demo:
            return
        if await books.ledger.tail(0) is not None:
            _say("The ledger is not empty: it stays as it is, without the made-up company.")
            return
        _say("Filling the empty ledger with a made-up company.")
        await _fill(books, self._settings.data)

    async def _served(self, owned: "Books", listener: socket.socket, url: str) -> None:
        from services.alerts.embedded import alerting
        from services.archive.embedded import archiving
        from services.cli.serving import announced_server
        from services.compose import projecting, taking_in
        from services.gateway import application
        from services.gateway.embedded import embedded
        from services.metrics import Metrics
        from services.reporting.process import reporting
        from services.tuning import settle

        metrics = Metrics()
        queue, tick = self._settings.queue_events_max, self._settings.tick_seconds or None
        async with (
            reporting(owned, self._settings) as books,
            projecting(books) as projection,
            taking_in(books, queue, tick) as intake,
            alerting(books, self._settings, metrics),
            archiving(books.ledger, self._settings, metrics),
        ):
            app = application(embedded(books, intake, projection), self._settings, metrics)
            self._server = server = announced_server(app, self._settings)
            settle()
            serving = asyncio.create_task(server.serve(sockets=[listener]), name="server")
            listening = asyncio.create_task(server.listening.wait())
            await asyncio.wait([listening, serving], return_when=asyncio.FIRST_COMPLETED)
            if server.started:
                await _announce(books, self._settings, url)
            await asyncio.wait([serving, projection], return_when=asyncio.FIRST_COMPLETED)
            server.should_exit = True
            await serving
        _say("Stopped; everything acknowledged is in the ledger.")


def bound(host: str, port: int) -> socket.socket:
    """A socket bound to the address; raises Failure if it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1)
    except OSError as error:
        listener.close()
        raise Failure(_why_not(host, port, error)) from error
    return listener


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is taken by another program: stop it, or choose another with --port (0: any)."
    if error.errno == errno.EACCES:
        return f"This user may not listen on port {port}: choose one from 1024 on with --port."
    return f"Nothing can listen on {host}:{port} ({error.strerror}): choose another address with --host."


def url_of(listener: socket.socket) -> str:
    """Where the service is reached from this machine."""
    address, port = listener.getsockname()[:2]
    host = ANYWHERE.get(address, address)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _fill(books: "Books", data: "Path") -> None:
    from itertools import islice

    from services.cli.doors import own_door
    from services.demo import demo_events

    events = demo_events()
    async with own_door(books, data, as_recorded=True) as door:
        while some := list(islice(events, 5_000)):
            await door.deliver(some, lambda index: f"demo:{index + 1}")
        await door.finish()


async def _announce(books: "Books", settings: "Settings", url: str) -> None:
    from services.variables import SETTINGS

    tail = await books.ledger.tail(0)
    default = next(one.default for one in SETTINGS if one.field == "data")
    data = "" if str(settings.data) == str(type(settings.data)(default)) else f" --data {settings.data}"
    height = "empty" if tail is None else f"block {tail.height}, {tail.end_seq:,} entries"
    _say(
        f"revledger listens on {url} (Ctrl-C ends it)\n"
        f"  data directory   {settings.data}\n"
        f"  ledger           {height}\n"
        "next:\n"
        f"  open {url}/ for the dashboard\n"
        f"  revledger load events.jsonl{data}\n"
        f"  revledger report bridge{data} --currency USD"
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
