"""Contents: the rows of a segment give its blocks again, hash by hash, and the blocks the same rows."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from events import block as blocks
from events.block import Block, BlockDamaged, Entry
from services.archive.chunks import Chunk
from services.archive.columns import columns_of
from services.archive.manifests import TABLES, ArchiveDamaged, Manifest, Table
from services.archive.sealing import Summary

_ALTERED = "holds other things than what was sealed"


def check_contents(paths: Mapping[Table, Path], manifest: Manifest, place: str) -> None:
    """Raises ArchiveDamaged unless the files of a segment say what its blocks say, and its manifest too.

    Every hash, link, number and Merkle root is worked out anew, and every posting from its booking: files and
    manifest that somebody made up, so that they fit each other, are found too.
    """
    summary = Summary()
    before: Block | None = None
    try:
        for chunk in _chunks(paths):
            _check_begin(chunk, before, manifest)
            summary.add(chunk)
            before = chunk.last
    except _Different as error:
        raise ArchiveDamaged(place, manifest.files[error.table].name, f"{_ALTERED}: {error}") from error
    except BlockDamaged as error:
        raise ArchiveDamaged(place, manifest.files["entries"].name, f"{_ALTERED}: {error}") from error
    except (pa.ArrowException, KeyError, TypeError, ValueError, OSError) as error:  # columns of another kind
        raise ArchiveDamaged(place, manifest.name, f"has files that cannot be read: {error}") from error
    if before is None:
        raise ArchiveDamaged(place, manifest.name, "lies: there is no block in its files")
    segment = manifest.segment
    found = summary.segment(segment.ledger)
    for field in segment.__struct_fields__:
        due, told = getattr(found, field), getattr(segment, field)
        if field != "software" and due != told:
            raise ArchiveDamaged(place, manifest.name, f"lies: {field} is {told}, and by its blocks {due}")


class _Different(Exception):
    """A table has other rows than the blocks make."""

    def __init__(self, table: Table, problem: str) -> None:
        super().__init__(problem)
        self.table = table


class _Groups:
    """The row groups of a table, one after the other."""

    def __init__(self, table: Table, file: Any) -> None:
        self._table = table
        self._file = file
        self._next = 0

    def rows(self, count: int) -> pa.Table:
        """The next rows, which are a row group if there are any; raises _Different if it has another size."""
        if count == 0:
            return self._file.schema_arrow.empty_table()
        if self._next >= self._file.num_row_groups:
            raise _Different(self._table, f"{count:,} rows are missing at the end")
        rows = self._file.read_row_group(self._next)
        self._next += 1
        if rows.num_rows != count:
            raise _Different(self._table, f"row group {self._next - 1} has {rows.num_rows:,} rows instead of {count:,}")
        return rows

    def end(self) -> None:
        """Raises _Different if there is more."""
        if self._next < self._file.num_row_groups:
            raise _Different(self._table, f"there are more rows from row group {self._next} on")


def _chunks(paths: Mapping[Table, Path]) -> Iterator[Chunk]:
    """The blocks of a segment as they were written, a row group at a time; raises _Different, BlockDamaged."""
    with ExitStack() as stack:
        files = {table: stack.enter_context(pq.ParquetFile(paths[table])) for table in TABLES}
        groups = {table: _Groups(table, file) for table, file in files.items()}
        for index in range(files["blocks"].num_row_groups):
            rows = files["blocks"].read_row_group(index)
            entries = groups["entries"].rows(sum(rows.column("entries").to_pylist()))
            read = _blocks(rows, _entries(entries))
            for before, after in pairwise(read):
                blocks.check_next(before, after)
            columns = columns_of(read)
            _compare("blocks", rows, columns.blocks)
            _compare("entries", entries, columns.entries)
            _compare("postings", groups["postings"].rows(columns.postings.num_rows), columns.postings)
            yield Chunk(read[0], read[-1], columns)
        for table in ("entries", "postings"):
            groups[table].end()


def _entries(rows: pa.Table) -> Iterator[Entry]:
    columns = [rows.column(name).to_pylist() for name in ("event", "booking", "original")]
    return (blocks.kept_entry(event, booking, hashes or b"") for event, booking, hashes in zip(*columns, strict=True))


def _blocks(rows: pa.Table, entries: Iterator[Entry]) -> list[Block]:
    """The blocks of some headers with their entries; raises BlockDamaged, _Different."""
    read = []
    columns = [rows.column(name).to_pylist() for name in ("header", "entries", "hash")]
    for head, count, due in zip(*columns, strict=True):
        block = blocks.block_of(blocks.data_of(head, [next(entries) for _ in range(count)]))
        if block.hash != due:
            problem = f"the hash of block {block.header.height} is {block.hash.hex()}, and not {due.hex()}"
            raise _Different("blocks", problem)
        blocks.check_entries(block)
        read.append(block)
    return read


def _check_begin(chunk: Chunk, before: Block | None, manifest: Manifest) -> None:
    """Raises _Different, BlockDamaged unless a chunk follows the one before, or begins the segment."""
    if before is not None:
        blocks.check_next(before, chunk.first)
        return
    segment, header = manifest.segment, chunk.first.header
    if segment.from_height == 0:
        blocks.check_next(None, chunk.first)
        if chunk.first.hash.hex() != segment.ledger.own:
            raise _Different("blocks", f"block 0 is {chunk.first.hash.hex()}, and not {segment.ledger.own}")
    if header.prev_hash.hex() != segment.prev_hash:
        raise _Different("blocks", f"the hash before block {header.height} is {header.prev_hash.hex()}")


def _compare(table: Table, found: pa.Table, worked: pa.Table) -> None:
    """Raises _Different unless two tables have the same rows; whether names are in dictionaries does not matter."""
    if found.schema.names != worked.schema.names:
        raise _Different(table, f"its columns are {', '.join(found.schema.names)}")
    for name in worked.schema.names:
        due = worked.column(name)
        if pa.types.is_dictionary(due.type):
            due = due.cast(due.type.value_type)
        if not found.column(name).cast(due.type).equals(due):
            raise _Different(table, f"{name} is not what the blocks say")


