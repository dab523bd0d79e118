"""The SQLite file of a ledger: its form, opening and checking it, writing it alone, its errors in words."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from services.ledgers.port import LedgerUnavailable, NewerLedger, NotALedger
from services.turns import open_lock, turn

APPLICATION_ID: Final = 0x52764C67
"""`RvLg`: what the `file` command and every opener recognise the file by."""

FORMAT: Final = 1
"""The version of the table below, kept in `user_version`."""

BUSY_SECONDS: Final = 10.0
"""How long a writer waits for another to finish before it gives up."""

_SCHEMA: Final = """
CREATE TABLE blocks (
    partition   INTEGER NOT NULL,
    height      INTEGER NOT NULL CHECK (height >= 0),
    first_seq   INTEGER NOT NULL CHECK (first_seq >= 0),
    entries     INTEGER NOT NULL CHECK (entries >= 0),
    recorded_at INTEGER NOT NULL,
    prev_hash   BLOB NOT NULL,
    hash        BLOB NOT NULL,
    data        BLOB NOT NULL,
    PRIMARY KEY (partition, height)
) STRICT;
CREATE INDEX blocks_by_entry ON blocks (partition, first_seq, height);
CREATE TRIGGER blocks_never_change BEFORE UPDATE ON blocks
BEGIN SELECT RAISE(ABORT, 'a block of the ledger is never changed'); END;
CREATE TRIGGER blocks_never_go BEFORE DELETE ON blocks
BEGIN SELECT RAISE(ABORT, 'a block of the ledger is never removed'); END;
CREATE TRIGGER blocks_only_extend BEFORE INSERT ON blocks
WHEN NEW.height <> coalesce((SELECT max(height) + 1 FROM blocks WHERE partition = NEW.partition), 0)
    OR EXISTS (
        SELECT 1 FROM blocks
        WHERE partition = NEW.partition AND height = NEW.height - 1
        AND (hash <> NEW.prev_hash OR first_seq + entries <> NEW.first_seq OR recorded_at > NEW.recorded_at)
    )
BEGIN SELECT RAISE(ABORT, 'a block of the ledger follows the last one'); END;
"""
_STAMP: Final = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT};"

_ALLOW: Final = "Give this user write access to the file and its directory, then try again."
_WAIT: Final = "Another process holds it; wait for it or end it, then try again."
_RESTORE: Final = "The file is damaged: stop writing to it and restore it from a copy."
_REMEDIES: Final = {
    sqlite3.SQLITE_FULL: "Free space on that disk, then try again.",
    sqlite3.SQLITE_IOERR: "Check that disk (space, quota, file size limit, health), then try again.",
    sqlite3.SQLITE_CANTOPEN: "Check that its directory exists and this user may write in it, then try again.",
    sqlite3.SQLITE_READONLY: _ALLOW,
    sqlite3.SQLITE_PERM: _ALLOW,
    sqlite3.SQLITE_BUSY: _WAIT,
    sqlite3.SQLITE_LOCKED: _WAIT,
    sqlite3.SQLITE_PROTOCOL: _WAIT,
    sqlite3.SQLITE_NOMEM: "Free memory, then try again.",
    sqlite3.SQLITE_CORRUPT: _RESTORE,
    sqlite3.SQLITE_NOTADB: _RESTORE,
}
"""What to do, by SQLite's primary result code (https://sqlite.org/rescode.html)."""


class LedgerFile(NamedTuple):
    """An open ledger file: the writing connection, and the descriptor of the lock writers take turns by."""

    path: Path
    connection: sqlite3.Connection
    lock: int


def open_file(path: Path) -> LedgerFile:
    """The file opened for writing, made and given its form if it is new."""
    with explained(path):
        make_directory(path.parent)
        connection = _connect(path)
        try:
            _is_new(connection, path)  # refuses a stranger's file before anything is put beside it
            file = LedgerFile(path, connection, open_lock(path))
        except BaseException:
            connection.close()
            raise
        try:
            _prepare(file)
        except BaseException:
            close_file(file)
            raise
    return file


def reader_of(file: LedgerFile) -> sqlite3.Connection:
    """A connection that can only read, for another thread than the writer's."""
    with explained(file.path):
        connection = _connect(file.path)
        connection.execute("PRAGMA query_only = ON")
        return connection


def close_file(file: LedgerFile) -> None:
    """Closes the writing connection, moving the write-ahead log into the file if it is the last one."""
    try:
        with explained(file.path), _turn(file):
            file.connection.close()
    finally:
        os.close(file.lock)


@contextmanager
def writing_alone(file: LedgerFile) -> Iterator[None]:
    """One durable transaction: committed and synced at the end, or rolled back on any error."""
    with _turn(file):
        file.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            file.connection.execute("COMMIT")
        except BaseException:
            if file.connection.in_transaction:
                file.connection.execute("ROLLBACK")
            raise


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Errors of SQLite and of the file system become `LedgerUnavailable`; a bug stays what it is."""
    try:
        yield
    except sqlite3.Error as error:
        remedy = _REMEDIES.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
        if remedy is None:
            raise
        raise LedgerUnavailable(f"The ledger {path} is unavailable ({error}).", remedy) from error
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        remedy = _REMEDIES[sqlite3.SQLITE_FULL if full else sqlite3.SQLITE_CANTOPEN]
        raise LedgerUnavailable(f"The ledger {path} is unavailable ({error}).", remedy) from error


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)


def _prepare(file: LedgerFile) -> None:
    """Gives a new file its form, and checks the form of any."""
    with _turn(file):
        if _is_new(file.connection, file.path):
            file.connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} {_STAMP} COMMIT;")
        file.connection.execute("PRAGMA journal_mode = WAL")
        file.connection.execute("PRAGMA synchronous = FULL")  # in WAL mode: the log is synced at every commit


def _is_new(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether the file is empty; raises if it is not and is no ledger this version can write."""
    try:
        application_id = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        objects = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_NOTADB:
            raise
        raise NotALedger(str(path), "not a SQLite file") from error
    if application_id == APPLICATION_ID:
        if version > FORMAT:
            raise NewerLedger(str(path), version, FORMAT)
        return False
    if application_id or version or objects:
        raise NotALedger(str(path), f"a SQLite file of another application, id {application_id}")
    return True


@contextmanager
def _turn(file: LedgerFile) -> Iterator[None]:
    """Writers take turns by a lock file, around the commit and the checkpoint that may follow it.

    SQLite's own locks already keep two writers from forking the chain. But up to 3.51.2 a checkpoint of one
    process beside a commit of another can, very rarely, damage the file (https://sqlite.org/wal.html#walresetbug).
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(turn(file.lock, BUSY_SECONDS))
        except TimeoutError as error:
            problem = f"The ledger {file.path} cannot be written: {error}."
            raise LedgerUnavailable(problem, _REMEDIES[sqlite3.SQLITE_BUSY]) from error
        yield


def make_directory(directory: Path) -> None:
    """Makes the directory and its parents so that they outlive a loss of power."""
    if directory.is_dir():
        return
    make_directory(directory.parent)
    directory.mkdir(mode=0o700, exist_ok=True)
    parent = os.open(directory.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)
