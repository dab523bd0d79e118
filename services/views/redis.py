"""The views on a server of the Redis protocol: Redis 7 or later, Valkey 8 or later; keys are cluster-safe."""

import hashlib
import logging
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,  # noqa: A004 - the name Redis gives it; it is not Python's
    DataError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    TimeoutError,  # noqa: A004 - see ConnectionError
)
from redis.maint_notifications import MaintNotificationsConfig

from services.views.lines import Argument, Lines
from services.views.port import (
    Fenced,
    Field,
    Fields,
    Gap,
    Position,
    Value,
    Views,
    ViewsUnavailable,
    Writes,
    stored_form,
)

NAMESPACE: Final = "revledger"
"""What all keys start with."""

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 30.0
_log = logging.getLogger("revledger")


class _Script(NamedTuple):
    text: str
    sha1: str


def _script(text: str) -> _Script:
    return _Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


# KEYS: the partition's own hash, the set of its keys, then the keys written. ARGV: epoch, expected next
# height, the position in the order of `_PLACE`; then for each key written the lengths of the fields with their
# values and of the fields to remove (in msgpack), and all of those in one string: to pack thousands of arguments
# one by one would cost the client more than all the rest of a commit. The numbers compared are heights and epochs;
# values pass through as the strings they are. A refusal comes before the first write, so all is atomic. Lua passes
# on at most some 8,000 values at a time.
_COMMIT: Final = _script("""#!lua
local own, index = KEYS[1], KEYS[2]
local epoch = tonumber(redis.call('HGET', own, 'epoch') or 0)
if tonumber(ARGV[1]) < epoch then return {1, epoch} end
local height = tonumber(redis.call('HGET', own, 'next_height') or 0)
if tonumber(ARGV[2]) ~= height then return {2, height} end

local lengths, content, at = cmsgpack.unpack(ARGV[8]), ARGV[9], 1
local function pass(command, key, lengths)
  for start = 1, #lengths, 1000 do
    local values = {}
    for place = start, math.min(start + 999, #lengths) do
      local stop = at + lengths[place]
      values[#values + 1] = content:sub(at, stop - 1)
      at = stop
    end
    redis.call(command, key, unpack(values))
  end
end

redis.call('HSET', own, 'epoch', ARGV[1], 'next_height', ARGV[3], 'last_hash', ARGV[4],
  'last_seq', ARGV[5], 'recorded_at', ARGV[6], 'newest_event_at', ARGV[7])
for number = 3, #KEYS do
  local key = KEYS[number]
  redis.call('SADD', index, key)
  pass('HSET', key, lengths[number - 2][1])
  pass('HDEL', key, lengths[number - 2][2])
end
return {0, 0}
""")

# The keys removed are those of the set, not of KEYS; they share its hash tag, so they are on the same node.
# It may run when memory is full, for it frees some.
_CLEAR: Final = _script("""#!lua flags=allow-oom
local own, index = KEYS[1], KEYS[2]
local keys = redis.call('SMEMBERS', index)
for start = 1, #keys, 1000 do
  redis.call('UNLINK', unpack(keys, start, math.min(start + 999, #keys)))
end
redis.call('UNLINK', index)
redis.call('HDEL', own, 'next_height', 'last_hash', 'last_seq', 'recorded_at', 'newest_event_at')
return #keys
""")

_ENCODE: Final = msgspec.msgpack.Encoder().encode
_PLACE: Final = ["next_height", "last_hash", "last_seq", "recorded_at", "newest_event_at"]

_REMEDIES: Final[list[tuple[type[RedisError], str]]] = [
    (BusyLoadingError, "The server is still loading its data; try again in a moment."),
    (AuthenticationError, "Check REVLEDGER_REDIS_USER and REVLEDGER_REDIS_PASSWORD."),
    (NoPermissionError, "Give this user the commands and keys of revledger on the server."),
    (OutOfMemoryError, "Raise the server's maxmemory or free memory; nothing was stored."),
    (ReadOnlyError, "Name the primary instead of a replica; nothing was stored."),
    (
        TimeoutError,
        "Check that the server is not overloaded, and that it speaks TLS if its URL says rediss://; then try again.",
    ),
    (ConnectionError, "Check that the server runs and can be reached, then try again."),
]
"""What to do, by error; the first that fits."""


def redis_views(
    server: str | Path,
    *,
    namespace: str = NAMESPACE,
    user: str = "",
    password: str = "",
    ca: Path | None = None,
) -> Views:
    """The views on the server at a URL (`redis://`, `rediss://`, `unix://`) or at the path of a Unix socket.

    It connects when first used. Several services may share a server, each under a namespace of its own. With
    `rediss://` the server's certificate and its name in it are always checked, against those of the file `ca`
    or else the system's.
    """
    assert not set(namespace) & set("{}"), "braces would change the hash tag"
    options: dict[str, Any] = {
        "protocol": 3,
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": ANSWER_SECONDS,
        "username": user or None,
        "password": password or None,
        # Never sent twice behind our back: whoever calls must know whether a commit may have happened.
        "retry": Retry(NoBackoff(), 0),
        # With these notifications on, a pooled connection is not checked before it is used again.
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
    if isinstance(server, Path):
        return _RedisViews(Redis(unix_socket_path=str(server), **options), namespace)
    if server.startswith("rediss://"):
        options |= {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
        options |= {"ssl_ca_certs": str(ca)} if ca is not None else {}
    return _RedisViews(Redis.from_url(server, **options), namespace)


async def check_eviction(views: Views) -> None:
    """Checks that the server of the views would refuse a write rather than evict some of them.

    A server that does not tell is trusted, with one warning. Policies that evict only keys that expire are harmless:
    the views have none. Raises `ViewsUnavailable`, also while the server does not answer.
    """
    if isinstance(views, _RedisViews):
        await views.check_eviction()


class _RedisViews:
    """One hash per key; under the same hash tag, the position with its epoch, and the set of keys."""

    def __init__(self, client: Redis, namespace: str) -> None:
        self._client = client
        self._lines = Lines(client.connection_pool, ANSWER_SECONDS)
        self._namespace = namespace
        self._is_warned = False

    async def claim(self, partition: int) -> int:
        with _explained():
            return int(await _answer(self._client.hincrby(self._own(partition), "epoch", 1)))

    async def position(self, partition: int) -> Position | None:
        with _explained():
            (place,) = await self._lines.ask(("HMGET", self._own(partition), *_PLACE))
        return _position(place)

    async def commit(self, partition: int, epoch: int, expected_next: int, position: Position, writes: Writes) -> None:
        keys = [self._own(partition), self._index(partition), *(self._key(partition, key) for key in writes)]
        arguments: list[Value] = [
            epoch,
            expected_next,
            position.next_height,
            position.last_hash,
            position.last_seq,
            position.recorded_at,
            position.newest_event_at,
            *_packed(writes.values()),
        ]
        refusal, stored = await self._run(_COMMIT, keys, arguments)
        if refusal == 1:
            raise Fenced(partition, epoch, stored)
        if refusal == 2:
            raise Gap(partition, expected_next, stored)

    async def read(self, partition: int, key: str) -> dict[bytes, bytes]:
        return (await self.read_many(partition, [key]))[0]

    async def read_many(self, partition: int, keys: Sequence[str]) -> list[dict[bytes, bytes]]:
        if not keys:
            return []
        with _explained():
            return await self._lines.ask(*(("HGETALL", self._key(partition, key)) for key in keys))

    async def read_fields(self, partition: int, key: str, fields: Sequence[Field]) -> list[bytes | None]:
        return (await self.read_each(partition, {key: fields}))[key]

    async def read_each(self, partition: int, wanted: Mapping[str, Sequence[Field]]) -> dict[str, list[bytes | None]]:
        asked = {key: fields for key, fields in wanted.items() if fields}
        if not asked:
            return {key: [] for key in wanted}
        with _explained():
            values = await self._lines.ask(*self._fields(partition, asked))
        found = dict(zip(asked, values, strict=True))
        return {key: found.get(key, []) for key in wanted}

    async def snapshot(self, partition: int, keys: Sequence[str]) -> tuple[Position | None, list[dict[bytes, bytes]]]:
        position, hashes, _ = await self.snapshot_with(partition, keys, {})
        return position, hashes

    async def snapshot_with(
        self, partition: int, keys: Sequence[str], wanted: Mapping[str, Sequence[Field]]
    ) -> tuple[Position | None, list[dict[bytes, bytes]], dict[str, list[bytes | None]]]:
        asked = {key: fields for key, fields in wanted.items() if fields}
        commands: list[tuple[Argument, ...]] = [("MULTI",), ("HMGET", self._own(partition), *_PLACE)]
        commands += [("HGETALL", self._key(partition, key)) for key in keys]
        commands += self._fields(partition, asked)
        with _explained():
            *_, answers = await self._lines.ask(*commands, ("EXEC",))
        place, *found = answers
        values = dict(zip(asked, found[len(keys) :], strict=True))
        return _position(place), found[: len(keys)], {key: values.get(key, []) for key in wanted}

    async def keys(self, partition: int) -> list[str]:
        with _explained():
            found = await _answer(self._client.smembers(self._index(partition)))
        before = len(self._key(partition, ""))
        return sorted(key.decode()[before:] for key in found)

    async def clear(self, partition: int) -> None:
        await self._run(_CLEAR, [self._own(partition), self._index(partition)], [])

    async def check_eviction(self) -> None:
        try:
            memory = await _answer(self._client.info("memory"))
        except NoPermissionError:
            if not self._is_warned:
                _log.warning(
                    "this user of Redis may not ask whether the server evicts keys, which would make figures wrong:"
                    " grant it +info, or see to it that maxmemory-policy is noeviction"
                )
            self._is_warned = True
            return
        except (RedisError, OSError) as error:
            raise _unavailable(error) from error
        policy = str(memory.get("maxmemory_policy", ""))
        if int(memory.get("maxmemory", 0)) > 0 and policy.startswith("allkeys"):
            raise ViewsUnavailable(
                f"Redis would evict views once memory is full (maxmemory-policy is {policy}): figures would be wrong.",
                "Run CONFIG SET maxmemory-policy noeviction on the server, and set it in its configuration.",
            )

    async def close(self) -> None:
        await self._lines.close()
        await self._client.aclose()

    async def _run(self, script: _Script, keys: Sequence[str], arguments: Sequence[Value]) -> Any:
        """What the script answers; a server that does not know it (any more) is told."""
        with _explained():
            try:
                (answer,) = await self._lines.ask(("EVALSHA", script.sha1, len(keys), *keys, *arguments))
            except NoScriptError:
                await self._client.script_load(script.text)
                (answer,) = await self._lines.ask(("EVALSHA", script.sha1, len(keys), *keys, *arguments))
        return answer

    def _fields(self, partition: int, wanted: Mapping[str, Sequence[Field]]) -> list[tuple[Argument, ...]]:
        """The commands that read some fields of each key."""
        return [("HMGET", self._key(partition, key), *fields) for key, fields in wanted.items()]

    def _own(self, partition: int) -> str:
        return f"{self._namespace}:{{{partition}}}"

    def _index(self, partition: int) -> str:
        return f"{self._namespace}:{{{partition}}}#keys"

    def _key(self, partition: int, key: str) -> str:
        return f"{self._namespace}:{{{partition}}}:{key}"


def _packed(writes: Iterable[Fields]) -> tuple[bytes, bytes]:
    """The lengths of what a commit writes, key by key, and all of it."""
    lengths: list[tuple[list[int], list[int]]] = []
    content: list[bytes] = []
    for fields in writes:
        put: list[bytes] = []
        removed: list[bytes] = []
        for field, value in fields.items():
            name = field.encode() if type(field) is str else stored_form(field)
            if value is None:
                removed.append(name)
            else:
                put += (name, value if type(value) is bytes else stored_form(value))
        lengths.append(([*map(len, put)], [*map(len, removed)]))
        content += put
        content += removed
    return _ENCODE(lengths), b"".join(content)


def _position(place: Sequence[bytes | None]) -> Position | None:
    next_height, last_hash, last_seq, recorded_at, newest_event_at = place
    if next_height is None:
        return None
    return Position(
        next_height=int(next_height),
        last_hash=last_hash or b"",
        last_seq=int(last_seq or -1),
        recorded_at=int(recorded_at or 0),
        newest_event_at=int(newest_event_at or 0),
    )


async def _answer(call: Any) -> Any:
    """The answer to a command; redis-py types them for its synchronous client too."""
    return await call


@contextmanager
def _explained() -> Iterator[None]:
    """Errors of the server and of the way to it become `ViewsUnavailable`; a wrong type is a bug."""
    try:
        yield
    except DataError:
        raise
    except (RedisError, OSError) as error:
        raise _unavailable(error) from error


def _unavailable(error: Exception) -> ViewsUnavailable:
    return ViewsUnavailable(f"The views are unavailable ({error}).", _remedy(error))


def _remedy(error: Exception) -> str:
    """What to do about an error; that of TLS is inside the one the client makes of it."""
    if isinstance(error.__cause__ or error.__context__, ssl.SSLError):
        return (
            "Check that REVLEDGER_REDIS_CA names a file with the authority that signed the server's certificate,"
            " that REVLEDGER_REDIS names the server as its certificate does, and that it speaks TLS."
        )
    fitting = (remedy for kind, remedy in _REMEDIES if isinstance(error, kind))
    return next(fitting, "See the server's log, then try again.")
