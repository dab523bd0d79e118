"""The HTTP server as `up` runs it: it says when it listens, and leaves the signals to the command."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from litestar import Litestar

from services.gateway import Server, server_of
from services.settings import Settings


class AnnouncedServer(Server):
    """`listening` is set once requests are taken."""

    def __init__(self, config: uvicorn.Config, app: Litestar) -> None:
        super().__init__(config, app)
        self.listening = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing: uvicorn would raise a signal again at its end, before the books are closed."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Called by uvicorn when it begins."""
        await super().startup(sockets)
        self.listening.set()


def announced_server(app: Litestar, settings: Settings) -> AnnouncedServer:
    """The server of an application."""
    return AnnouncedServer(server_of(app, settings.host, settings.port).config, app)
