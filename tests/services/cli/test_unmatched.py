"""The command `unmatched`: what waits, and for what, in three forms."""

import csv
import io
from pathlib import Path

import pytest

from tests.model.notation import fact, line
from tests.services.books import raw_of
from tests.services.cli.calling import called

SIGNED = fact("signed", "acme-2026-001", "2026-01-05", lines=[line(1000)]) | {"subject": "acme"}
MISTYPED = fact("upgraded", "acme-2026-0O1", "2026-02-05", lines=[line(2000)]) | {"subject": "acme"}


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """A ledger with a contract, and an upgrade of another that nobody signed."""
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"\n".join(map(raw_of, (SIGNED, MISTYPED))) + b"\n")
    assert called("load", str(events), "--data", str(tmp_path / "books")).json["unmatched"] == 1
    return tmp_path / "books"


def test_a_mistyped_contract_is_told_with_the_one_it_may_mean(books: Path) -> None:
    table = called("unmatched", "--data", str(books))
    assert (table.status, table.err) == (0, "")
    assert "1 fact is unmatched" in table.out
    assert "contract acme-2026-0O1" in table.out
    assert max(len(text.rstrip()) for text in table.out.splitlines()) <= 100
    assert "…" not in table.out
    (row,) = called("unmatched", "--data", str(books), "--format", "json").json["rows"]
    assert (row["contract"], row["near"], row["height"]) == ("acme-2026-0O1", ["acme-2026-001"], 1)
    (line,) = csv.DictReader(io.StringIO(called("unmatched", "--data", str(books), "--format", "csv").out))
    assert line["waits_for"] == row["waits_for"]


def test_what_was_mistyped_and_signed_since_is_matched(books: Path, tmp_path: Path) -> None:
    late = SIGNED | {"id": "late", "data": {**SIGNED["data"], "contract_id": "acme-2026-0O1"}}
    (tmp_path / "late.jsonl").write_bytes(raw_of(late))
    called("load", str(tmp_path / "late.jsonl"), "--data", str(books))
    done = called("unmatched", "--data", str(books))
    assert done.out.startswith("Every fact has what it needs")


def test_no_ledger_is_said(tmp_path: Path) -> None:
    done = called("unmatched", "--data", str(tmp_path / "nowhere"))
    assert (done.status, done.out) == (1, "")
    assert "There is no ledger in" in done.err
