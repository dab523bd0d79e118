"""The dead letters: events that were refused, kept whole with the reason until a retry is accepted."""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any, Final

from msgspec import Struct

from services.ledgers.port import LedgerUnavailable
from services.ledgers.redactable import scrub
from services.ledgers.sqlite_file import explained
from services.turns import open_lock, turn

FILE_NAME: Final = "dead-letters.db"
APPLICATION_ID: Final = 0x5276446C
"""`RvDl`: what the `file` command and every opener recognise the file by."""
FORMAT: Final = 1
BUSY_SECONDS: Final = 10.0
PAGE_BYTES_MAX: Final = 64 * 1024 * 1024
"""About how many bytes of events `waiting` gives at once; a single larger one is given alone."""

# `raw` comes last: what is asked of the other columns then never reads through it.
_SCHEMA: Final = f"""
BEGIN IMMEDIATE;
CREATE TABLE dead_letters (
    id          INTEGER PRIMARY KEY,
    digest      BLOB NOT NULL,
    code        TEXT NOT NULL,
    message     TEXT NOT NULL,
    field       TEXT NOT NULL,
    source      TEXT NOT NULL,
    first_at    INTEGER NOT NULL,
    last_at     INTEGER NOT NULL,
    times       INTEGER NOT NULL,
    partition   INTEGER,
    height      INTEGER,
    seq         INTEGER,
    resolved_at INTEGER,
    raw         BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX dead_letters_once ON dead_letters (digest, code) WHERE resolved_at IS NULL;
CREATE INDEX dead_letters_waiting ON dead_letters (id, code) WHERE resolved_at IS NULL;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {FORMAT};
COMMIT;
"""
_PUT: Final = """
INSERT INTO dead_letters (digest, code, message, field, source, first_at, last_at, times, raw)
VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?)
ON CONFLICT (digest, code) WHERE resolved_at IS NULL DO UPDATE SET
    message = excluded.message, field = excluded.field, source = excluded.source,
    last_at = max(last_at, excluded.last_at), times = times + 1
RETURNING id
"""
_SELECT: Final = (
    "SELECT id, code, message, field, source, first_at, last_at, times,"
    " partition, height, seq, resolved_at, raw FROM dead_letters"
)
_COUNT: Final = "SELECT code, count(*) FROM dead_letters WHERE resolved_at IS NULL GROUP BY 1 ORDER BY 1"
_RESOLVE: Final = """
UPDATE dead_letters SET partition = ?, height = ?, seq = ?, resolved_at = ?
WHERE resolved_at IS NULL AND digest = (SELECT digest FROM dead_letters WHERE id = ?)
"""


class Refusal(Struct, frozen=True):
    """One refused event to be kept; `source` is where it came in, `at` when, in microseconds."""

    raw: bytes
    code: str
    message: str
    field: str
    source: str
    at: int


SET_ASIDE: Final = (-1, -1, -1)
"""The place of an event that is nowhere in the ledger: somebody set its letter aside."""


class Resolution(Struct, frozen=True):
    """Where a retried event is in the ledger, or SET_ASIDE, and since when, in microseconds."""

    partition: int
    height: int
    seq: int
    at: int


class DeadLetter(Struct, frozen=True):
    """A refused event as received; message, field and source are those of the last of its `times`.

    `first_at` and `last_at` in microseconds; `resolution` is None while it waits.
    """

    id: int
    raw: bytes
    code: str
    message: str
    field: str
    source: str
    first_at: int
    last_at: int
    times: int
    resolution: Resolution | None


class DeadLettersUnavailable(Exception):
    """The file of the dead letters cannot be read or written; `remedy` says what to do."""

    def __init__(self, path: Path, problem: str, remedy: str) -> None:
        super().__init__(f"The dead letters {path} are unavailable ({problem}). {remedy}")
        self.path = path
        self.problem = problem
        self.remedy = remedy


class NoSuchDeadLetter(Exception):
    """No dead letter has this number."""

    def __init__(self, letter_id: int) -> None:
        super().__init__(f"No dead letter has the number {letter_id}: see `revledger dead-letters list`.")
        self.letter_id = letter_id


class DeadLetters:
    """The dead letters of a data directory, in `dead-letters.db`; threads and processes may share them.

    Every call may wait for a disk or for another process, so run it in a thread; each may raise
    DeadLettersUnavailable, also the making of the object.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE_NAME
        self._mutex = Lock()
        with _explained(self._path):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = sqlite3.connect(
                self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                self._lock = open_lock(self._path)
            except BaseException:
                self._file.close()
                raise
        try:
            with self._writing():
                _prepare(self._file, self._path)
        except BaseException:
            self.close()
            raise

    def put(self, raw: bytes, code: str, message: str, field: str, source: str, at: int) -> int:
        """Keeps one refused event and returns its number once it is durable; see `put_many`."""
        return self.put_many([Refusal(raw, code, message, field, source, at)])[0]

    def put_many(self, refusals: Sequence[Refusal]) -> list[int]:
        """Keeps refused events, all or none, and returns their numbers once they are durable.

        Bytes that wait already, refused for the same code, are counted there and keep their number.
        """
        if not refusals:
            return []
        with self._writing(), _transaction(self._file):
            return [self._file.execute(_PUT, _parameters(one)).fetchone()[0] for one in refusals]

    def waiting(self, limit: int = 100, after: int = 0) -> list[DeadLetter]:
        """The next letters that wait, by number, beyond number `after`; an empty list is the end of them.

        There may be fewer than `limit`, so that no answer is much larger than `PAGE_BYTES_MAX`.
        """
        query = f"{_SELECT} WHERE resolved_at IS NULL AND id > ? ORDER BY id LIMIT ?"
        page: list[DeadLetter] = []
        room = PAGE_BYTES_MAX
        with self._reading():
            for row in self._file.execute(query, (after, limit)):
                letter = _letter(row)
                room -= len(letter.raw)
                if page and room < 0:
                    break
                page.append(letter)
        return page

    def get(self, letter_id: int) -> DeadLetter:
        """One letter, whether it waits or not; raises NoSuchDeadLetter."""
        with self._reading():
            row = self._file.execute(f"{_SELECT} WHERE id = ?", (letter_id,)).fetchone()
        if row is None:
            raise NoSuchDeadLetter(letter_id)
        return _letter(row)

    def resolve(self, letter_id: int, partition: int, height: int, seq: int, at: int) -> None:
        """Notes that a retry was accepted as that entry; the letter stays, and waits no longer.

        So it is with other letters of the same bytes, refused for another code. Raises NoSuchDeadLetter.
        """
        with self._writing(), _transaction(self._file):
            query = "SELECT 1 FROM dead_letters WHERE id = ?"
            if self._file.execute(query, (letter_id,)).fetchone() is None:
                raise NoSuchDeadLetter(letter_id)
            self._file.execute(_RESOLVE, (partition, height, seq, at, letter_id))

    def set_aside(self, letter_id: int, at: int) -> None:
        """Notes that somebody saw to it in another way; the letter stays, and waits no longer.

        So it is with other letters of the same bytes. Raises NoSuchDeadLetter.
        """
        self.resolve(letter_id, *SET_ASIDE, at)

    def rewrite(self, change: Callable[[DeadLetter], bytes | None], *, clean: bool) -> None:
        """Replaces the bytes of letters where `change` gives others, of those that are resolved too; all or none.

        `clean`: the file is made anew, so that nothing of other bytes is left in it. Raises TextRemains.
        """
        with self._writing():
            self._file.execute("PRAGMA secure_delete = ON")
            with _transaction(self._file):
                for (letter_id,) in self._file.execute("SELECT id FROM dead_letters ORDER BY id").fetchall():
                    letter = _letter(self._file.execute(f"{_SELECT} WHERE id = ?", (letter_id,)).fetchone())
                    raw = change(letter)
                    if raw is not None:
                        parameters = (raw, sha256(raw).digest(), letter_id)
                        self._file.execute("UPDATE dead_letters SET raw = ?, digest = ? WHERE id = ?", parameters)
            if clean:
                scrub(self._file, self._path)

    def count(self) -> dict[str, int]:
        """How many letters wait, by code in alphabetical order."""
        with self._reading():
            return dict(self._file.execute(_COUNT).fetchall())

    def close(self) -> None:
        """Closes the file; call it once."""
        try:
            with self._writing():
                self._file.close()
        finally:
            os.close(self._lock)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._mutex, _explained(self._path):
            yield

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Alone among all threads and processes: SQLite's own locks suffice but for a rare defect.

        Up to 3.51.2 a checkpoint of one process beside a commit of another can damage the file
        (https://sqlite.org/wal.html#walresetbug).
        """
        with self._mutex, _explained(self._path), turn(self._lock, BUSY_SECONDS):
            yield


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        with explained(path), _patient(path):
            yield
    except LedgerUnavailable as error:
        raise DeadLettersUnavailable(path, str(error.__cause__), error.remedy) from error.__cause__


@contextmanager
def _patient(path: Path) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise DeadLettersUnavailable(path, str(error), "Wait for it or end it, then try again.") from error


@contextmanager
def _transaction(file: sqlite3.Connection) -> Iterator[None]:
    file.execute("BEGIN IMMEDIATE")
    try:
        yield
        file.execute("COMMIT")
    except BaseException:
        if file.in_transaction:
            file.execute("ROLLBACK")
        raise


def _prepare(file: sqlite3.Connection, path: Path) -> None:
    """Gives a new file its form, and checks the form of any."""
    application_id = file.execute("PRAGMA application_id").fetchone()[0]
    version = file.execute("PRAGMA user_version").fetchone()[0]
    objects = file.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application_id == APPLICATION_ID and version > FORMAT:
        problem = f"it has format {version}, newer than {FORMAT}"
        raise DeadLettersUnavailable(path, problem, "Upgrade revledger.")
    if application_id != APPLICATION_ID:
        if application_id or version or objects:
            remedy = "Move it away or choose another data directory; nothing was changed in it."
            raise DeadLettersUnavailable(path, "it is the file of another application", remedy)
        file.executescript(_SCHEMA)
    file.execute("PRAGMA journal_mode = WAL")
    file.execute("PRAGMA synchronous = FULL")  # in WAL mode: the log is synced at every commit


def _parameters(one: Refusal) -> tuple[object, ...]:
    digest = sha256(one.raw).digest()
    return (digest, one.code, one.message, one.field, one.source, one.at, one.at, one.raw)


def _letter(row: tuple[Any, ...]) -> DeadLetter:
    letter_id, code, message, field, source, first_at, last_at, times, *resolved, raw = row
    resolution = None if resolved[-1] is None else Resolution(*resolved)
    return DeadLetter(letter_id, raw, code, message, field, source, first_at, last_at, times, resolution)
