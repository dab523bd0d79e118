"""A real receiver of webhooks on loopback, that answers as it is told and keeps what it got."""

import json
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from msgspec import Struct

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Got(Struct, frozen=True):
    """One request: its headers in lower case, and its body; `at` in seconds of the monotonic clock.

    `status` is what it was answered; 0 where no answer came.
    """

    headers: dict[str, str]
    body: bytes
    path: str
    at: float
    status: int = 0

    @property
    def id(self) -> str:
        """The id of the message."""
        return self.headers["webhook-id"]

    @property
    def event(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Receiver:
    """Answers with the statuses in `answers`, one after the other, and then with `then`; 0: it never answers."""

    def __init__(self, then: int = 204) -> None:
        self.got: list[Got] = []
        self.answers: list[int] = []
        self.then = then
        self.headers: dict[str, str] = {}
        self.url = ""
        self.released = threading.Event()

    def ids(self) -> list[str]:
        """The ids of all that came, in order."""
        return [one.id for one in self.got]

    def taken(self) -> list[Got]:
        """Those that were told that it has them."""
        return [one for one in self.got if 200 <= one.status < 300]

    def until(self, count: int, seconds: float = 20.0) -> None:
        """Waits for so many requests."""
        end = time.monotonic() + seconds
        while len(self.got) < count:
            assert time.monotonic() < end, f"only {len(self.got)} of {count} requests came"
            time.sleep(0.01)


@contextmanager
def receiver(then: int = 204, tls: tuple[Path, Path] | None = None) -> Iterator[Receiver]:
    """A receiver on a free port; `tls` are its certificate and key."""
    held = Receiver(then)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = held.answers.pop(0) if held.answers else held.then
            held.got.append(Got(headers, body, self.path, time.monotonic(), status))
            if not status:
                held.released.wait(30)
                return
            self.send_response(status, "said")
            for name, value in held.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

        def handle_error(self, *_: Any) -> None:
            """A client that goes away is no error here."""

    server: socketserver.BaseServer = Server(("127.0.0.1", 0), Handler)
    assert isinstance(server, ThreadingHTTPServer)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    scheme = "http" if tls is None else "https"
    held.url = f"{scheme}://localhost:{server.server_address[1]}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield held
    finally:
        held.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
