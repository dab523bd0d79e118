"""Parquet: the columns, their types, and what the file says of itself."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from services.exports.forms import About
from services.exports.journal import COLUMNS
from services.exports.parquet_form import KEY, SCHEMA, ParquetWriting
from tests.services.exports.test_csv_form import line_with


def test_every_column_has_its_type_and_only_terms_may_be_null(tmp_path: Path) -> None:
    path = tmp_path / "journal.parquet"
    writing = ParquetWriting(path, About({"0": 1}, True, "p", window={"from": "2024-01-01"}))
    assert writing.add(iter([])) == 0
    assert writing.add(iter([line_with("é"), line_with("=")])) == 2
    writing.close([])
    table = pq.read_table(path)
    assert table.schema.names == list(COLUMNS)
    assert [field.name for field in SCHEMA if field.nullable] == ["term_months"]
    assert table.schema.field("recorded_at").type == pa.timestamp("us", tz="UTC")
    assert table.schema.field("annual_e4").type == pa.int64()
    assert table.column("account").to_pylist() == ["é", "="]
    assert table.column("attributes").to_pylist() == [[("é", "é")], [("=", "=")]]
    about = pq.read_metadata(path).metadata[KEY]
    assert about == b'{"position":{"0":1},"final":true,"policy":"p","window":{"from":"2024-01-01"}}'
