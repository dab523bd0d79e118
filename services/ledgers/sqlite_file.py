"""The SQLite file of a ledger: its form, opening and checking it, writing it alone, its errors in words."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

from services.ledgers.port import LedgerDamaged, LedgerUnavailable, NewerLedger, NotALedger
from services.turns import open_lock, turn

APPLICATION_ID: Final = 0x52764C67
"""`RvLg`: what the `file` command and every opener recognise the file by."""

FORMAT: Final = 2
"""The newest version, kept in `user_version`; a file is made with 1, and has 2 once text was taken out of it."""

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
_STAMP: Final = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1;"
_REDACTIONS: Final = """
CREATE TABLE redactions (
    number INTEGER PRIMARY KEY,
    note   BLOB NOT NULL,
    hash   BLOB NOT NULL
) STRICT;
CREATE TRIGGER redactions_never_change BEFORE UPDATE ON redactions
BEGIN SELECT RAISE(ABORT, 'a note of a redaction is never changed'); END;
CREATE TRIGGER redactions_never_go BEFORE DELETE ON redactions
BEGIN SELECT RAISE(ABORT, 'a note of a redaction is never removed'); END;
"""

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


def schema_of(version: int) -> dict[str, str]:
    """The statements that make what a file of a version holds, by name, as SQLite keeps them."""
    with closing(sqlite3.connect(":memory:")) as made:
        made.executescript((_SCHEMA if version >= 1 else "") + (_REDACTIONS if version >= 2 else ""))
        return dict(made.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))


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


def open_to_read(path: Path) -> sqlite3.Connection:
    """A connection to a ledger that is there, which changes nothing and waits for no writer.

    A file on a medium that nobody can write to is taken as it is: then nobody writes to it meanwhile.
    """
    with explained(path):
        try:
            return _opened_to_read(path, "mode=ro")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CANTOPEN or not _is_whole(path):
                raise
            return _opened_to_read(path, "mode=ro&immutable=1")


def _opened_to_read(path: Path, how: str) -> sqlite3.Connection:
    place = f"file:{quote(str(path))}?{how}"
    connection = sqlite3.connect(place, timeout=BUSY_SECONDS, isolation_level=None, uri=True)
    try:
        is_new = _is_new(connection, path)
    except BaseException:
        connection.close()
        raise
    if is_new:
        connection.close()
        raise NotALedger(str(path), "an empty file")
    return connection


def _is_whole(path: Path) -> bool:
    """Whether a ledger is all in its file: nothing of it waits in the write-ahead log."""
    log = path.with_name(path.name + "-wal")
    return path.is_file() and not (log.is_file() and log.stat().st_size)


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
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        remedy = _REMEDIES.get(code)
        if remedy is None:
            raise
        kind = LedgerDamaged if remedy is _RESTORE else LedgerUnavailable
        raise kind(f"The ledger {path} is unavailable ({error}).", remedy) from error
    except UnicodeDecodeError as error:  # of a name in a damaged file, or of what SQLite says about it
        raise LedgerDamaged(f"The ledger {path} cannot be read ({error}).", _RESTORE) from error
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
        with _reading(connection):
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
def _reading(connection: sqlite3.Connection) -> Iterator[None]:
    """All that is read meanwhile is of one moment: another process may be giving the file its form."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


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
