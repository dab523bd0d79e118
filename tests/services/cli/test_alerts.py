"""`revledger alerts`: what is wrong in a file is told with its line, and an example is a file that is right."""

import asyncio
import re
import shutil
from pathlib import Path

import pytest

from services.alerts.rules.rulebook import EXAMPLE_RULES, RulebookError, rulebook_of_file, rulebook_of_toml
from services.compose import LEDGER_FILE, holding
from tests.services.alerts.desk import ONLY
from tests.services.cli.calling import Called, called


def test_check_lists_what_is_in_force(tmp_path: Path) -> None:
    done = called("alerts", "check", "--data", str(tmp_path))
    assert done.status == 0
    assert "rules from the defaults" in done.out
    assert "nrr of the last 365 days below 0.9" in done.out
    assert max(map(len, done.out.splitlines())) <= 100


def test_check_tells_everything_that_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text('[[rule]]\nname = "r"\non = "chrun"\n[[rule]]\nname = "q"\non = "lag"\n')
    done = called("alerts", "check", str(file), "--data", str(tmp_path))
    assert (done.status, done.out) == (1, "")
    assert [line.removeprefix(f"{file}: ").split(":")[:2] for line in done.err.splitlines()] == [
        ["line 3", " rule 'r'"],
        ["line 6", " rule 'q'"],
    ]
    answer = called("alerts", "check", str(file), "--format", "json", "--data", str(tmp_path)).json
    assert [(one["line"], one["where"]) for one in answer["problems"]] == [(3, "rule 'r'"), (6, "rule 'q'")]


def test_a_secret_is_needed_by_whoever_sends_alone(
    demo_books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is not here is told and is not wrong; one that is here and no secret is wrong."""
    file = tmp_path / "rules.toml"
    sink = '[[sink]]\nname = "crm"\nkind = "webhook"\nurl = "https://crm.example/a"\nsecret_env = "CRM_SECRET"\n'
    file.write_text('defaults = false\n[[rule]]\nname = "r"\non = "churn"\ncurrency = "JPY"\n' + sink)
    monkeypatch.delenv("CRM_SECRET", raising=False)
    done = called("alerts", "check", str(file), "--data", str(tmp_path))
    assert (done.status, done.err) == (0, "")
    assert "not on this machine: sink 'crm': the variable CRM_SECRET is not set" in done.out
    answer = called("alerts", "check", str(file), "--format", "json", "--data", str(tmp_path)).json
    assert [one["sink"] for one in answer["secrets_away"]] == ["crm"]
    assert called("alerts", "replay", str(file), "--data", str(demo_books), "--from", "2025-12-01").status == 0
    with pytest.raises(RulebookError, match="CRM_SECRET is not set"):
        rulebook_of_file(file)
    monkeypatch.setenv("CRM_SECRET", "short")
    assert "a secret is whsec_" in called("alerts", "check", str(file), "--data", str(tmp_path)).err


def test_check_knows_the_labels_of_the_books(demo_books: Path, tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text('[[rule]]\nname = "r"\non = "churn"\nwhere = { sgment = "smb" }\n')
    done = called("alerts", "check", str(file), "--data", str(demo_books))
    assert "no account is labelled 'sgment': did you mean segment?" in done.err
    assert called("alerts", "check", str(file), "--data", str(tmp_path)).status == 0, "nobody knows there"


def test_check_warns_of_what_was_never_booked_and_it_is_not_wrong(demo_books: Path, tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(
        """
        defaults = false
        [[rule]]
        name = "a"
        on = "churn"
        where = { segment = "entrprise" }
        mrr_at_least = { USD = 1, SEK = 1 }
        [[rule]]
        name = "b"
        on = "notice"
        where = { segment = "smb" }
        reasons = ["expird", "expired"]
        """
    )
    done = called("alerts", "check", str(file), "--data", str(demo_books))
    assert (done.status, done.err) == (0, "")
    said = " ".join(done.out.split())
    begins = "not in the books yet: rule"
    for one in (
        f"{begins} 'a': nothing was ever booked with segment 'entrprise': did you mean enterprise?",
        f"{begins} 'a': nothing was ever booked in SEK: choose one of EUR, ",
        f"{begins} 'b': nothing was ever booked with reason 'expird': did you mean expired?",
    ):
        assert one in said
    assert said.count(begins) == 3
    answer = called("alerts", "check", str(file), "--format", "json", "--data", str(demo_books)).json
    assert [one["rule"] for one in answer["unbooked"]] == ["a", "a", "b"]
    assert called("alerts", "check", str(file), "--format", "json", "--data", str(tmp_path)).json["unbooked"] == []


def test_check_does_without_labels_while_the_service_starts(demo_books: Path, tmp_path: Path) -> None:
    """It holds the books by then, and has no figures to ask yet."""
    file, data = tmp_path / "rules.toml", tmp_path / "books"
    file.write_text('[[rule]]\nname = "r"\non = "churn"\nmrr_at_least = 1\n')
    data.mkdir()
    shutil.copy(demo_books / LEDGER_FILE, data)

    async def checked() -> Called:
        async with holding(data, "http://127.0.0.1:1"):
            return await asyncio.to_thread(called, "alerts", "check", str(file), "--data", str(data))

    done = asyncio.run(checked())
    assert (done.status, done.err) == (
        0,
        "The service is starting: labels are not compared with the books; check again.\n",
    )


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert called("alerts", "check", str(tmp_path / "no.toml")).status == 2


def test_the_example_is_a_file_of_rules() -> None:
    text = called("alerts", "example").out
    assert rulebook_of_toml(text).rules == rulebook_of_toml("").rules
    chosen = text.replace("\n# [[rule]]", "\n[[rule]]").partition("# Where alerts go")[0]
    more = re.sub(r"^# (?=\w+ = )", "", chosen, flags=re.MULTILINE)
    assert rulebook_of_toml(more).rules == (*rulebook_of_toml("").rules, *rulebook_of_toml(ONLY + EXAMPLE_RULES).rules)


def test_a_replay_of_days_without_a_record_says_so(demo_books: Path) -> None:
    done = called("alerts", "replay", "--data", str(demo_books), "--from", "2001-01-01", "--until", "2001-02-01")
    assert done.status == 0
    assert done.err.startswith("Nothing was recorded then: the ledger was, ")
    assert done.out == "0 alerts would have fired\n"


def test_replay_tells_what_would_have_fired(demo_books: Path, tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text('defaults = false\n[[rule]]\nname = "gone"\non = "churn"\nmrr_at_least = 100\ncurrency = "USD"\n')
    asked = ("alerts", "replay", str(file), "--data", str(demo_books), "--from", "2025-01-01", "--until", "2026-01-01")
    answer = called(*asked, "--format", "json").json
    assert answer["rows"]
    assert {row["kind"] for row in answer["rows"]} == {"churn"}
    assert all(row["mrr_minor"] <= -10_000 and row["time"] >= "2025" for row in answer["rows"])
    table = called(*asked)
    assert table.out.startswith(f"{len(answer['rows'])} alerts would have fired")
    assert len(called(*asked, "--format", "csv").out.splitlines()) == len(answer["rows"]) + 1


def test_tail_shows_nothing_where_nothing_fired(demo_books: Path, tmp_path: Path) -> None:
    assert called("alerts", "tail", "--no-follow", "--data", str(demo_books)).out == ""
    assert called("alerts", "tail", "--no-follow", "--data", str(tmp_path)).status == 1, "there is no ledger"
