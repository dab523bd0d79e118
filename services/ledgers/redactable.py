"""The one way in which a block kept in SQLite changes: free text is taken out of events, and noted in one commit."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Final, TypeVar, TypeVarTuple, Unpack

from events.redaction import Note, hash_of_note, notes_of
from services.ledgers.port import StoredBlock
from services.ledgers.sqlite_file import (
    BUSY_SECONDS,
    LedgerFile,
    close_file,
    explained,
    open_file,
    open_to_read,
    schema_of,
    writing_alone,
)
from services.turns import turn

REDACTED_FORMAT: Final = 2
"""The version of a file with notes of redactions: that which was never redacted stays at 1."""
_GUARD: Final = "blocks_never_change"
T = TypeVar("T")
Ts = TypeVarTuple("Ts")
_UPDATE: Final = "UPDATE blocks SET data = ? WHERE partition = ? AND height = ? AND hash = ?"


class TextRemains(Exception):
    """Text that was taken out may still be in the files: somebody reads what was there before."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"the text was taken out, and old pages of {path} that hold it cannot be cleared while another process"
            " reads them: let it end (a replay, a report, a backup), then run the same command again"
        )
        self.path = path


class RedactableFile:
    """A ledger file whose blocks may be replaced; for a process that holds the data directory alone.

    All but `do` is called by `do`: the connection belongs to one thread.
    """

    def __init__(self, file: LedgerFile, thread: ThreadPoolExecutor) -> None:
        self._file = file
        self._thread = thread

    async def do(self, work: Callable[[Unpack[Ts]], T], *details: *Ts) -> T:
        """What comes of some work in the thread of the file."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *details)

    def notes(self) -> list[Note]:
        """The notes so far; raises NotesDamaged."""
        return notes_of(_note_rows(self._file.connection))

    def last_hash(self) -> tuple[int, bytes]:
        """How many notes there are, and the hash of the last."""
        rows = _note_rows(self._file.connection)
        return len(rows), rows[-1][1] if rows else bytes(32)

    def replace(self, blocks: Sequence[StoredBlock], note: bytes) -> None:
        """Keeps blocks as they are now, which must have the hashes they had, and a note of it: both or neither."""
        connection = self._file.connection
        with explained(self._file.path):
            connection.execute("PRAGMA secure_delete = ON")
        with explained(self._file.path), writing_alone(self._file):
            _upgrade(connection)
            connection.execute(f"DROP TRIGGER {_GUARD}")
            for one in blocks:
                done = connection.execute(_UPDATE, (one.data, one.partition, one.height, one.hash))
                assert done.rowcount == 1, f"block {one.height} of partition {one.partition} is another one now"
            connection.execute(schema_of(REDACTED_FORMAT)[_GUARD])
            number = connection.execute("SELECT count(*) + 1 FROM redactions").fetchone()[0]
            connection.execute("INSERT INTO redactions VALUES (?, ?, ?)", (number, note, hash_of_note(note)))

    def scrub(self) -> None:
        """Rewrites the file so that nothing of what was taken out is left in it; raises TextRemains."""
        try:
            with turn(self._file.lock, BUSY_SECONDS):
                scrub(self._file.connection, self._file.path)
        except TimeoutError as error:
            raise TextRemains(self._file.path) from error


@asynccontextmanager
async def redactable_file(path: Path) -> AsyncIterator[RedactableFile]:
    """The ledger file at a path, opened to be redacted; raises LedgerError."""
    thread = ThreadPoolExecutor(1, "ledger-redacting")
    loop = asyncio.get_running_loop()
    try:
        file = await loop.run_in_executor(thread, open_file, path)
        try:
            yield RedactableFile(file, thread)
        finally:
            await loop.run_in_executor(thread, close_file, file)
    finally:
        thread.shutdown(wait=False)


def scrub(connection: sqlite3.Connection, path: Path) -> None:
    """Makes a file anew from what is in it, and empties its log; raises TextRemains while others read the old one."""
    with explained(path):
        connection.execute("PRAGMA secure_delete = ON")
        _emptied(connection, path)
        connection.execute("VACUUM")
        _emptied(connection, path)


def notes_in(path: Path) -> list[tuple[bytes, bytes]]:
    """The notes of a ledger file, as bytes and hash, in order; changes nothing. Raises LedgerError."""
    with explained(path), closing(open_to_read(path)) as connection:
        return _note_rows(connection)


def _note_rows(connection: sqlite3.Connection) -> list[tuple[bytes, bytes]]:
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'redactions'").fetchone() is None:
        return []
    rows: list[Any] = connection.execute("SELECT note, hash FROM redactions ORDER BY number").fetchall()
    return [(data, kept) for data, kept in rows]


def _upgrade(connection: sqlite3.Connection) -> None:
    """Gives a file what the notes need, in the transaction that is going on."""
    if connection.execute("PRAGMA user_version").fetchone()[0] >= REDACTED_FORMAT:
        return
    has = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    for name, statement in schema_of(REDACTED_FORMAT).items():
        if name not in has:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {REDACTED_FORMAT}")


def _emptied(connection: sqlite3.Connection, path: Path) -> None:
    """Moves the log into the file and empties it; a reader of older pages is waited for as long as any lock."""
    if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
        raise TextRemains(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
