"""The tables of `revledger report`: three forms, one of them never wider than 100 columns; and replayed the same."""

import csv
import io
from pathlib import Path

import pytest
from rich.cells import cell_len

from projections.tables import TABLES
from services.cli.listing import COMMANDS
from tests.services.cli.calling import called


def test_every_table_is_a_command() -> None:
    assert {name: table.definition for name, table in TABLES.items()} == COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_three_forms_and_the_same_from_the_ledger(name: str, demo_books: Path, tmp_path: Path) -> None:
    asked = ("report", name, "--currency", "USD", "--on", "2024-06-30", "--limit", "7", "--data", str(demo_books))
    table, answer = called(*asked), called(*asked, "--format", "json")
    assert (table.status, answer.status, table.err) == (0, 0, "")
    assert max(cell_len(line.rstrip()) for line in table.out.splitlines()) <= 100
    assert "as of block" in table.out
    assert answer.json["report"] == name
    assert len(answer.json["rows"]) <= 7 or TABLES[name].is_whole
    rows = [*csv.reader(io.StringIO(called(*asked, "--format", "csv").out))]
    assert rows[0] == [column.name for column in TABLES[name].columns]
    assert len(rows) == 1 + len(answer.json["rows"])
    (tmp_path / "same.toml").write_text('name = "same"\n', encoding="utf-8")
    replayed = called(*asked, "--format", "json", "--policy", str(tmp_path / "same.toml")).json
    assert replayed["rows"] == answer.json["rows"]


def test_a_filter_and_what_cannot_be_answered(demo_books: Path) -> None:
    asked = ("report", "concentration", "--currency", "USD", "--data", str(demo_books), "--format", "json")
    smaller = called(*asked, "--where", "segment=smb").json
    assert 0 < len(smaller["rows"]) < len(called(*asked).json["rows"])
    wrong = called(*asked, "--where", "segmnt=smb")
    assert wrong.status == 2
    assert "did you mean segment" in wrong.err
