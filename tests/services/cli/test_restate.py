"""The command `restate`: what changed and why, in three forms, and moments that cannot be asked for."""

import csv
import io
import re
from pathlib import Path

import pytest
from rich.cells import cell_len

from services import shown
from tests.services.cli.calling import called

MOMENTS = ("2024-03-31T00:00:00Z", "now")
YEAR = ("--from", "2023-06-01", "--until", "2024-07-01", "--currency", "USD")
QUESTIONS = [
    (*YEAR, "--limit", "3"),
    (*YEAR, "--every", "quarter", "--by", "segment", "--limit", "2"),
    (*YEAR, "--every", "year", "--by", "account", "--limit", "1"),
    (*YEAR, "--every", "year", "--where", "plan=team"),
]


@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
def test_a_table_has_at_most_100_columns_and_csv_adds_up_to_the_change(
    question: tuple[str, ...], demo_books: Path
) -> None:
    asked = ("restate", *question, "--between", *MOMENTS, "--data", str(demo_books))
    table, answer = called(*asked), called(*asked, "--format", "json")
    assert (table.status, answer.status, table.err) == (0, 0, "")
    assert max(cell_len(line.rstrip()) for line in table.out.splitlines()) <= 100
    assert answer.json["policy"] in table.out
    assert "; recorded 2024-" in table.out
    assert [as_of["known_at"] for as_of in answer.json["between"]] == [*MOMENTS]
    rows = [*csv.DictReader(io.StringIO(called(*asked, "--format", "csv").out))]
    changes = [amount for row in answer.json["rows"] for name, amount in row["annual_e4"].items() if name not in ENDS]
    assert sum(int(row["annual_e4"]) for row in rows if row["movement"] != "opening") == sum(changes)


@pytest.mark.parametrize("by", [(), ("--by", "plan"), ("--by", "account")], ids=" ".join)
@pytest.mark.parametrize("columns", ["", "60"])
def test_a_table_that_is_too_wide_cuts_no_digit_no_period_and_no_header(
    by: tuple[str, ...], columns: str, demo_books: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes over to whole units or goes on below; what is rounded is told in the title."""
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    asked = ("restate", *WIDE, *by, "--between", "0:500", "now", "--data", str(demo_books))
    table, rows = called(*asked).out, called(*asked, "--format", "json").json["rows"]
    lines = table.splitlines()
    assert max(cell_len(line.rstrip()) for line in lines) <= int(columns or 100)
    told = re.split(r"\n\n(?!\d+ of \d+: )", table)[0].partition("\n")[2]
    assert "…" not in told
    assert {"closing", "committed", "accounts"} <= {*told.split()}
    words = lines[0].endswith(", in whole EUR")
    assert words or lines[0].endswith(", EUR")
    for row in rows:
        if row["annual_e4"]["closing"]:
            assert shown.change(row["mrr_minor"]["closing"], "EUR", 2 if words else 0) in told.split()


def test_a_change_that_rounds_to_nothing_has_no_sign() -> None:
    assert [shown.change(amount, "EUR", 2) for amount in (49, 50, -49, -150, 0)] == ["0", "+1", "0", "-1", "0"]


WIDE = ("--currency", "EUR", "--every", "quarter", "--from", "2024-01-01", "--until", "2025-01-01", "--limit", "1")
ENDS = ("opening", "closing")


def test_nothing_changed_is_said(demo_books: Path) -> None:
    done = called("restate", *YEAR, "--between", "0:1", "0:1", "--data", str(demo_books))
    assert done.status == 0
    assert "Nothing changed." in done.out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "--between: say between which two moments"),
        (("--between", "now", "0:1"), "--between: 0:1 is not later than now"),
        (("--between", "2024-02-01T00:00:00Z", "2024-01-01T00:00:00Z"), "--between: 2024-01-01T00:00:00Z is not later"),
        (("--between", "0:2", "0:1"), "--between: 0:1 is not later than 0:2"),
        (("--between", "0:2", "0:99999999"), "--between: partition 0 has no block 99999999 yet"),
        (("--between", "0:2", "tomorrow"), "--between: 'tomorrow' is neither a time"),
        (("--between", "1990-01-01T00:00:00Z", "now"), "--between: 1990-01-01T00:00:00Z is before the ledger began"),
        (("--between", "0:1", "now", "--by", "segmnt"), "--by: nothing is labelled 'segmnt': did you mean segment"),
        (("--between", "0:1", "now", "--by", "seg'; DROP--"), "--by: nothing is labelled"),
        (("--between", "0:1", "now", "--limit", "-1"), "--limit: '-1' is not a whole number"),
        (("--between", "0:1", "now", "--until", "2023-01-01"), "--until: the window is empty"),
    ],
)
def test_what_cannot_be_asked_names_the_option(arguments: tuple[str, ...], sentence: str, demo_books: Path) -> None:
    done = called("restate", "--currency", "USD", "--from", "2024-01-01", *arguments, "--data", str(demo_books))
    assert (done.status, done.out) == (2, "")
    assert sentence in done.err


def test_several_currencies_have_to_be_told_apart(demo_books: Path) -> None:
    done = called("restate", "--between", "0:1", "now", "--data", str(demo_books))
    assert (done.status, done.out) == (2, "")
    assert "--currency: the books hold EUR, GBP" in done.err
    assert "choose one" in done.err
    assert "convert" not in done.err


def test_no_ledger_is_said(tmp_path: Path) -> None:
    done = called("restate", "--between", "0:1", "now", "--data", str(tmp_path / "nowhere"))
    assert (done.status, done.out) == (1, "")
    assert "There is no ledger in" in done.err
