"""Reports on the command line: the same answers in three forms, and questions that cannot be answered."""

import csv
import io
import re
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.services.cli.calling import called, process

YEAR = ("--from", "2024-01-01", "--until", "2025-01-01")
QUESTIONS = [
    ("bridge", "--currency", "USD"),
    ("bridge", "--currency", "KRW", *YEAR, "--by", "segment", "--every", "quarter"),
    ("bridge", "--currency", "USD", "--from", "2024-01-15", "--until", "2024-07-20", "--by", "owner"),
    ("bridge", "--currency", "USD", *YEAR, "--every", "year", "--by", "account"),
    ("bridge", "--currency", "EUR", *YEAR, "--every", "day", "--where", "plan=team"),
    ("bridge", "--currency", "USD", *YEAR, "--known-at", "2024-06-30T00:00:00Z"),
    ("figures", "--currency", "USD"),
    ("figures", "--currency", "JPY", *YEAR),
    ("figures", "--currency", "USD", *YEAR, "--by", "industry"),
    ("figures", "--currency", "USD", "--from", "2024-10-01", "--until", "2025-01-01", "--compare", "year"),
    ("figures", "mrr_minor", "nps", "--currency", "USD", *YEAR, "--by", "segment", "--compare", "previous"),
    ("figures", "nrr", "grr", "--currency", "USD", *YEAR, "--where", "segment=smb", "--where", "plan=team"),
]


@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
def test_an_answer_has_a_table_of_at_most_100_columns_and_as_many_rows_in_csv(
    question: tuple[str, ...], demo_books: Path
) -> None:
    asked = ("report", *question, "--data", str(demo_books))
    table, answer = called(*asked), called(*asked, "--format", "json")
    assert (table.status, answer.status, table.err) == (0, 0, "")
    assert max(cell_len(line.rstrip()) for line in table.out.splitlines()) <= 100
    assert "as of block" in table.out
    assert answer.json["policy"] in table.out
    assert "…" not in table.out
    rows = [*csv.reader(io.StringIO(called(*asked, "--format", "csv").out))]
    assert len(rows) == 1 + len(answer.json["rows"])
    assert len({len(row) for row in rows}) == 1


def test_csv_holds_minor_units_and_the_group(demo_books: Path) -> None:
    asked = ("report", "bridge", "--currency", "USD", *YEAR, "--every", "year", "--by", "plan")
    done = called(*asked, "--data", str(demo_books), "--format", "csv")
    answer = called(*asked, "--data", str(demo_books), "--format", "json").json
    (first, *_) = csv.DictReader(io.StringIO(done.out))
    assert [*first][:5] == ["from", "until", "plan", "currency", "mrr_minor.opening"]
    row = answer["rows"][0]
    assert first["plan"] == row["group"]["plan"]
    assert int(first["annual_e4.closing"]) == row["annual_e4"]["closing"]
    assert int(first["accounts.closing"]) == row["accounts"]["closing"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("bridge",), "--currency: the books hold EUR, GBP, JPY, KRW, USD"),
        (("bridge", "--every", "week"), "--every: 'week' is not a period"),
        (("bridge", "--from", "2024-02-30"), "--from: '2024-02-30' is not a day"),
        (("bridge", "--from", "2024-02-01", "--until", "2024-01-01"), "--until: the window is empty"),
        (("bridge", "--currency", "usd"), "did you mean USD"),
        (("bridge", "--currency", "USD", "--by", "segmet"), "did you mean segment?"),
        (("bridge", "--currency", "USD", "--where", "segment=SBM"), "with segment 'SBM': did you mean smb?"),
        (("figures", "--currency", "USD", "--where", "plan=zzz"), "with plan 'zzz': choose one of business"),
        (("figures", "--currency", "USD", "--where", "account=acme"), "lists those with revenue"),
        (("bridge", "--where", "plan"), "--where: 'plan' is not NAME=VALUE"),
        (("bridge", "--known-at", "now"), "--known-at: 'now'"),
        (("figures", "nnr"), "NAME: there is no figure 'nnr': did you mean nrr"),
        (("figures", "nrr", "--currency", "USD"), "--from: nrr is about a window"),
        (("figures", "--at", "2024-01-01", "--from", "2024-01-01"), "--at: ask either"),
        (("churning",), "No such command 'churning'"),
        (("bridge", "--form", "table"), "No such option: --form"),
        (("bridge", "--format", "xml"), "See `revledger report bridge --help`."),
        ((), "Commands:"),
    ],
)
def test_questions_that_cannot_be_answered_are_wrong_usage(
    arguments: tuple[str, ...], sentence: str, demo_books: Path
) -> None:
    data = ("--data", str(demo_books)) if arguments else ()
    done = called("report", *arguments, *data)
    assert (done.status, done.out) == (2, "")
    assert sentence in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("wrong", ["QQQ", "--by zzz", "qqq"])
def test_what_there_is_is_listed_on_lines_that_fit(wrong: str, demo_books: Path) -> None:
    """The nearest of many, how many there are, and what lists them."""
    asked = {
        "QQQ": ("bridge", "--currency", "QQQ"),
        "--by zzz": ("bridge", "--currency", "USD", "--by", "zzz"),
        "qqq": ("figures", "qqq"),
    }[wrong]
    done = called("report", *asked, "--data", str(demo_books))
    assert done.status == 2
    assert re.search(r"choose one of \d+, such as (\S+, ){2}\S+; .* (lists them|tells all)", " ".join(done.err.split()))
    assert max(map(len, done.err.splitlines())) <= 100
    assert len(done.err.splitlines()) <= 2


def test_a_directory_without_a_ledger_is_not_a_book_of_zeros(tmp_path: Path) -> None:
    done = called("report", "bridge", "--data", str(tmp_path / "nothing"))
    assert done.status == 1
    assert f"There is no ledger in {tmp_path / 'nothing'}" in done.err
    assert not (tmp_path / "nothing").exists()


def test_what_is_not_a_ledger_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("not a database, but long enough to look at\n" * 100)
    done = called("report", "bridge", "--data", str(tmp_path))
    assert done.status == 1
    assert "is not a revledger ledger" in done.err


def test_a_real_process_answers_in_json(demo_books: Path) -> None:
    asked = ("report", "figures", "mrr_minor", "--currency", "USD", "--data", str(demo_books))
    done = process(*asked, "--format", "json")
    assert (done.status, done.err) == (0, "")
    assert done.json["rows"] == called(*asked, "--format", "json").json["rows"]
