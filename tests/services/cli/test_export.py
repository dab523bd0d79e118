"""Exports on the command line: a file of each form, told in two lines, and what is refused."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.cli.calling import ROOT, called, process, signed, started, written
from tests.services.exports.exports import loaded, rows_of_csv


def test_the_rows_of_a_year_add_up_to_the_bridge(demo_books: Path, tmp_path: Path) -> None:
    data = ("--data", str(demo_books))
    window = ("--from", "2024-01-01", "--until", "2025-01-01")
    done = called("export", "--format", "csv", *window, "-o", str(tmp_path), *data)
    assert (done.status, done.err) == (0, "")
    path = tmp_path / "journal.csv"
    rows = rows_of_csv(path.read_bytes())
    assert done.out.splitlines()[0] == f"{path}: {len(rows):,} postings, {path.stat().st_size:,} bytes"
    assert "as of block" in done.out.splitlines()[1]
    for currency in ("USD", "KRW"):
        asked = ("report", "bridge", *window, "--every", "year", "--currency", currency, "--format", "json")
        (bridge,) = called(*asked, *data).json["rows"]
        sums = dict.fromkeys(bridge["annual_e4"], 0)
        for row in rows:
            if row["currency"] == currency and row["movement"] != "ahead":
                sums[row["movement"]] += row["annual_e4"]
        del sums["opening"], sums["closing"]
        assert {name: bridge["annual_e4"][name] for name in sums} == sums


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_dash_is_standard_output(form: str, tmp_path: Path) -> None:
    """The same bytes as in a file, and nothing but them; what is to be said goes to stderr."""
    data = ("--data", str(tmp_path / "data"))
    called("load", written(tmp_path / "e.jsonl", [signed("1"), signed("2", subject="b")]), *data)
    assert called("export", "--format", form, "-o", str(tmp_path / "file"), *data).status == 0
    with started("export", "--format", form, "-o", "-", *data) as running:
        out, err = running.communicate(timeout=60)
    assert out == (tmp_path / "file").read_bytes()
    assert err.startswith(b"standard output: 2 postings")
    assert not (ROOT / "-").exists()


def test_bean_check_accepts_the_journal_of_the_demo_company(demo_books: Path, tmp_path: Path) -> None:
    path = tmp_path / "books.beancount"
    done = called("export", "--format", "beancount", "-o", str(path), "--data", str(demo_books))
    assert done.status == 0, done.err
    check = [sys.executable, "-c", "from beancount.scripts.check import main; main()", "--no-cache", str(path)]
    checked = subprocess.run(check, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    assert len(loaded(path)[0]) > 800


def test_as_known_at_a_moment_and_never_over_a_file(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    assert called("load", written(tmp_path / "e.jsonl", [signed("1"), signed("2", subject="b")]), *data).status == 0
    path = tmp_path / "j.csv"
    asked = ("export", "--format", "csv", "-o", str(path), *data)
    done = called(*asked, "--known-at", "0:1")
    assert done.out.endswith("as of block 1, as known at 0:1; policy default@1:44136fa3\n")
    before = path.read_bytes()
    again = called(*asked)
    assert (again.status, again.out) == (1, "")
    assert "j.csv is there already and is not overwritten" in again.err
    assert path.read_bytes() == before
    assert called(*asked, "--force").status == 0
    assert path.read_bytes() != before or len(rows_of_csv(before)) == 2


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("--format", "xlsx"), 2, "'xlsx' is not one of 'csv', 'parquet', 'beancount'"),
        ((), 2, "Missing option '--format'"),
        (("--format", "csv", "--from", "2024-02-01", "--until", "2024-01-01"), 2, "--until: the window is empty"),
        (("--format", "csv", "--known-at", "1999-01-01T00:00:00Z"), 2, "before the ledger began"),
        (("--format", "csv", "-o", "nowhere/at/all.csv"), 2, "there is no directory nowhere/at"),
    ],
)
def test_what_cannot_be_exported_is_told(
    arguments: tuple[str, ...], status: int, sentence: str, demo_books: Path
) -> None:
    done = called("export", *arguments, "--data", str(demo_books))
    assert (done.status, done.out) == (status, "")
    assert sentence in done.err


def test_it_reads_beside_a_running_service(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert called("load", written(tmp_path / "e.jsonl", [signed("1")]), "--data", str(data)).status == 0
    with started("up", "--data", str(data), "--port", "0") as service:
        done = process("export", "--data", str(data), "--format", "parquet", "-o", str(tmp_path))
        assert service.poll() is None
    assert done.status == 0, done.err
    assert (tmp_path / "journal.parquet").is_file()


def test_a_directory_without_a_ledger_is_not_an_empty_journal(tmp_path: Path) -> None:
    done = called("export", "--format", "csv", "-o", str(tmp_path), "--data", str(tmp_path / "nothing"))
    assert done.status == 1
    assert "There is no ledger" in done.err
    assert [*tmp_path.iterdir()] == []
