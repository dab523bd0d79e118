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
        (("figures", "nrr", "--currency", "USD", "--on", "2024-06-30"), "--from: nrr is about a window"),
        (("figures", "--at", "2024-01-01", "--from", "2024-01-01"), "--at: ask either"),
        (("churning",), "No such command 'churning'"),
        (("foo",), "No such command 'foo': choose one of bridge, figures, concentration,"),
        (("bridge", "--compare", "year"), "No such option: --compare. It is an option of `report figures`."),
        (("accounts", "--limit", "abc"), "Invalid value for '--limit': write a whole number\n"),
        (("accounts", "--currency", "USD", "--known-at", "1999-01-01T00:00:00Z"), "before the ledger began, at 20"),
        (("bridge", "--currency", "USD", "--known-at", "1999-01-01T00:00:00Z"), "before the ledger began, at 20"),
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


def test_figures_of_a_window_have_the_same_one_by_default_everywhere(demo_books: Path) -> None:
    """The last twelve months: of `report bridge`, of figures live and replayed, and of what is explained."""
    data = ("--currency", "USD", "--format", "json", "--data", str(demo_books))
    bridge = called("report", "bridge", *data).json["rows"]
    window = {"from": bridge[0]["from"], "until": bridge[-1]["until"]}
    for asked in (("report", "figures", "nps", "mrr_minor"), ("replay", "--figures", "nps,mrr_minor")):
        [row] = called(*asked, *data).json["rows"]
        assert window.items() <= row.items()
        assert row["figures"]["mrr_minor"] == bridge[-1]["mrr_minor"]["closing"]
    assert window.items() <= called("explain", "nrr", *data).json["rows"][0].items()
    assert "at" in called("report", "figures", "mrr_minor", *data).json["rows"][0]


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


def test_an_empty_ledger_is_said_to_be_empty_by_all_that_is_asked_of_it(tmp_path: Path) -> None:
    """Figures of it are zeros, as its books are; what there is no answer to is no mistake about the directory."""
    data = ("--data", str(tmp_path / "books"))
    (tmp_path / "none.jsonl").write_text("")
    assert called("load", str(tmp_path / "none.jsonl"), *data).status == 0
    for asked in (("bridge",), ("figures",), ("accounts",)):
        done = called("report", *asked, *data)
        assert (done.status, done.err) == (0, "")
        assert "the ledger is empty, load events into it (`revledger load --help`)" in done.out
    for command in (("explain", "nrr"), ("replay",), ("policy", "show"), ("checkpoint",)):
        done = called(*command, *data)
        assert (done.status, done.out) == (1, "")
        assert f"The ledger in {tmp_path / 'books'} is empty, nothing was booked yet: load events" in done.err


def test_all_that_a_day_has_says_where_the_figures_of_windows_are(demo_books: Path) -> None:
    data = ("--currency", "USD", "--data", str(demo_books))
    note = "are of a window: ask with --from and --until\n"
    assert note in called("report", "figures", *data).out
    for asked in (("mrr_minor",), ("--from", "2024-01-01", "--until", "2025-01-01")):
        assert note not in called("report", "figures", *asked, *data).out


def test_accounts_that_count_under_several_names_are_said_to(demo_books: Path) -> None:
    data = ("--currency", "USD", "--on", "2024-12-31", "--data", str(demo_books))
    note = "accounts: one with more than one plan counts under each, so they may add up to more than there are\n"
    assert note in called("report", "figures", "accounts", "--by", "plan", *data).out
    assert note in called("report", "bands", "--by", "plan", *data).out
    for asked in (("figures", "accounts", "--by", "segment"), ("figures", "mrr_minor", "--by", "plan")):
        assert "counts under each" not in called("report", *asked, *data).out


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
