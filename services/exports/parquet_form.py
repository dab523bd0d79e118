"""The journal as one Parquet file."""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from services.exports.forms import About
from services.exports.journal import COLUMNS, Line, Opened, Total

KEY: Final = b"revledger.export"
"""Under which key the file carries what it reflects, as JSON."""
_MOMENT: Final = pa.timestamp("us", tz="UTC")
_TYPES: Final[dict[Any, pa.DataType]] = {
    int: pa.int64(),
    int | None: pa.int32(),
    str: pa.string(),
    date: pa.date32(),
    dict[str, str]: pa.map_(pa.string(), pa.string()),
}
_OTHERS: Final = {"recorded_at": _MOMENT, "time": _MOMENT, "partition": pa.int32(), "posting": pa.int32()}
SCHEMA: Final = pa.schema(
    [
        pa.field(name, _OTHERS.get(name, _TYPES[kind]), nullable=kind == int | None)
        for name, kind in Line.__annotations__.items()
    ]
)


class ParquetWriting:
    """A Parquet file while it is written: a row group for each span."""

    def __init__(self, path: Path, about: About) -> None:
        self._writer = pq.ParquetWriter(path, SCHEMA, compression="zstd", store_schema=False)
        self._writer.add_key_value_metadata({KEY: msgspec.json.encode(about)})

    def open(self, opened: Iterator[Opened]) -> None:
        """There is nothing to tell of contracts."""

    def add(self, lines: Iterator[Line]) -> int:
        columns = list(zip(*lines, strict=True))
        if not columns:
            return 0
        named = dict(zip(COLUMNS, columns, strict=True))
        attributes = [list(one.items()) for one in named.pop("attributes")]
        arrays = [pa.array(named.get(field.name, attributes), field.type) for field in SCHEMA]
        table = pa.table(arrays, schema=SCHEMA)
        self._writer.write_table(table, row_group_size=table.num_rows)
        return int(table.num_rows)

    def close(self, _totals: Sequence[Total]) -> None:
        self._writer.close()

    def abandon(self) -> None:
        self._writer.close()
