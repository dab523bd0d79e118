"""The writer's accounts: a cache of the ledger, in memory as far as it is hot, the rest in one SQLite file.

The file may be deleted at any time: the writer then reads the ledger again from its beginning.
"""

import sqlite3
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from events.account import Account, AccountState

SCHEMA_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS accounts (partition INTEGER, name TEXT, state BLOB, PRIMARY KEY (partition, name))
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reached (partition INTEGER PRIMARY KEY, height INTEGER, hash BLOB);
"""
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(AccountState)
_NAMES_PER_QUERY: Final = 500


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

    def changed(self, names: Iterable[str]) -> None:
        """Notes accounts that are ahead of the file."""
        self._dirty.update(names)

    def keep(self, reached: Reached) -> None:
        """Writes what changed, as of a block; all or nothing."""
        rows = ((self._partition, name, _ENCODER.encode(self._hot[name].state())) for name in self._dirty)
        with self._file:
            self._file.executemany("INSERT OR REPLACE INTO accounts VALUES (?, ?, ?)", rows)
            row = (self._partition, reached.height, reached.hash)
            self._file.execute("INSERT OR REPLACE INTO reached VALUES (?, ?, ?)", row)
        self._dirty.clear()
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
        with self._file:
            self._file.execute("DELETE FROM accounts WHERE partition = ?", (self._partition,))
            self._file.execute("DELETE FROM reached WHERE partition = ?", (self._partition,))
        self.reached = Reached()

    def close(self) -> None:
        """Closes the file; what was not kept is in the ledger."""
        self._file.close()

    def _reached(self) -> Reached:
        query = "SELECT height, hash FROM reached WHERE partition = ?"
        row = self._file.execute(query, (self._partition,)).fetchone()
        return Reached() if row is None else Reached(*row)

    def _load(self, names: list[str]) -> dict[str, AccountState]:
        states: dict[str, AccountState] = {}
        for start in range(0, len(names), _NAMES_PER_QUERY):
            some = names[start : start + _NAMES_PER_QUERY]
            marks = ",".join("?" * len(some))
            query = f"SELECT name, state FROM accounts WHERE partition = ? AND name IN ({marks})"  # noqa: S608
            rows = self._file.execute(query, (self._partition, *some))
            states.update((name, _DECODER.decode(state)) for name, state in rows)
        return states


def _open(path: Path | None) -> sqlite3.Connection:
    """The file, emptied first if another version of the software wrote it; None: only in memory."""
    file = sqlite3.connect(":memory:" if path is None else path, check_same_thread=False)
    file.execute("PRAGMA journal_mode = WAL")
    file.execute("PRAGMA synchronous = NORMAL")
    if file.execute("PRAGMA user_version").fetchone()[0] != SCHEMA_VERSION:
        file.executescript("DROP TABLE IF EXISTS accounts; DROP TABLE IF EXISTS reached;")
        file.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    file.executescript(_SCHEMA)
    return file
