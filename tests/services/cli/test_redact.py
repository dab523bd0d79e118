"""Redaction: the text is gone from every file, and everything else is as it was, whatever happens meanwhile."""

import asyncio
import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from events.block import block_of, data_of, header_bytes, kept_entry
from services.archive.reading import opened_archive
from services.archive.stores import store_of
from services.compose import holding
from services.ledgers.sqlite import sqlite_ledger
from tests.services.archive.books import seal_all
from tests.services.cli.calling import ROOT, Called, called, event, process, signed, written
from tests.services.cli.conftest import SERVERS

SECRET = "SECRET-555"


def survey(event_id: str, subject: str = "acme", comment: str = SECRET, **more: Any) -> dict[str, Any]:
    said = {"survey": "nps", "score": 3, "comment": f"{comment} of {event_id}, call me"}
    return event(event_id, "survey.answered", subject=subject, **{**said, **more})


def cancelled(event_id: str, subject: str = "acme") -> dict[str, Any]:
    said = {"contract_id": f"c-{subject}", "reason": "price", "reason_text": f"{SECRET} of {event_id}"}
    return event(event_id, "contract.cancelled", subject=subject, time="2024-03-05", **said)


EVENTS = [
    signed("1"),
    survey("2"),
    signed("3", subject="zoe"),
    survey("4", subject="zoe", time="2024-02-01"),
    survey("5", score=11),
    cancelled("6"),
    survey("7", subject="zoe", time="2024-03-01"),
]


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Books with a block for each event, in which five texts are, one of them in a dead letter; and their archive."""
    folder = tmp_path_factory.mktemp("redacted")
    events = [one | {"recordedtime": f"2024-04-01T00:00:0{number}Z"} for number, one in enumerate(EVENTS)]
    with pytest.MonkeyPatch.context() as patch:
        for name in SERVERS:
            patch.delenv(name, raising=False)
        file = written(folder / "events.jsonl", events)
        assert called("load", file, "--as-recorded", "--data", str(folder / "data")).status == 1
    asyncio.run(seal(folder / "data"))
    return folder / "data"


@pytest.fixture
def data(books: Path, tmp_path: Path) -> Path:
    """A copy of them."""
    return Path(shutil.copytree(books, tmp_path / "data", ignore=shutil.ignore_patterns("*.sock")))


async def seal(place: Path) -> None:
    ledger = await sqlite_ledger(place / "ledger.db")
    try:
        await seal_all(ledger, store_of(str(place / "archive")), 2)
    finally:
        await ledger.close()


def holding_text(place: Path, text: str = SECRET) -> set[str]:
    """The files in which a text is; what is compressed in Parquet is looked at too."""
    found = {path.name for path in place.rglob("*") if path.is_file() and text.encode() in path.read_bytes()}
    for path in (place / "archive" / "entries").glob("*.parquet"):
        if any(text.encode() in one for one in pq.read_table(path).column("event").to_pylist()):
            found.add("archive")
    return found


def asked(place: Path) -> list[str]:
    """Answers from the ledger, the archive and the live projection."""
    names = ("--data", str(place), "--format", "json", "--from", "2024-01-01", "--until", "2024-12-01")
    replayed = called("replay", *names).json
    live = called("report", "bridge", *names).json
    return [json.dumps(one["rows"]) for one in (replayed, live)]


def test_the_text_of_an_account_is_gone_from_every_file_and_all_else_is_as_it_was(data: Path) -> None:
    before, head = asked(data), called("verify", "--data", str(data), "--format", "json").json["partitions"][0]["hash"]
    assert holding_text(data) >= {"ledger.db", "dead-letters.db", "archive"}
    dry = called("redact", "--account", "acme", "--dry-run", "--data", str(data))
    assert dry.out.startswith("Would take free text out of 2 events and 1 dead letter.\n")
    assert holding_text(data) >= {"ledger.db", "dead-letters.db", "archive"}
    for account, events, letters in (("acme", 2, "1 dead letter"), ("zoe", 2, "0 dead letters")):
        done = called("redact", "--account", account, "--data", str(data))
        assert (done.status, done.err) == (0, "")
        assert done.out.startswith(f"Took free text out of {events} events and {letters}.\n")
        assert "of the archive written again" in done.out
        assert "nonce" not in done.out
    assert holding_text(data) == set()
    assert asked(data) == before
    report = called("verify", "--data", str(data), "--format", "json").json
    assert (report["sound"], report["redacted_count"], report["findings"]) == (True, 4, [])
    assert report["partitions"][0]["hash"] == head
    assert holding_text(data) == set()
    again = called("redact", "--account", "acme", "--data", str(data))
    assert again.out.startswith("Took free text out of 0 events and 0 dead letters.\n")


def test_an_account_that_there_is_not_is_told_with_the_nearest(data: Path) -> None:
    for more in ((), ("--dry-run",)):
        done = called("redact", "--account", "acmee", *more, "--data", str(data))
        assert (done.status, done.out) == (1, "")
        assert "No event is of an account 'acmee': did you mean acme" in done.err


def test_events_that_are_sent_again_stay_duplicates(data: Path, tmp_path: Path) -> None:
    assert called("redact", "--before", "2024-03-01", "--data", str(data)).status == 0
    left = [one["id"] for one in EVENTS if one["time"] >= "2024-03-01"]
    assert left == ["6", "7"]
    for one in EVENTS:
        assert bool(holding_text(data, f"{SECRET} of {one['id']}")) == (one["id"] in left)
    again = called("load", written(tmp_path / "again.jsonl", EVENTS), "--data", str(data))
    assert (again.json["accepted"], again.json["duplicates"], again.json["refused"]) == (0, 6, 1)


def test_one_event_by_source_and_id(data: Path) -> None:
    done = called("redact", "/tests", "6", "--data", str(data))
    assert "block 5, entry 4: source '/tests', id '6', account 'acme': reason_text (15 characters)" in done.out
    assert not holding_text(data, f"{SECRET} of 6")
    assert holding_text(data, f"{SECRET} of 2")
    nothing = called("redact", "/tests", "1", "--data", str(data))
    assert (nothing.status, nothing.out) == (1, "")
    assert "No free text is in an event with source '/tests' and id '1'" in nothing.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Name one of: an event (SOURCE ID), --account, --before."),
        (("/tests",), "Name an event by its source and its id."),
        (("/tests", "1", "--account", "acme"), "Name one of"),
        (("--before", "soon"), "--before: 'soon' is not a day"),
    ],
)
def test_what_is_not_said_clearly_is_wrong_usage(arguments: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    done = called("redact", *arguments, "--data", str(tmp_path))
    assert (done.status, done.out) == (2, "")
    assert sentence in done.err


def test_on_kafka_it_says_what_can_be_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVLEDGER_KAFKA", "localhost:1")
    monkeypatch.setenv("REVLEDGER_REDIS", "redis://localhost:1")
    done = called("redact", "--account", "acme")
    assert (done.status, done.out) == (1, "")
    assert "REVLEDGER_FREE_TEXT=hash" in done.err


def test_beside_a_running_service_it_is_refused(data: Path) -> None:

    async def beside() -> Called:
        async with holding(data, "http://127.0.0.1:8000"):
            return await asyncio.to_thread(process, "redact", "--account", "acme", "--data", str(data))

    done = asyncio.run(beside())
    assert done.status == 1
    assert done.err.startswith(f"The data directory {data} is in use by process ")
    assert holding_text(data)


def test_a_reader_of_old_pages_is_told_of(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its snapshot keeps the text in the files; the same command again, without it, clears them."""
    monkeypatch.setattr("services.ledgers.sqlite_file.BUSY_SECONDS", 0.1)
    with closing(sqlite3.connect(data / "ledger.db")) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM blocks").fetchone()
        done = called("redact", "--account", "acme", "--data", str(data))
        assert done.status == 1
        assert "then run the same command again" in done.err
        reader.execute("COMMIT")
    assert called("redact", "--account", "acme", "--data", str(data)).status == 0
    assert not holding_text(data, f"{SECRET} of 2")


@contextmanager
def unguarded(place: Path) -> Iterator[sqlite3.Connection]:
    """The ledger without its triggers, which are put back."""
    with closing(sqlite3.connect(place / "ledger.db")) as file:
        triggers = file.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            file.execute(f"DROP TRIGGER {name}")
        yield file
        for _, made in triggers:
            file.execute(made)
        file.commit()


def findings(place: Path, *arguments: str) -> list[str]:
    report = called("verify", "--data", str(place), "--format", "json", *arguments).json
    return [f"{one['check']}: {one['sentence']}" for one in report["findings"]]


def test_only_the_command_can_change_a_block_and_only_so(data: Path) -> None:
    called("redact", "--account", "acme", "--data", str(data))
    with closing(sqlite3.connect(data / "ledger.db")) as file:
        for statement in (
            "UPDATE blocks SET data = x''",
            "DELETE FROM blocks",
            "UPDATE redactions SET note = x''",
            "DELETE FROM redactions",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="never"):
                file.execute(statement)
    assert findings(data) == []


def forged(place: Path, height: int = 4) -> None:
    """A score changed in the guise of a redaction."""
    with unguarded(place) as file:
        (data,) = file.execute("SELECT data FROM blocks WHERE height = ?", (height,)).fetchone()
        block = block_of(data)
        (entry,) = block.entries
        other = entry.event.replace(b'"score": 3', b'"score": 9')
        assert other != entry.event
        hashes = sha256(entry.event).digest() + sha256(other).digest()
        changed = data_of(header_bytes(data), [kept_entry(other, entry.booking, hashes)])
        file.execute("UPDATE blocks SET data = ? WHERE height = ?", (changed, height))


def test_a_change_in_the_guise_of_a_redaction_is_found(data: Path) -> None:
    forged(data)
    (found,) = findings(data)
    assert re.match("redaction: Block 4 .* its event was changed, and no redaction is noted", found)


def test_notes_that_are_changed_or_gone_are_found_also_by_a_checkpoint(data: Path, tmp_path: Path) -> None:
    called("redact", "/tests", "2", "--data", str(data))
    called("redact", "/tests", "6", "--data", str(data))
    pinned = tmp_path / "checkpoint"
    made = called("checkpoint", "--data", str(data))
    assert "\nredactions 2 hash " in made.out
    pinned.write_text(made.out)
    assert findings(data, "--checkpoint", str(pinned)) == []
    kept = tmp_path / "kept.db"
    shutil.copy(data / "ledger.db", kept)
    with unguarded(data) as file:
        file.execute("UPDATE redactions SET note = CAST(replace(note, '2', '3') AS BLOB) WHERE number = 2")
    assert any("note 2 of the redactions" in one for one in findings(data))
    shutil.copy(kept, data / "ledger.db")
    with unguarded(data) as file:
        file.execute("DELETE FROM redactions WHERE number = 2")
    assert any("no redaction is noted" in one for one in findings(data))
    assert any("The checkpoint knows redaction note 2" in one for one in findings(data, "--checkpoint", str(pinned)))


KILLED = {
    "before a commit": "R.replace = lambda *a: die()",
    "between two": (
        "old = R.replace; calls = []; R.replace = lambda self, *a: (calls.append(1), old(self, *a), die())"
    ),
    "before the files are cleared": "R.scrub = lambda *a: die()",
    "while the file is made anew": (
        "old = M.scrub\n"
        "def scrub(file, path):\n"
        "    file.set_progress_handler(lambda: die(), 200)\n"
        "    old(file, path)\n"
        "M.scrub = scrub"
    ),
    "before the archive": "import services.archive.redacting as A; A.sealed = lambda *a: die()",
    "amid the archive": "import services.archive.redacting as A; A._remove = lambda *a: die()",
}


@pytest.mark.crash
@pytest.mark.parametrize("moment", KILLED)
def test_what_is_killed_leaves_a_sound_ledger_and_the_same_again_finishes(moment: str, data: Path) -> None:
    before = asked(data)
    prelude = (
        "import os, signal, services.ledgers.redactable as M, services.audit.redacting as D\n"
        "R = M.RedactableFile; D.NOTE_ENTRIES = 1\n"
        "die = lambda: os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    script = f"{prelude}{KILLED[moment]}\nfrom services.cli.main import main; main()"
    command = [sys.executable, "-c", script, "redact", "--before", "2025-01-01", "--data", str(data)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == -9, done.stderr.decode()
    assert findings(data) == []
    assert asked(data) == before
    again = process(*command[3:])
    assert again.status == 0, again.err
    assert holding_text(data) == set()
    assert findings(data) == []
    assert asked(data) == before
    assert called("verify", "--data", str(data), "--format", "json").json["redacted_count"] == 4
    asyncio.run(whole(data))


async def whole(place: Path) -> None:
    """Every file of the archive is what its manifest says, and no manifest is superfluous."""
    archive = await opened_archive(str(place / "archive"), place)
    await archive.files()
    assert archive.catalogue.superseded == []
    named = {file.name for one in archive.catalogue.manifests for file in one.files.values()}
    found = {f"{path.parent.name}/{path.name}" for path in (place / "archive").glob("*/*.parquet")}
    assert found == named


def test_a_proof_of_a_redacted_event_holds_without_its_text(data: Path, tmp_path: Path) -> None:
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    for path in (before, after):
        assert called("prove", "/tests", "2", "--data", str(data), "-o", str(path)).status == 0
        called("redact", "/tests", "2", "--data", str(data))
    assert SECRET in before.read_text()
    assert SECRET not in after.read_text()
    for path in (before, after):
        assert called("check-proof", str(path)).status == 0
