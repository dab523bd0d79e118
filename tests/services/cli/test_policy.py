"""The command `policy`: the policies a ledger has had, and going over to another, with what that comes to."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Final

import pytest

from events.policy import Policy
from tests.model.notation import fact, line
from tests.services.books import raw_of
from tests.services.cli.calling import Called, called

NOTICE = Policy(name="notice", churn="notice")
TOLD = [
    fact("signed", "a1", "2024-01-10", lines=[line(1000, discounts=[{"percent": "50"}])]),
    fact("cancelled", "a1", "2024-03-05", effective_at="2024-04-01"),
    fact("signed", "b1", "2024-01-10", lines=[line(200)]),
]
MARCH = ("--from", "2024-03-01", "--until", "2024-04-01", "--format", "json")


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """A data directory with two accounts."""
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"\n".join(map(raw_of, TOLD)) + b"\n")
    assert called("load", str(events), "--data", str(tmp_path / "books")).json["accepted"] == 3
    return tmp_path / "books"


@pytest.fixture
def notice(tmp_path: Path) -> str:
    """A file with a policy."""
    (tmp_path / "notice.toml").write_text('name = "notice"\nchurn = "notice"\n')
    return str(tmp_path / "notice.toml")


def churn_of(done: Called) -> tuple[str, int]:
    """Policy and churn of a bridge of one month."""
    return done.json["policy"], done.json["rows"][0]["mrr_minor"]["churn"]


def test_adopting_says_what_changes_and_every_answer_is_under_the_new_policy(books: Path, notice: str) -> None:
    data = ("--data", str(books))
    tried = called("policy", "adopt", notice, "--dry-run", *data)
    assert (tried.status, tried.err) == (0, "")
    assert tried.out.startswith(f"Would adopt policy {NOTICE.stamp} instead of {Policy().stamp}.\nchurn = notice ")
    assert "instead of effective\n1 account changes, of 2: 4 postings\n" in tried.out
    assert churn_of(called("report", "bridge", *MARCH, *data)) == (Policy().stamp, 0)
    done = called("policy", "adopt", notice, *data)
    assert done.out.startswith(tried.out.replace("Would adopt", "Adopted"))
    assert "Recorded in block 2; see what it changed" in done.out
    for command in (("report", "bridge"), ("replay",)):
        assert churn_of(called(*command, *MARCH, *data)) == (NOTICE.stamp, -500)
        assert churn_of(called(*command, *MARCH, "--known-at", "0:1", *data)) == (Policy().stamp, 0)
    again = called("policy", "adopt", notice, *data)
    assert (again.status, again.out) == (0, f"Policy {NOTICE.stamp} is in force since block 2. Nothing to do.\n")
    as_json = called("policy", "adopt", notice, "--format", "json", *data)
    assert (as_json.status, as_json.out, as_json.err) == (0, "", again.out)
    assert called("verify", *data).status == 0
    assert called("replay", "--check", *data).status == 0


def test_what_it_changed_is_told_as_such(books: Path, notice: str) -> None:
    """By restate and explain, with the account; by SQL and the journal, as an entry like any other."""
    data = ("--data", str(books))
    called("policy", "adopt", notice, *data)
    words = f"the ledger adopted policy {NOTICE.stamp} on "
    row = called("restate", *MARCH, "--between", "0:1", "now", *data).json["rows"][0]
    (event,) = row["events"]
    assert (event["account"], event["type"]) == ("a", "revledger.policy.adopted.v1")
    assert event["words"].startswith(words)
    assert f"instead of {Policy().stamp}; recorded" in event["words"]
    explained = called("explain", "churn", *MARCH, *data)
    assert words in explained.out
    assert explained.json["policy"] == NOTICE.stamp
    asked = called("sql", "SELECT account, postings FROM entries WHERE type LIKE '%policy%'", "--format", "json", *data)
    assert [(one["account"], one["postings"] > 0) for one in asked.json["rows"]] == [("a", True)]
    journal = books.parent / "journal.csv"
    written = called("export", "--format", "csv", "-o", str(journal), *data)
    assert written.out.rstrip().endswith(f"policy {NOTICE.stamp}")
    assert "revledger.policy.adopted.v1" in journal.read_text()


def test_policies_are_listed_in_three_forms(books: Path, notice: str) -> None:
    called("policy", "adopt", notice, "--data", str(books))
    rows = called("policy", "show", "--data", str(books), "--format", "json").json["rows"]
    assert [(one["policy"], one["since_block"], one["entries"], one["choices"]) for one in rows] == [
        (Policy().stamp, 0, 0, {}),
        (NOTICE.stamp, 2, 1, {"churn": "notice"}),
    ]
    table = called("policy", "show", "--data", str(books))
    assert (table.status, table.err) == (0, "")
    assert max(map(len, table.out.splitlines())) <= 100
    assert f"{NOTICE.stamp}: churn = notice" in table.out
    read = [*csv.DictReader(io.StringIO(called("policy", "show", "--data", str(books), "--format", "csv").out))]
    assert [one["policy"] for one in read] == [Policy().stamp, NOTICE.stamp]


def test_the_effect_is_told_in_three_forms(books: Path, notice: str) -> None:
    data = ("--data", str(books), "--dry-run")
    told = called("policy", "adopt", notice, *data, "--format", "json").json
    names = ("report", "policy", "instead_of", "adopted", "blocks", "accounts", "changed")
    assert [told[name] for name in names] == ["adoption", NOTICE.stamp, Policy().stamp, False, [2, 2], 2, 1]
    assert told["mrr"] == [{"currency": "USD", "before_minor": 200, "after_minor": 200}]
    assert called("policy", "adopt", notice, *data, "--format", "csv").out == (
        "currency,before_minor,after_minor\nUSD,200,200\n"
    )


def test_what_is_wrong_is_said(books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = ("--data", str(books))
    wrong = tmp_path / "wrong.toml"
    for text, status, told in (
        ('churn = "notise"', 2, f"{wrong}: The policy says churn = 'notise': did you mean notice?"),
        ("churn = notice", 2, "words stand in quotes, such as churn = 'notice'."),
        (" # nothing", 2, f"{wrong} says nothing, which is every choice at its default"),
        ('zone = "Asia/Seoul"', 1, "Leave the zone out; to keep books in another zone, load their events into a new"),
    ):
        wrong.write_text(text)
        done = called("policy", "adopt", str(wrong), *data)
        assert (done.status, done.out) == (status, "")
        assert told in done.err
    missing = called("policy", "adopt", str(tmp_path / "none.toml"), *data)
    none = tmp_path / "none.toml"
    assert (missing.status, missing.err) == (
        2, f"The policy cannot be read from {none}: No such file or directory.\n"
    )
    asked = called("report", "bridge", "--policy", str(none), *data)
    assert (asked.status, asked.err) == (2, f"--policy: {missing.err}")
    nowhere = called("policy", "adopt", str(wrong), "--data", str(tmp_path / "nowhere"))
    assert (nowhere.status, nowhere.out) == (1, "")
    assert "There is no ledger in" in nowhere.err
    monkeypatch.setenv("REVLEDGER_KAFKA", "127.0.0.1:1")
    monkeypatch.setenv("REVLEDGER_REDIS", "redis://127.0.0.1:1/0")
    done = called("policy", "adopt", str(wrong))
    assert (done.status, done.out) == (1, "")
    assert "keeps the policy it began under" in done.err


def test_a_policy_that_only_has_another_name_is_said_to_change_no_choice(books: Path, tmp_path: Path) -> None:
    (tmp_path / "ours.toml").write_text('churn = "effective"')
    done = called("policy", "adopt", str(tmp_path / "ours.toml"), "--dry-run", "--data", str(books))
    assert "\nNo choice is another: it has another name.\n0 accounts change" in done.out


def test_nobody_may_send_what_only_the_ledger_writes(books: Path, notice: str, tmp_path: Path) -> None:
    """Not even the very event that it wrote."""
    data = ("--data", str(books))
    called("policy", "adopt", notice, *data)
    asked = "SELECT decode(event) AS event FROM entries WHERE seq = 3"
    (row,) = called("sql", asked, "--format", "json", *data).json["rows"]
    sent = tmp_path / "sent.jsonl"
    sent.write_text(json.dumps(json.loads(row["event"]) | {"id": "mine"}) + "\n" + row["event"] + "\n")
    done = called("load", str(sent), *data)
    assert (done.status, done.json["refused"]) == (1, 2)
    assert "unknown_type 2" in done.err
    assert "run `revledger policy adopt FILE`" in done.err


PAGE: Final = Path(__file__).parents[3] / "docs" / "policies.md"


def steady(text: str) -> list[str]:
    """The lines of an answer with nothing in them that another day, or another ledger, changes."""
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z *", "MOMENT ", text)
    text = re.sub(r"\b20(2[6-9]|[3-9]\d)-\d\d-\d\d\b", "DAY", text)
    text = re.sub(r"\b[0-9a-f]{16}-", "HASH-", text)
    return [re.sub(r"recorded \d.* ago", "recorded AGO", line.rstrip()) for line in text.splitlines()]


def test_the_page_shows_what_comes_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command of it, run again, one after the other."""
    monkeypatch.chdir(PAGE.parents[1])
    data = ("--data", str(tmp_path / "books"))
    called("load", "docs/conventions/company.jsonl", *data)
    shown_below = r"^    \$ revledger (.*)\n((?:    .*\n|\n(?=    [^$]))+)"
    blocks = re.findall(shown_below, PAGE.read_text("utf-8"), re.MULTILINE)
    assert len(blocks) == 6
    for command, shown in blocks:
        said = "".join(line.removeprefix("    ") for line in shown.splitlines(keepends=True))
        assert steady(called(*command.split(), *data).out) == steady(said), command
