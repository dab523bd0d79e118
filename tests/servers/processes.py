"""A server as a child process: started, ended, killed, paused and started again, always by its own pid."""

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

HOST: Final = "127.0.0.1"
START_SECONDS: Final = 90.0
"""How long a server may take until it answers, on a machine that is busy with other things."""

STOP_SECONDS: Final = 30.0
"""How long a server may take to end on SIGTERM before it is killed."""

STARTS: Final = 3
"""How often a new server is tried, each time on other ports, should somebody take one in between."""

_PAUSE_SECONDS: Final = 0.02
_TETHER: Final = Path(__file__).with_name("tether.py")

# The kernel ends a tethered child with the thread that started it. A test may start a server again from any thread
# of its own, so all are started by this one, which lasts as long as the process.
_STARTER: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="servers")

# Below the range from which the system takes the ports of outgoing connections: while a server is down, nobody gets
# its port by chance, and no client that tries to reach it is connected to itself.
_PORTS: Final = range(17_000, 32_000)

T = TypeVar("T", bound="Server")


class NotStarted(Exception):
    """A server that does not answer; the message holds the end of its log."""


def free_port() -> int:
    """A port of the loopback interface on which nobody listens."""
    while True:
        port = random.SystemRandom().choice(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port


def is_open(port: int) -> bool:
    """Whether somebody listens on the port."""
    try:
        socket.create_connection((HOST, port), timeout=1.0).close()
    except OSError:
        return False
    return True


@contextmanager
def scratch(prefix: str) -> Iterator[Path]:
    """A temporary directory for servers that outlive the test that first needs them."""
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as directory:
        yield Path(directory)


class Server(ABC):
    """A server with its data and its log in a directory of its own, which is kept when the server ends."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """What is run in the directory; the first part is the path of a program."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether the server does its work."""

    @property
    def log(self) -> Path:
        """What the server printed, in all its lives."""
        return self.directory / "server.log"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        return self._running().pid

    @property
    def is_running(self) -> bool:
        """Whether there is a process, be it paused."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Starts the server on the data that is there, and waits until it answers.

        Raises:
            NotStarted: it ended, or has not answered in `START_SECONDS`.
        """
        assert self._process is None or self._process.poll() is not None, f"{self} runs already"
        process = self._process = _STARTER.submit(self._spawned).result()
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if process.poll() is not None:
                raise NotStarted(f"{self} ended with status {process.returncode}.\n{self.log_end()}")
            if time.monotonic() > deadline:
                self.kill()
                raise NotStarted(f"{self} has not answered in {START_SECONDS:g} s.\n{self.log_end()}")
            time.sleep(_PAUSE_SECONDS)

    def stop(self) -> None:
        """Ends the server as an operator would; nothing happens if there is none."""
        if self._process is None:
            return
        if self.is_running:
            self.resume()
            self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Ends the server by SIGKILL, paused or not, and waits until it is gone; nothing happens if there is none."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def restart(self) -> None:
        """Ends the server as an operator would and starts it again: same data, same address."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Stops the clock of the server (SIGSTOP): its connections stay, and nobody answers."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets a paused server go on (SIGCONT)."""
        self._running().send_signal(signal.SIGCONT)

    def log_end(self, size_bytes: int = 4_000) -> str:
        """The end of the log."""
        return self.log.read_bytes()[-size_bytes:].decode(errors="replace")

    def __str__(self) -> str:
        return f"{type(self).__name__} in {self.directory}"

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, f"{self} was never started"
        assert self._process.poll() is None, f"{self} has ended"
        return self._process

    def _spawned(self) -> subprocess.Popen[bytes]:
        tether = [sys.executable, "-I", "-S", str(_TETHER), str(os.getpid())]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*tether, *self.command()],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the tests; they end the server in their time
            )


def started(made: Callable[[Path], T], directory: Path) -> T:
    """A new server that answers; `made` makes one, on ports that are free, for a directory below the given one.

    Raises:
        NotStarted: the last of `STARTS` attempts failed.
    """
    for attempt in range(1, STARTS + 1):
        server = made(directory / f"start-{attempt}")
        try:
            server.start()
        except NotStarted:
            server.kill()
            if attempt == STARTS:
                raise
        else:
            return server
    raise AssertionError("the last attempt returns or raises")
