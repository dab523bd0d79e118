"""Dead letters: listed, shown whole, and submitted again once what they waited for has happened."""

import json
from pathlib import Path

import pytest

from tests.services.cli.calling import called, event, signed, written


def retracted(event_id: str) -> dict[str, object]:
    return event(f"not-{event_id}", kind="event.retracted", source="/tests", id=event_id, reason="a slip")


@pytest.fixture
def books(tmp_path: Path) -> str:
    """Books in which a contract was signed in dollars, and then in euros by mistake or not."""
    file = written(tmp_path / "a.jsonl", [signed("1"), signed("2", currency="EUR"), "garbage"])
    assert called("load", file, "--data", str(tmp_path / "books")).status == 1
    return str(tmp_path / "books")


def test_the_list_tells_what_why_and_from_where(books: str, tmp_path: Path) -> None:
    done = called("dead-letters", "list", "--data", books)
    assert done.status == 0
    assert done.out.startswith("1 currency_changed once 20")
    assert "a.jsonl:2\n" in done.out
    assert "garbage" in done.out
    assert max(map(len, done.out.splitlines())) <= 100
    listed = called("dead-letters", "list", "--data", books, "--format", "json").json
    assert listed["waiting"] == 2
    assert [one["code"] for one in listed["dead_letters"]] == ["currency_changed", "not_json"]
    assert listed["dead_letters"][0]["source"] == f"{tmp_path / 'a.jsonl'}:2"
    table = called("dead-letters", "list", "--data", books, "--format", "csv").out
    assert table.startswith("id,code,message,field,source,first_at,last_at,times,bytes,event\n1,currency_changed,")
    assert "1 more wait" in called("dead-letters", "list", "--limit", "1", "--data", books).out


@pytest.mark.parametrize("command", [("list",), ("retry", "--all")])
def test_where_there_is_no_ledger_there_are_no_letters_to_speak_of(command: tuple[str, ...], tmp_path: Path) -> None:
    done = called("dead-letters", *command, "--data", str(tmp_path / "none"))
    assert (done.status, done.out) == (1, "")
    assert "There is no ledger in" in done.err
    (tmp_path / "empty").write_bytes(b"")
    called("load", str(tmp_path / "empty"), "--data", str(tmp_path / "books"))
    done = called("dead-letters", *command, "--data", str(tmp_path / "books"))
    assert (done.status, (done.out + done.err).strip()) == (0, "No dead letters wait.")


def test_a_letter_is_set_aside(books: str) -> None:
    """It waits no longer and can still be seen; a number that is none sets nothing aside."""
    assert called("dead-letters", "discard", "2", "99", "--data", books).status != 0
    assert called("dead-letters", "list", "--data", books, "--format", "json").json["waiting"] == 2
    assert called("dead-letters", "discard", "2", "--data", books).err == "1 set aside.\n"
    listed = called("dead-letters", "list", "--data", books, "--format", "json").json
    assert [one["id"] for one in listed["dead_letters"]] == [1]
    shown = called("dead-letters", "show", "2", "--data", books)
    assert shown.out == "garbage\n"
    assert "(set aside)" in shown.err


def test_an_event_is_shown_whole(books: str) -> None:
    done = called("dead-letters", "show", "1", "--data", books)
    assert json.loads(done.out) == signed("2", currency="EUR")
    assert done.err.startswith("currency_changed: ")


def test_a_letter_is_accepted_once_its_reason_is_gone(books: str, tmp_path: Path) -> None:
    refused = called("dead-letters", "retry", "--all", "--data", books)
    assert refused.status == 1
    assert refused.out.startswith("1 refused: currency_changed: ")
    assert refused.err == "2 refused again.\n"
    called("load", written(tmp_path / "fix.jsonl", [retracted("1")]), "--data", books)
    accepted = called("dead-letters", "retry", "1", "--data", books)
    assert (accepted.status, accepted.out) == (0, "1 accepted: block 3, entry 2\n")
    answer = called("report", "figures", "mrr_minor", "--currency", "EUR", "--data", books, "--format", "json")
    assert answer.json["rows"][0]["figures"]["mrr_minor"] == 1000
    again = called("dead-letters", "retry", "1", "--data", books)
    assert (again.status, again.out) == (0, "1 is resolved (in the ledger since: block 3, entry 2)\n")
    left = called("dead-letters", "list", "--data", books, "--format", "json").json["dead_letters"]
    assert [(one["id"], one["times"]) for one in left] == [(2, 2)]


def test_what_cannot_be_retried_is_told(books: str, tmp_path: Path) -> None:
    assert called("dead-letters", "retry", "--data", books).status == 2
    assert called("dead-letters", "retry", "1", "--all", "--data", books).status == 2
    missing = called("dead-letters", "retry", "7", "--data", books)
    assert (missing.status, "No dead letter has the number 7" in missing.err) == (1, True)
    nowhere = str(tmp_path / "none")
    assert called("dead-letters", "show", "1", "--data", nowhere).status == 1
    assert not Path(nowhere).exists()
