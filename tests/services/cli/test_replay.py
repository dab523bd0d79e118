"""Replays on the command line: the live report again, from the ledger alone, in three forms."""

from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.services.cli.calling import called, process, signed, started, written

YEAR = ("--from", "2024-01-01", "--until", "2025-01-01")
QUESTIONS = [
    ("--currency", "USD"),
    ("--currency", "KRW", *YEAR, "--by", "segment", "--every", "quarter"),
    ("--currency", "USD", "--from", "2024-01-15", "--until", "2024-07-20", "--by", "owner"),
    ("--currency", "USD", *YEAR, "--every", "year", "--by", "account"),
    ("--currency", "EUR", *YEAR, "--every", "day", "--where", "plan=team"),
    ("--currency", "USD", *YEAR, "--known-at", "2024-06-30T00:00:00Z"),
    ("--currency", "USD", *YEAR, "--by", "term_months"),
]
FIGURES = [
    ("nrr,grr", "--currency", "USD", *YEAR, "--by", "industry"),
    ("customer_churn_rate,quick_ratio,asp_minor", "--currency", "USD", *YEAR, "--where", "segment=smb"),
    ("mrr_minor,committed_mrr_minor", "--currency", "JPY", "--on", "2024-12-31"),
]


@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
def test_a_replay_is_the_live_bridge_in_three_forms(question: tuple[str, ...], demo_books: Path) -> None:
    data = ("--data", str(demo_books))
    live = called("report", "bridge", *question, *data, "--format", "json").json
    table, answer = called("replay", *question, *data), called("replay", *question, *data, "--format", "json")
    assert (table.status, answer.status, table.err) == (0, 0, "")
    assert answer.json["report"] == "replay"
    assert answer.json["rows"] == live["rows"]
    assert max(cell_len(line.rstrip()) for line in table.out.splitlines()) <= 100
    assert "MRR bridge replayed" in table.out
    csv = called("replay", *question, *data, "--format", "csv").out
    assert csv == called("report", "bridge", *question, *data, "--format", "csv").out


@pytest.mark.parametrize("question", FIGURES, ids=" ".join)
def test_figures_are_replayed_too(question: tuple[str, ...], demo_books: Path) -> None:
    names, *asked = question
    data = ("--data", str(demo_books))
    live = called("report", "figures", *names.split(","), *asked, *data, "--format", "json").json
    answer = called("replay", "--figures", names, *asked, *data, "--format", "json").json
    assert answer["rows"] == live["rows"]
    assert "Figures replayed" in called("replay", "--figures", names, *asked, *data).out


def test_without_accounts_the_table_has_none(demo_books: Path) -> None:
    done = called("replay", "--currency", "USD", *YEAR, "--no-accounts", "--data", str(demo_books))
    assert (done.status, done.err) == (0, "")
    assert "accounts" not in done.out


def test_another_policy_is_told_beside_the_recorded_one(demo_books: Path, tmp_path: Path) -> None:
    """In replays and in reports; the ledger and its own answers stay as they are."""
    policy = tmp_path / "notice.toml"
    policy.write_text('name = "notice"\nchurn = "notice"\n')
    asked = ("--currency", "USD", *YEAR, "--data", str(demo_books))
    own = called("report", "bridge", *asked, "--format", "json").json
    for command in (("replay",), ("report", "bridge")):
        answer = called(*command, *asked, "--policy", str(policy), "--format", "json").json
        assert answer["policy"].startswith("notice@1:")
        assert answer["recorded_policy"] == own["policy"]
        assert answer["report"] == command[-1]
        assert answer["rows"] != own["rows"]
        assert [*answer["rows"][0]] == [*own["rows"][0]]
    figures = called("report", "figures", *asked, "--policy", str(policy), "--format", "json").json
    assert (figures["report"], figures["policy"]) == ("figures", answer["policy"])
    assert f"instead of {own['policy']}" in called("replay", *asked, "--policy", str(policy)).out
    assert called("report", "bridge", *asked, "--format", "json").json["rows"] == own["rows"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "--currency: the books hold EUR, GBP, JPY, KRW, USD"),
        (("--from", "2024-02-01", "--until", "2024-01-01"), "--until: the window is empty"),
        (("--currency", "USD", "--by", "segmet"), "did you mean segment?"),
        (("--currency", "USD", "--known-at", "1999-01-01T00:00:00Z"), "before the ledger began, at 20"),
        (("--figures", "nnr"), "there is no figure 'nnr': did you mean nrr"),
        (("--figures", "nrr", "--currency", "USD", "--on", "2024-06-30"), "--from: nrr is about a window"),
    ],
)
def test_questions_that_cannot_be_answered_are_wrong_usage(
    arguments: tuple[str, ...], sentence: str, demo_books: Path
) -> None:
    done = called("replay", *arguments, "--data", str(demo_books))
    assert (done.status, done.out) == (2, "")
    assert sentence in done.err


def test_a_policy_that_does_not_parse_is_named(demo_books: Path, tmp_path: Path) -> None:
    policy = tmp_path / "wrong.toml"
    policy.write_text('churn = "notise"\n')
    done = called("replay", "--policy", str(policy), "--currency", "USD", "--data", str(demo_books))
    assert done.status == 2
    assert "did you mean notice" in done.err
    assert called("replay", "--policy", str(tmp_path / "none"), "--data", str(demo_books)).status == 2


def test_it_reads_beside_a_running_service(tmp_path: Path) -> None:
    """A replay takes no lock."""
    data = tmp_path / "data"
    assert called("load", written(tmp_path / "e.jsonl", [signed("1")]), "--data", str(data)).status == 0
    with started("up", "--data", str(data), "--port", "0") as service:
        assert service.poll() is None
        asked = ("--from", "2024-01-01", "--until", "2024-02-01", "--format", "json")
        done = process("replay", "--data", str(data), *asked)
    assert done.status == 0, done.err
    assert done.json["rows"][0]["mrr_minor"]["closing"] == 1000


def test_a_directory_without_a_ledger_is_not_a_book_of_zeros(tmp_path: Path) -> None:
    done = called("replay", "--data", str(tmp_path / "nothing"))
    assert done.status == 1
    assert "There is no ledger" in done.err
