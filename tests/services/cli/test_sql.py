"""`revledger sql`: whoever asks gets rows in three forms, and what cannot be asked is said before anything is read."""

import csv
import io
import json
import signal
import subprocess
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.cli.rows import ROWS_MAX
from services.cli.values import plain
from tests.services.cli.calling import COMMAND, ROOT, called, ended, process, signed, started, written

SUM = "SELECT movement, sum(amount_e4) AS total FROM postings WHERE currency = 'USD' GROUP BY 1 ORDER BY 1"
ENDLESS = "SELECT a.range * b.range AS n FROM range(10000000) AS a, range(10000000) AS b"


def test_rows_are_the_same_in_every_form(demo_books: Path) -> None:
    done = called("sql", SUM, "--data", str(demo_books), "--format", "json")
    assert (done.status, done.err) == (0, "")
    answer = done.json
    assert (answer["report"], answer["columns"], answer["as_of"]["final"]) == ("sql", ["movement", "total"], True)
    assert answer["as_of"]["position"] == {"0": 1984}
    assert answer["policy"].startswith("default@")
    totals = {row["movement"]: row["total"] for row in answer["rows"]}
    bridge = called("report", "bridge", "--currency", "USD", "--every", "year", "--from", "2015-01-01", "--until",
                    "2035-01-01", "--data", str(demo_books), "--format", "json").json  # fmt: skip
    for movement in ("new", "churn", "expansion"):
        assert totals[movement] == sum(row["annual_e4"][movement] for row in bridge["rows"]) != 0
    rows = csv.reader(io.StringIO(called("sql", SUM, "--data", str(demo_books), "--format", "csv").out))
    assert [*rows] == [["movement", "total"], *[[row["movement"], str(row["total"])] for row in answer["rows"]]]
    table = called("sql", SUM, "--data", str(demo_books)).out.splitlines()
    assert [line.split() for line in table[1 : len(totals) + 1]] == [[name, str(one)] for name, one in totals.items()]
    assert table[len(totals) + 1] == f"{len(totals)} rows"
    assert table[-2].startswith("as of block 1984, final; newest event ")


def test_a_wide_row_is_written_a_value_a_line(demo_books: Path) -> None:
    done = called("sql", "SELECT * FROM postings ORDER BY seq LIMIT 2", "--data", str(demo_books))
    assert done.status == 0
    assert max(map(len, done.out.splitlines())) <= 100
    assert [line for line in done.out.splitlines() if line.startswith("row ")] == ["row 1", "row 2"]
    assert "attributes   industry=" in done.out
    longest = "SELECT event FROM entries ORDER BY octet_length(event) DESC LIMIT 1"
    events = called("sql", longest, "--data", str(demo_books))
    assert max(map(len, events.out.splitlines())) <= 100


def test_more_rows_than_a_person_reads_are_left_out_and_said(demo_books: Path) -> None:
    done = called("sql", "SELECT range FROM range(100000)", "--data", str(demo_books))
    assert len(done.out.splitlines()) < ROWS_MAX + 10
    assert f"the first {ROWS_MAX:,} rows; --format csv and json write all of them" in done.out
    whole = called("sql", "SELECT range FROM range(100000)", "--data", str(demo_books), "--format", "csv")
    assert len(whole.out.splitlines()) == 100_001


def test_the_past_is_asked_as_it_was_known(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    for number in range(3):
        event = written(tmp_path / f"{number}", [signed(f"{number}", subject=f"a{number}")])
        assert called("load", event, "--data", data).status == 0
    count = ("sql", "SELECT count(*) AS n FROM entries", "--format", "json", "--data", data)
    assert called(*count).json["rows"] == [{"n": 3}]
    answer = called(*count, "--known-at", "0:2").json
    assert answer["rows"] == [{"n": 2}]
    assert (answer["as_of"]["known_at"], answer["as_of"]["position"]) == ("0:2", {"0": 2})
    assert called(*count, "--known-at", "1999-01-01T00:00:00Z").status == 2


@pytest.mark.parametrize(
    ("statement", "status", "sentence"),
    [
        ("DROP VIEW postings", 2, "DROP is refused"),
        ("COPY postings TO 'x.csv'", 2, "COPY is refused"),
        ("SELECT * FROM read_text('/etc/passwd')", 2, "no other file"),
        ("SELEC 1", 2, "syntax error"),
        ("SELECT nothing FROM postings", 2, 'Referenced column "nothing" not found'),
        ("   ", 2, "There is no statement"),
        ("SELECT CAST(account AS INTEGER) FROM postings", 1, "Could not convert string"),
    ],
)
def test_what_cannot_be_asked_is_said(statement: str, status: int, sentence: str, demo_books: Path) -> None:
    done = called("sql", statement, "--data", str(demo_books))
    assert (done.status, done.out) == (status, "")
    assert sentence in done.err
    assert "Traceback" not in done.err


def test_a_directory_without_a_ledger_is_said_after_the_statement_is_checked(tmp_path: Path) -> None:
    done = called("sql", "SELECT 1", "--data", str(tmp_path / "nothing"))
    assert (done.status, "There is no ledger" in done.err) == (1, True)
    assert called("sql", "SELEC 1", "--data", str(tmp_path / "nothing")).status == 2


def test_a_statement_is_read_from_standard_input(demo_books: Path) -> None:
    done = process("sql", "-", "--data", str(demo_books), "--format", "csv", stdin=b"SELECT 1 AS a,\n 2 AS a;\n")
    assert (done.status, done.out) == (0, "a,a_1\n1,2\n")


def test_ctrl_c_ends_a_query_at_once(demo_books: Path) -> None:
    with started("sql", ENDLESS, "--data", str(demo_books), "--format", "csv") as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"n\n"
        running.send_signal(signal.SIGINT)
        done = ended(running)
    assert (done.status, done.err) == (130, "Interrupted.\n")


def test_whoever_has_read_enough_ends_it(demo_books: Path) -> None:
    command = [*COMMAND, "sql", "SELECT * FROM range(1000000000)", "--data", str(demo_books), "--format", "csv"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"range\n"
        running.stdout.close()
        assert running.stderr is not None
        assert running.stderr.read() == b""
        assert running.wait(60) == 0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (2**100, 2**100),
        (1.5, 1.5),
        (float("nan"), None),
        (float("inf"), None),
        (Decimal("1.50"), "1.50"),
        (b"\x00\xff", "00ff"),
        (date(2024, 1, 31), "2024-01-31"),
        (datetime(2024, 1, 31, 9, 30, tzinfo=UTC), "2024-01-31T09:30:00Z"),
        (timedelta(days=30, hours=1), "30 days, 1:00:00"),
        ({"a": [1, b"\x01"], date(2024, 1, 1): None, 7: 8}, {"a": [1, "01"], "2024-01-01": None, "7": 8}),
    ],
)
def test_values_are_told_exactly(value: object, expected: Any) -> None:
    assert plain(value) == expected
    assert json.loads(json.dumps(plain(value))) == expected
