"""Serving: the application on a socket, and its end without waiting for those who only listen."""

import socket
from typing import Final

import uvicorn
from litestar import Litestar

SHUTDOWN_SECONDS: Final = 10
"""How long requests in progress may take once the service is to end."""


class Server(uvicorn.Server):
    """A uvicorn that ends the open streams first: by themselves they would never end."""

    def __init__(self, config: uvicorn.Config, app: Litestar) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Called by uvicorn once it is to end."""
        self._app.state.stopping.set()
        await super().shutdown(sockets)


def server_of(app: Litestar, host: str, port: int) -> Server:
    """A server for the running event loop: `await server.serve()`; logging stays as it is configured."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    return Server(config, app)
