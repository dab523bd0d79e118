"""The ledger in one SQLite file: durable before it acknowledges, its rows never changed or removed."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar, TypeVarTuple

from services.ledgers.port import Ledger, LedgerDamaged, StoredBlock, closed_ledger, require_chain
from services.ledgers.recent import Recent
from services.ledgers.sqlite_file import (
    LedgerFile,
    close_file,
    explained,
    open_file,
    open_to_read,
    reader_of,
    writing_alone,
)

POLL_SECONDS: Final = 0.05
"""How often a follower looks for appends of other processes; those of its own process wake it at once."""

_BATCH_BLOCKS: Final = 1_000
_BATCH_BYTES: Final = 4 * 1024 * 1024
_HIGHEST: Final = 2**63 - 1
_TYPES: Final[list[type]] = [int, int, int, int, int, bytes, bytes, bytes]

_BLOCKS: Final = (
    "SELECT partition, height, first_seq, entries, recorded_at, prev_hash, hash, data FROM blocks WHERE partition = ?"
)
_TAIL: Final = _BLOCKS + " ORDER BY height DESC LIMIT 1"
_RANGE: Final = _BLOCKS + " AND height >= ? AND height < ? ORDER BY height LIMIT ?"
_HOLDER: Final = _BLOCKS + " AND first_seq <= ? ORDER BY first_seq DESC, height DESC LIMIT 1"
_INSERT: Final = (
    "INSERT INTO blocks (partition, height, first_seq, entries, recorded_at, prev_hash, hash, data)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


async def sqlite_ledger(path: Path) -> Ledger:
    """The ledger in the file at `path`, made if it does not exist.

    Any number of objects and processes may open one file; an append of any of them extends the one chain.

    Raises:
        NotALedger: the file is something else.
        NewerLedger: a later revledger wrote it.
        LedgerUnavailable: it cannot be opened.
    """
    loop = asyncio.get_running_loop()
    writing, reading = ThreadPoolExecutor(1, "ledger-writer"), ThreadPoolExecutor(1, "ledger-reader")
    try:
        file = await loop.run_in_executor(writing, open_file, path)
        try:
            reader = await loop.run_in_executor(reading, reader_of, file)
        except BaseException:
            writing.submit(close_file, file)
            raise
    except BaseException:
        writing.shutdown(wait=False)
        reading.shutdown(wait=False)
        raise
    return _SqliteLedger(file, writing, reader, reading)


async def sqlite_reader(path: Path) -> "SqliteReader":
    """The ledger in the file at `path`, which is there, to be read beside whoever writes it; makes and changes nothing.

    Raises as `sqlite_ledger`, and LedgerDamaged for a file that SQLite cannot read.
    """
    reading = ThreadPoolExecutor(1, "ledger-reader")
    try:
        reader = await asyncio.get_running_loop().run_in_executor(reading, open_to_read, path)
    except BaseException:
        reading.shutdown(wait=False)
        raise
    return SqliteReader(path, reader, reading)


class SqliteReader:
    """One connection that only reads, with a thread of its own."""

    def __init__(self, path: Path, reader: sqlite3.Connection, reading: ThreadPoolExecutor) -> None:
        self._path = path
        self._reader = reader
        self._reading = reading
        self._recent = Recent()
        self._appended = asyncio.Event()
        self._closed = False

    async def tail(self, partition: int) -> StoredBlock | None:
        return await self._ask(_one, _TAIL, partition)

    async def read(
        self, partition: int, from_height: int = 0, until_height: int | None = None
    ) -> AsyncIterator[StoredBlock]:
        self._require_open()
        height, until = from_height, _HIGHEST if until_height is None else until_height
        while height < until:
            batch = self._recent.since(partition, height, until)
            if not batch:  # what others appended only the file knows
                batch = await self._ask(_batch, partition, height, until)
            if not batch:
                return
            for block in batch:
                yield block
            if batch[-1].height < height:
                raise _no_block(partition, height)
            height = batch[-1].height + 1

    async def follow(self, partition: int, from_height: int) -> AsyncIterator[StoredBlock]:
        height = from_height
        while True:
            # Taken before reading: an append that comes while reading then ends the wait after it.
            appended, version = self._appended, await self._ask(_data_version)
            async for block in self.read(partition, height):
                yield block
                height = block.height + 1
            while await self._await_append(appended, version):
                appended = self._appended
                own = self._recent.since(partition, height, _HIGHEST)
                if not own:
                    break
                for block in own:
                    yield block
                    height = block.height + 1

    async def block_of(self, partition: int, seq: int) -> StoredBlock | None:
        block = await self._ask(_one, _HOLDER, partition, seq)
        return block if block is not None and seq < block.end_seq else None

    async def forks(self, partition: int) -> int:
        del partition  # an append that comes too late is refused
        return 0

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._wake()
        try:
            await asyncio.get_running_loop().run_in_executor(self._reading, self._reader.close)
        finally:
            self._reading.shutdown(wait=False)

    async def _await_append(self, appended: asyncio.Event, version: int) -> bool:
        """Returns after an append of this object (then True), or after any change of the file since `version`."""
        while not appended.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await appended.wait()
                    break
            if await self._ask(_data_version) != version:
                return False
        self._require_open()
        return True

    def _wake(self) -> None:
        """Wakes whoever follows; each wait has its own event, so that none is missed."""
        appended, self._appended = self._appended, asyncio.Event()
        appended.set()

    async def _ask(self, question: Callable[[sqlite3.Connection, *Ts], T], *details: *Ts) -> T:
        """The answer of the reading connection, from its own thread."""
        self._require_open()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reading, self._answer, question, *details)

    def _answer(self, question: Callable[[sqlite3.Connection, *Ts], T], *details: *Ts) -> T:
        with explained(self._path):
            return question(self._reader, *details)

    def _require_open(self) -> None:
        if self._closed:
            raise closed_ledger()


class _SqliteLedger(SqliteReader):
    """Two connections, each with a thread of its own: no read waits for an fsync, nor does the loop."""

    def __init__(
        self,
        file: LedgerFile,
        writing: ThreadPoolExecutor,
        reader: sqlite3.Connection,
        reading: ThreadPoolExecutor,
    ) -> None:
        super().__init__(file.path, reader, reading)
        self._file = file
        self._writing = writing

    async def append(self, blocks: Sequence[StoredBlock]) -> None:
        self._require_open()
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._writing, _append, self._file, tuple(blocks))
            self._recent.add(blocks)
        finally:
            self._wake()

    async def close(self) -> None:
        if self._closed:
            return
        try:
            # The writer last: the last connection to close moves the write-ahead log into the file.
            await super().close()
            await asyncio.get_running_loop().run_in_executor(self._writing, close_file, self._file)
        finally:
            self._writing.shutdown(wait=False)


def _append(file: LedgerFile, blocks: Sequence[StoredBlock]) -> None:
    """One transaction; the tails are read under its lock, so no other writer can come in between."""
    with explained(file.path), writing_alone(file):
        tails = {block.partition: _one(file.connection, _TAIL, block.partition) for block in blocks}
        require_chain(tails, blocks)
        file.connection.executemany(_INSERT, map(_row, blocks))


def _one(connection: sqlite3.Connection, query: str, *details: int) -> StoredBlock | None:
    row = connection.execute(query, details).fetchone()
    return None if row is None else _block(row)


def _batch(connection: sqlite3.Connection, partition: int, height: int, until: int) -> list[StoredBlock]:
    """The next blocks, a few megabytes at most; the read transaction ends here, not with the consumer."""
    blocks: list[StoredBlock] = []
    size_bytes = 0
    cursor = connection.execute(_RANGE, (partition, height, until, _BATCH_BLOCKS))
    try:
        for row in cursor:
            blocks.append(_block(row))
            size_bytes += len(blocks[-1].data)
            if size_bytes >= _BATCH_BYTES:
                break
    except (sqlite3.Error, LedgerDamaged):
        if not blocks:
            raise  # else it is for whoever asks for the next
    finally:
        cursor.close()
    return blocks


def _block(row: tuple[Any, ...]) -> StoredBlock:
    """The block in a row; in a damaged file a column may hold anything."""
    if [*map(type, row)] != _TYPES:
        raise _no_block(row[0], row[1])
    return StoredBlock(*row)


def _no_block(partition: object, height: object) -> LedgerDamaged:
    problem = f"What the file holds as block {height!r} of partition {partition!r} is none."
    return LedgerDamaged(problem, "The file is damaged: stop writing to it and restore it from a copy.")


def _data_version(connection: sqlite3.Connection) -> int:
    """A number that differs after any other connection has changed the file."""
    version: int = connection.execute("PRAGMA data_version").fetchone()[0]
    return version


def _row(block: StoredBlock) -> tuple[object, ...]:
    return (
        block.partition,
        block.height,
        block.first_seq,
        block.entries,
        block.recorded_at,
        block.prev_hash,
        block.hash,
        block.data,
    )
