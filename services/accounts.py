"""The writer's accounts: a cache of the ledger, in memory as far as it is hot, the rest in one SQLite file.

The file may be deleted at any time: the writer then reads the ledger again from its beginning.
"""

import logging
import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec
from msgspec import Struct

from events.account import Account, AccountState

SCHEMA_VERSION: Final = 5
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS accounts (partition INTEGER, name TEXT, state BLOB, PRIMARY KEY (partition, name))
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ids (partition INTEGER, digest BLOB, account TEXT, PRIMARY KEY (partition, digest))
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reached (partition INTEGER PRIMARY KEY, height INTEGER, hash BLOB);
"""
_log: Final = logging.getLogger("revledger")
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(AccountState)
_DAMAGED: Final = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
_KEYS_PER_QUERY: Final = 500
_TABLES: Final = ("accounts", "ids", "reached")


class Reached(Struct, frozen=True):
    """The last block the kept accounts reflect; height -1 before the first."""

    height: int = -1
    hash: bytes = b""


class Accounts:
    """The accounts of one partition; at most about `hot_max` stay in memory between batches."""

    def __init__(self, path: Path | None, partition: int, hot_max: int) -> None:
        self._partition = partition
        self._hot_max = hot_max
        self._hot: OrderedDict[str, Account] = OrderedDict()
        self._dirty: set[str] = set()
        self._owners: dict[bytes, str] = {}
        self._file = _open(path)
        self.reached = self._reached()

    def get_many(self, names: Iterable[str]) -> dict[str, Account]:
        """The accounts by name, new ones empty."""
        found: dict[str, Account] = {}
        missing: list[str] = []
        for name in names:
            account = self._hot.get(name)
            if account is None:
                missing.append(name)
            else:
                self._hot.move_to_end(name)
                found[name] = account
        for name, state in self._load(missing).items():
            found[name] = self._hot[name] = Account(name, state)
        for name in missing:
            if name not in found:
                found[name] = self._hot[name] = Account(name)
        return found

    def owners(self, keys: Iterable[str]) -> dict[str, str]:
        """The account that each event key belongs to, for those that were seen: an id is one event for ever."""
        digests = {_digest(key): key for key in keys}
        found = {digests[digest]: self._owners[digest] for digest in digests if digest in self._owners}
        kept = self._look_up("digest, account FROM ids WHERE partition = ? AND digest", [*digests])
        return found | {digests[digest]: account for digest, account in kept}

    def pages(self) -> Iterator[list[str]]:
        """The names of all accounts in the file, in order, some at a time: `keep` first."""
        query = "SELECT name FROM accounts WHERE partition = ? AND name > ? ORDER BY name LIMIT ?"
        last = ""
        while names := [name for (name,) in self._file.execute(query, (self._partition, last, _KEYS_PER_QUERY))]:
            yield names
            last = names[-1]

    def changed(self, names: Iterable[str], owners: Mapping[str, str]) -> None:
        """Notes accounts that are ahead of the file, and the accounts that new event keys belong to."""
        self._dirty.update(names)
        self._owners.update((_digest(key), account) for key, account in owners.items())

    def keep(self, reached: Reached) -> None:
        """Writes what changed, as of a block; all or nothing."""
        rows = ((self._partition, name, _ENCODER.encode(self._hot[name].state())) for name in self._dirty)
        with self._file:
            self._file.executemany("INSERT OR REPLACE INTO accounts VALUES (?, ?, ?)", rows)
            ids = ((self._partition, digest, self._owners[digest]) for digest in sorted(self._owners))
            self._file.executemany("INSERT OR REPLACE INTO ids VALUES (?, ?, ?)", ids)
            row = (self._partition, reached.height, reached.hash)
            self._file.execute("INSERT OR REPLACE INTO reached VALUES (?, ?, ?)", row)
        self._dirty.clear()
        self._owners.clear()
        self.reached = reached

    @property
    def is_full(self) -> bool:
        """Whether more accounts are in memory than should be: keep them, then `cool`."""
        return len(self._hot) > self._hot_max

    def cool(self) -> None:
        """Lets go of the accounts that were not used for longest and are in the file."""
        for name in list(self._hot):
            if len(self._hot) <= self._hot_max * 3 // 4:
                break
            if name not in self._dirty:
                del self._hot[name]

    def forget(self) -> None:
        """Starts over from nothing, in memory and in the file."""
        self._hot.clear()
        self._dirty.clear()
        self._owners.clear()
        with self._file:
            for table in _TABLES:
                self._file.execute(f"DELETE FROM {table} WHERE partition = ?", (self._partition,))  # noqa: S608
        self.reached = Reached()

    def close(self) -> None:
        """Closes the file; what was not kept is in the ledger."""
        self._file.close()

    def _reached(self) -> Reached:
        query = "SELECT height, hash FROM reached WHERE partition = ?"
        row = self._file.execute(query, (self._partition,)).fetchone()
        return Reached() if row is None else Reached(*row)

    def _load(self, names: list[str]) -> dict[str, AccountState]:
        rows = self._look_up("name, state FROM accounts WHERE partition = ? AND name", names)
        return {name: _DECODER.decode(state) for name, state in rows}

    def _look_up(self, what: str, keys: Sequence[str | bytes]) -> Iterator[tuple[Any, Any]]:
        for start in range(0, len(keys), _KEYS_PER_QUERY):
            some = keys[start : start + _KEYS_PER_QUERY]
            marks = ",".join("?" * len(some))
            yield from self._file.execute(f"SELECT {what} IN ({marks})", (self._partition, *some))


def known_entry(path: Path, partition: int, key: str) -> tuple[Reached, int | None]:
    """How far the accounts in a file reach, and the entry of an event as far as they know; changes nothing.

    Raises sqlite3.Error or msgspec.MsgspecError for a file that cannot be read.
    """
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as file:
        if file.execute("PRAGMA user_version").fetchone()[0] != SCHEMA_VERSION:
            return Reached(), None
        row = file.execute("SELECT height, hash FROM reached WHERE partition = ?", (partition,)).fetchone()
        query = "SELECT state FROM accounts JOIN ids ON account = name AND accounts.partition = ids.partition"
        where = " WHERE ids.partition = ? AND digest = ?"
        state = file.execute(query + where, (partition, _digest(key))).fetchone()
    known = None if state is None else _DECODER.decode(state[0]).seen.get(key)
    return Reached() if row is None else Reached(*row), None if known is None else known.seq


@lru_cache(maxsize=8_192)  # of a batch, which is looked up before it is booked and noted after
def _digest(key: str) -> bytes:
    return sha256(key.encode()).digest()[:16]


def _open(path: Path | None) -> sqlite3.Connection:
    """The file; one that cannot be read is begun anew, because all of it is in the ledger."""
    try:
        return _opened(path)
    except sqlite3.DatabaseError as error:
        if path is None or getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGED:
            raise
        _log.warning("%s cannot be read: it is made again from the ledger", path)
        for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
            path.with_name(name).unlink(missing_ok=True)
        return _opened(path)


def _opened(path: Path | None) -> sqlite3.Connection:
    """The file, emptied first if another version of the software wrote it; None: only in memory."""
    file = sqlite3.connect(":memory:" if path is None else path, check_same_thread=False)
    file.execute("PRAGMA journal_mode = WAL")
    file.execute("PRAGMA synchronous = NORMAL")
    file.execute("PRAGMA cache_size = -65536")  # KiB
    if file.execute("PRAGMA user_version").fetchone()[0] != SCHEMA_VERSION:
        file.executescript(" ".join(f"DROP TABLE IF EXISTS {table};" for table in _TABLES))
        file.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    file.executescript(_SCHEMA)
    return file
