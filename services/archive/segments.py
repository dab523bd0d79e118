"""The Parquet files of a segment: written chunk by chunk, and checked against their manifest."""

import hashlib
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from services.archive.columns import BLOCKS, ENTRIES, POSTINGS, Columns
from services.archive.manifests import KEY, TABLES, ArchiveDamaged, File, Manifest, Segment, Table

SCHEMAS: Final[dict[Table, pa.Schema]] = {"postings": POSTINGS, "entries": ENTRIES, "blocks": BLOCKS}
_ATTRIBUTES: Final = ("attributes.key_value.key", "attributes.key_value.value")
_BYTES: Final = frozenset({"event", "booking", "original", "header", "prev_hash", "hash", "id"})
"""Columns whose values hardly ever come twice: a dictionary and a least and greatest value of them help nobody."""


class Writing:
    """The three files of some blocks while they are written; a chunk is a row group."""

    def __init__(self, paths: Mapping[Table, Path]) -> None:
        self._stack = ExitStack()
        self._writers = {table: self._stack.enter_context(_writer(path, table)) for table, path in paths.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def write(self, columns: Columns) -> None:
        """Adds the rows of the next blocks."""
        for table, writer in self._writers.items():
            rows = getattr(columns, table)
            if rows.num_rows:
                writer.write_table(rows, row_group_size=rows.num_rows)

    def tell(self, segment: Segment) -> None:
        """Writes into each file what it is a part of, before it is closed."""
        for writer in self._writers.values():
            writer.add_key_value_metadata({KEY: msgspec.json.encode(segment)})


def _writer(path: Path, table: Table) -> Any:
    names = [name for name in SCHEMAS[table].names if name not in _BYTES and name != "attributes"]
    counted = [name for name in ("seq", "first_seq") if name in names]
    again = [name for name in names if name not in counted]
    return pq.ParquetWriter(
        path,
        SCHEMAS[table],
        compression="zstd",
        use_dictionary=[*again, *(_ATTRIBUTES if table == "postings" else ())],
        column_encoding=dict.fromkeys(counted, "DELTA_BINARY_PACKED"),
        write_statistics=names,
        store_schema=False,
    )


def write_columns(columns: Columns, paths: Mapping[Table, Path]) -> None:
    """Writes the three tables to Parquet files, with the same bytes for the same blocks."""
    with Writing(paths) as writing:
        writing.write(columns)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_file(path: Path, manifest: Manifest, table: Table, place: str) -> None:
    """Raises ArchiveDamaged unless a file is what its manifest says; reads all of it, and lets other threads run."""
    told = manifest.files[table]
    try:
        check_size(path.stat().st_size, told, place)
        digest = sha256_of(path)
    except FileNotFoundError as error:
        raise ArchiveDamaged(place, told.name, "is missing") from error
    if digest != told.sha256:
        problem = f"was altered: its SHA-256 begins with {digest[:16]} instead of {told.sha256[:16]}"
        raise ArchiveDamaged(place, told.name, problem)
    _check_lies(path, manifest, table, place)


def check_size(size: int | None, told: File, place: str) -> None:
    """Raises ArchiveDamaged unless a file is there, which it is not for None, and has the size it should have."""
    if size is None:
        raise ArchiveDamaged(place, told.name, "is missing")
    if size < told.bytes:
        raise ArchiveDamaged(place, told.name, f"is truncated: it has {size:,} of {told.bytes:,} bytes")
    if size > told.bytes:
        raise ArchiveDamaged(place, told.name, f"was altered: it has {size:,} bytes instead of {told.bytes:,}")


def _check_lies(path: Path, manifest: Manifest, table: Table, place: str) -> None:
    """Raises ArchiveDamaged if a manifest says other things than the file that it has the right hash of."""
    segment = manifest.segment
    try:
        found = pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        raise ArchiveDamaged(place, manifest.files[table].name, f"is no Parquet file ({error})") from error
    if (found.metadata or {}).get(KEY) != msgspec.json.encode(segment):
        raise ArchiveDamaged(place, manifest.name, f"lies: its file of {table} was written for another segment")
    rows = {"postings": segment.postings, "entries": segment.entries}.get(
        table, segment.until_height - segment.from_height
    )
    if not found.num_rows == manifest.files[table].rows == rows:
        problem = f"lies: its file of {table} has {found.num_rows} rows, where {manifest.files[table].rows} are named"
        raise ArchiveDamaged(place, manifest.name, problem + f" and {rows} are due")
    for name, low, high in _bounds(segment, table):
        least, greatest = _range(found, SCHEMAS[table].names.index(name))
        if least is not None and not low <= least <= greatest <= high:
            problem = f"lies: {name} runs from {least} to {greatest} in its file of {table}, and not within {low}"
            raise ArchiveDamaged(place, manifest.name, f"{problem} to {high}")


def _bounds(segment: Segment, table: Table) -> list[tuple[str, int, int]]:
    """What lies between which bounds, by the manifest."""
    return [
        ("partition", segment.partition, segment.partition),
        ("height", segment.from_height, segment.until_height - 1),
        ("first_seq" if table == "blocks" else "seq", segment.first_seq, segment.end_seq - (table != "blocks")),
    ]


def _range(found: Any, column: int) -> tuple[Any, Any]:
    """The least and the greatest value of a column; None where nothing is told."""
    told = [found.row_group(index).column(column).statistics for index in range(found.num_row_groups)]
    kept = [one for one in told if one is not None and one.has_min_max]
    return (min(one.min for one in kept), max(one.max for one in kept)) if kept else (None, None)


def file_of(path: Path, name: str, rows: int) -> File:
    """What a manifest says of a file."""
    return File(name, path.stat().st_size, rows, sha256_of(path))


def paths_in(folder: Path, name: str) -> dict[Table, Path]:
    """The three files of some blocks in a folder."""
    return {table: folder / f"{name}.{table}.parquet" for table in TABLES}
