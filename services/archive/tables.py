"""The ledger as tables: a DuckDB connection whose `postings`, `entries` and `blocks` cover it up to given heights.

What is sealed in the archive is read from its Parquet files; what is not, the tail, is written to files of the same
form in a scratch directory first. So every question is asked of one form, in bounded memory, however long the tail is.
Nothing else can be reached through the connection, whatever it is asked: no other file, no extension, no setting.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import duckdb
import pyarrow as pa
from msgspec import Struct

from events.vocabulary import OWN_TYPES
from services.archive.chunks import Chunk, chunks
from services.archive.manifests import Table
from services.archive.segments import SCHEMAS, paths_in, write_columns
from services.archive.statements import QueryFailed, lock
from services.ledgers.port import Chains

MEMORY_LIMIT: Final = "1GB"
"""What DuckDB may hold in memory; beyond it uses the scratch directory."""
_ROWS: Final = 4_096
T = TypeVar("T")

_AGAIN_SECONDS: Final = 0.05


class Files(Struct, frozen=True):
    """Parquet files on this machine that hold the blocks `from_height` to `until_height - 1` of a partition.

    `newest_event` is in microseconds; None where no event is in them.
    """

    partition: int
    from_height: int
    until_height: int
    postings: Path
    entries: Path
    blocks: Path
    newest_event: int | None = None

    def is_split(self, heights: "Heights") -> bool:
        """Whether some of the blocks lie beyond the heights, and others do not."""
        return self.from_height <= heights.get(self.partition, -1) < self.until_height - 1


SENT: Final = f"type NOT IN ({', '.join(repr(name) for name in OWN_TYPES)})"
"""Whether an entry is an event that somebody sent, in SQL."""
Heights = Mapping[int, int]
"""Partition -> the height of the last block that counts; -1 for none."""

Told = Callable[[int], None]
"""Is told how many entries of the tail were read so far."""


class Tables:
    """Questions to the tables; one object serves one event loop, one question at a time."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, heights: Heights, files: Sequence[Files]) -> None:
        self._connection = connection
        self._files = files
        self._turn = asyncio.Lock()
        self.heights = heights

    async def rows(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query of ours; parameters stand for `?`."""
        found: list[tuple[Any, ...]] = await self._asked(query, parameters, lambda cursor: cursor.fetchall())
        return found

    async def arrow(self, query: str, parameters: Sequence[object] = ()) -> pa.Table:
        """The same as an Arrow table."""
        return await self._asked(query, parameters, lambda cursor: cursor.to_arrow_table())

    async def streamed(self, query: str, taken: Callable[[Iterator[tuple[Any, ...]]], T]) -> T:
        """What a function makes of the rows, in the thread that asks, a few thousand of them in memory at a time."""
        found: T = await self._asked(query, (), lambda cursor: taken(_streamed(cursor)))
        return found

    async def answered(self, query: str, taken: Callable[[Sequence[str], Iterator[tuple[Any, ...]]], T]) -> T:
        """The same for a query of somebody else, with the names of its columns; raises QueryFailed."""

        def answer(cursor: duckdb.DuckDBPyConnection) -> T:
            names = [column[0] for column in cursor.description or ()]
            return taken(names, _streamed(cursor))

        try:
            found: T = await self._asked(query, (), answer)
        except duckdb.Error as error:
            raise QueryFailed(error, MEMORY_LIMIT) from error
        return found

    async def newest_event(self, heights: Heights) -> int:
        """The time of the newest event up to some heights, in microseconds; 0 for none.

        Only where files are split by the heights are entries looked at.
        """
        known = [one for one in self._files if one.from_height <= heights.get(one.partition, -1)]
        found = [one.newest_event for one in known if not one.is_split(heights)]
        for one in known:
            if one.is_split(heights):
                source = f"read_parquet({_quoted(str(one.entries))})"
                query = f"SELECT max(epoch_us(time)) FROM {source} WHERE height <= ? AND {SENT}"  # noqa: S608
                ((newest,),) = await self.rows(query, [heights[one.partition]])
                found.append(newest)
        return max((one for one in found if one is not None), default=0)

    async def take_in(self, name: str, rows: pa.Table) -> None:
        """Makes rows of ours a table beside the others."""
        async with self._turn:
            self._connection.register(name, rows)

    async def _asked(
        self, query: str, parameters: Sequence[object], taken: Callable[[duckdb.DuckDBPyConnection], Any]
    ) -> Any:
        """Asks in a thread; whoever is cancelled interrupts the query and waits for its end."""
        async with self._turn:
            asking = asyncio.ensure_future(asyncio.to_thread(_answer, self._connection, query, parameters, taken))
            try:
                return await asyncio.shield(asking)
            except asyncio.CancelledError:
                while not asking.done():  # a query that has not begun yet is not interrupted
                    self._connection.interrupt()
                    await asyncio.wait([asking], timeout=_AGAIN_SECONDS)
                asking.exception()  # it was interrupted, which nobody need be told
                raise


@asynccontextmanager
async def ledger_tables(
    ledger: Chains,
    heights: Heights,
    sealed: Sequence[Files] = (),
    told: Told = lambda _: None,
    names: Sequence[Table] = ("postings",),
) -> AsyncIterator[Tables]:
    """The tables named, of all blocks up to `heights`, from sealed files where there are any, else from the ledger.

    `sealed` cover each partition from height 0 on without a gap, and may go beyond `heights`.
    Raises BlockDamaged, LedgerUnavailable.
    """
    with tempfile.TemporaryDirectory(prefix="revledger-tables-", ignore_cleanup_errors=True) as scratch:
        tails: list[Files] = []
        for partition, height in heights.items():
            start = _sealed_until(sealed, partition)
            tails += [one async for one in _tail(ledger, partition, (start, height + 1), Path(scratch), told, names)]
        connection = _connected(Path(scratch))
        try:
            files = [*_needed(sealed, heights), *tails]
            for name in names:
                _create_view(connection, name, files, heights)
            split = [str(one.entries) for one in files if one.is_split(heights)]
            lock(connection, [*(str(getattr(one, name)) for one in files for name in names), *split])
            yield Tables(connection, dict(heights), files)
        finally:
            connection.close()


def _sealed_until(sealed: Sequence[Files], partition: int) -> int:
    return max((one.until_height for one in sealed if one.partition == partition), default=0)


def _needed(sealed: Sequence[Files], heights: Heights) -> list[Files]:
    return [one for one in sealed if one.from_height <= heights.get(one.partition, -1)]


async def _tail(
    ledger: Chains, partition: int, span: tuple[int, int], scratch: Path, told: Told, names: Sequence[Table]
) -> AsyncIterator[Files]:
    """Files of the blocks of a partition that are not sealed, a chunk each; only of the tables named."""
    start, until = span
    if start >= until:
        return
    done = 0
    async with aclosing(chunks(ledger, partition, start, until, names=names)) as found:
        async for chunk in found:
            yield await asyncio.to_thread(_written, chunk, scratch, names)
            done += chunk.entries
            told(done)


def _written(chunk: Chunk, scratch: Path, names: Sequence[Table]) -> Files:
    header, until = chunk.first.header, chunk.last.header.height + 1
    paths = paths_in(scratch, f"{header.partition}-{header.height}")
    write_columns(chunk.columns, {table: path for table, path in paths.items() if table in names})
    return Files(header.partition, header.height, until, **paths, newest_event=chunk.columns.newest_event)


def _streamed(cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while rows := cursor.fetchmany(_ROWS):
        yield from rows


def _answer(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    parameters: Sequence[object],
    taken: Callable[[duckdb.DuckDBPyConnection], Any],
) -> Any:
    return taken(connection.execute(query, list(parameters)))


def _connected(scratch: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"memory_limit": MEMORY_LIMIT, "temp_directory": str(scratch / "duckdb")})
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET preserve_insertion_order = false")
    return connection


def _create_view(connection: duckdb.DuckDBPyConnection, table: Table, files: Sequence[Files], heights: Heights) -> None:
    """A view of files, less what lies beyond the heights."""
    if not files:
        connection.register(f"no_{table}", SCHEMAS[table].empty_table())
        connection.execute(f"CREATE VIEW {table} AS SELECT * FROM no_{table}")  # noqa: S608
        return
    paths = ", ".join(_quoted(str(getattr(one, table))) for one in files)
    beyond = {one.partition for one in files if one.until_height > heights[one.partition] + 1}
    within = "".join(f" AND NOT (partition = {one} AND height > {heights[one]})" for one in sorted(beyond))
    connection.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet([{paths}]) WHERE true{within}")  # noqa: S608


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
