"""A ledger verified as a whole: in its file, by several processes, interrupted and resumed, from the command line."""

import asyncio
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from services.audit.verifying.ledger import Report, Wanted, verified_ledger
from services.settings import settings_from
from tests.services.cli.calling import ROOT, called, ended, process, started

TRIES = 10
Change = Callable[[sqlite3.Connection], object]


@pytest.fixture(scope="module")
def books(demo_books: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger in a file of its own, without what else is in its data directory."""
    data = tmp_path_factory.mktemp("audited")
    with sqlite3.connect(demo_books / "ledger.db") as source, sqlite3.connect(data / "ledger.db") as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
    return data


def report_of(data: Path, **wanted: object) -> Report:
    """The report on a data directory."""
    settings = settings_from({"REVLEDGER_DATA": str(data)})
    return asyncio.run(verified_ledger(settings, Wanted(**wanted), lambda _partition, _entries: None))  # type: ignore[arg-type]


def altered(books: Path, place: Path, *changes: Change | str) -> Path:
    """A copy of a ledger with changes that its triggers would not allow."""
    shutil.copy(books / "ledger.db", place)
    file = sqlite3.connect(place / "ledger.db")
    triggers = file.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        file.execute(f"DROP TRIGGER {name}")
    for change in changes:
        file.execute(change) if isinstance(change, str) else change(file)
    for _, made in triggers:
        file.execute(made)
    file.commit()
    file.close()
    return place


def test_a_ledger_as_it_was_written_passes_and_nothing_stays_behind(books: Path) -> None:
    report = report_of(books)
    assert report.findings == []
    with sqlite3.connect(books / "ledger.db") as file:
        blocks, entries = file.execute("SELECT count(*), sum(entries) FROM blocks").fetchone()
    (verified,) = report.partitions
    assert (verified.blocks, verified.entries) == (blocks, entries)
    assert not [one for one in books.iterdir() if one.name.startswith("verify-") and not one.name.endswith("lock")]


@pytest.mark.parametrize(
    ("change", "check", "height"),
    [
        ("DELETE FROM blocks WHERE height = 9", "gap", 9),
        ("UPDATE blocks SET recorded_at = recorded_at - 1 WHERE height = 8", "column", 8),
        ("UPDATE blocks SET data = zeroblob(40) WHERE height = 5", "unreadable", 5),
        ("UPDATE blocks SET partition = 3 WHERE height = 7", "gap", 7),
        ("UPDATE blocks SET height = height + 100000 WHERE height = 6", "gap", 6),
    ],
)
def test_rows_that_were_changed_are_named(books: Path, tmp_path: Path, change: str, check: str, height: int) -> None:
    found = report_of(altered(books, tmp_path, change)).findings
    assert [one for one in found if (one.check, one.height) == (check, height)], found


def test_blocks_of_a_partition_that_is_none_are_named(books: Path, tmp_path: Path) -> None:
    found = report_of(altered(books, tmp_path, "UPDATE blocks SET partition = 3 WHERE height = 7")).findings
    assert (found[0].check, found[0].height) == ("partition", 7)
    assert "holds block 7 in partition 3" in found[0].sentence


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE more (a INTEGER)",
        "DROP INDEX blocks_by_entry",
        "CREATE TRIGGER x AFTER INSERT ON blocks BEGIN DELETE FROM blocks WHERE height = 1; END",
    ],
)
def test_a_form_that_was_changed_is_named(books: Path, tmp_path: Path, change: str) -> None:
    (found,) = report_of(altered(books, tmp_path, change)).findings
    assert found.check == "schema"


def test_what_the_writer_has_seen_must_be_there(demo_books: Path, tmp_path: Path) -> None:
    """The accounts of the writer reach further than a ledger that was cut off."""
    data = altered(demo_books, tmp_path, "DELETE FROM blocks WHERE height > 100")
    assert report_of(data).findings == []
    shutil.copy(demo_books / "accounts.db", data)
    (found,) = report_of(data).findings
    assert (found.check, found.partition) == ("truncated", 0)
    assert "the end was cut off" in found.sentence


def content(path: Path) -> list[object]:
    """All that a ledger says: its form and its rows."""
    with sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True) as file:
        form = file.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall()
        pragmas = [file.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")]
        rows = file.execute("SELECT * FROM blocks ORDER BY partition, height").fetchall()
    return [form, pragmas, rows]


@pytest.mark.parametrize("seed", range(2))
def test_bytes_of_the_file_are_found_or_are_slack(books: Path, tmp_path: Path, seed: int) -> None:
    flip_file(books, tmp_path, seed, 8)


@pytest.mark.crash
@pytest.mark.parametrize("seed", range(2, 6))
def test_a_thousand_bytes_of_the_file_are_found_or_are_slack(books: Path, tmp_path: Path, seed: int) -> None:
    flip_file(books, tmp_path, seed, 250)


def flip_file(books: Path, tmp_path: Path, seed: int, times: int) -> None:
    """Sets random bytes of a small ledger's file, one at a time; half of them where its pages begin."""
    rng = random.Random(seed)
    small = altered(books, tmp_path, "DELETE FROM blocks WHERE height > 40", lambda file: file.commit())
    with sqlite3.connect(small / "ledger.db", isolation_level=None) as file:
        file.execute("VACUUM")
    path = small / "ledger.db"
    good, said = path.read_bytes(), content(path)
    assert report_of(small).findings == []
    for _ in range(times):
        spot = (
            rng.randrange(len(good))
            if rng.random() < 0.5
            else rng.randrange(len(good) // 4096) * 4096 + rng.randrange(120)
        )
        spot = min(spot, len(good) - 1)
        path.write_bytes(good[:spot] + bytes([good[spot] ^ rng.randrange(1, 256)]) + good[spot + 1 :])
        done = called("verify", "--data", str(small))
        assert "Unexpected" not in done.err, (spot, done.err)
        if done.status == 0:
            assert content(path) == said, spot
        else:
            assert done.status == 1, (spot, done.err)
    path.write_bytes(good)


def test_the_command_tells_what_was_checked(books: Path) -> None:
    done = called("verify", "--data", str(books))
    assert done.status == 0, done.err
    assert "No damage found" in done.out
    said = called("verify", "--data", str(books), "--format", "json").json
    assert said["sound"] is True
    assert said["partitions"][0]["hash"] in done.out


def test_the_command_names_what_is_wrong(books: Path, tmp_path: Path) -> None:
    data = altered(books, tmp_path, "DELETE FROM blocks WHERE height = 9")
    done = called("verify", "--data", str(data))
    assert (done.status, done.err) == (1, "")
    assert "Block 9 of partition 0 is missing." in done.out
    said = called("verify", "--data", str(data), "--format", "json")
    assert (said.status, said.json["sound"], said.json["findings"][0]["height"]) == (1, False, 9)


def test_wrong_usage_is_told(books: Path, tmp_path: Path) -> None:
    assert called("verify", "--data", str(books), "--partition", "4").status == 2
    assert called("verify", "--data", str(books), "--public-key", "x").status == 2
    assert called("verify", "--data", str(tmp_path)).status == 1


# ---------------------------------------------------------------- interrupted and resumed

SLOWLY = """
import asyncio, sys
from pathlib import Path
from services.audit.opening import chains_read
from services.audit.verifying.job import Job, done
from services.audit.verifying.partition import Task
from services.audit.verifying.ledger import rule_of
from services.settings import settings_from

async def main():
    settings = settings_from({"REVLEDGER_DATA": sys.argv[1]})
    async with chains_read(settings) as ledger:
        genesis, _ = await rule_of(ledger)
        job = Job(Task(0, genesis, None, True, 200), sys.argv[1], 1_000)
        await done(ledger, job, lambda partition, entries: print(entries, flush=True))

asyncio.run(main())
"""


@pytest.mark.parametrize("seed", range(2))
def test_whoever_is_killed_goes_on_to_the_same_verdict(books: Path, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    data = altered(books, tmp_path, "UPDATE blocks SET recorded_at = recorded_at - 1 WHERE height IN (8, 2500)")
    whole = report_of(data)
    for _ in range(3):
        running = subprocess.Popen([sys.executable, "-c", SLOWLY, str(data)], cwd=ROOT, stdout=subprocess.PIPE)
        assert running.stdout is not None
        running.stdout.readline()
        time.sleep(rng.random() * 0.5)
        running.send_signal(signal.SIGKILL)
        running.communicate()
    resumed = report_of(data, resume=True)
    assert (resumed.findings, resumed.ledger) == (whole.findings, whole.ledger)
    (one,), (other,) = resumed.partitions, whole.partitions
    for name in ("height", "hash", "blocks", "entries", "postings", "taken"):
        assert getattr(one, name) == getattr(other, name), name


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_whoever_is_interrupted_goes_on_where_it_was(books: Path, tmp_path: Path, sent: int, status: int) -> None:
    data = altered(books, tmp_path, "DELETE FROM blocks WHERE height = 1500")
    for attempt in range(TRIES):
        with started("verify", "--data", str(data)) as running:
            while running.poll() is None and not (data / "verify-0.ids").exists():
                time.sleep(0.001)
            time.sleep(0.1 + 0.1 * attempt)
            running.send_signal(sent)
            done = ended(running)
        if done.status == status and "--resume" in done.err:
            break
        assert done.status in (1, status), done.err  # it was through already, or had not begun
    else:
        pytest.fail("it was never interrupted in the midst")
    resumed = called("verify", "--data", str(data), "--resume", "--format", "json").json
    assert resumed["partitions"][0]["resumed_height"] is not None
    whole = called("verify", "--data", str(data), "--format", "json").json
    for name in ("findings", "ledger", "findings_count"):
        assert resumed[name] == whole[name], name
    for name in ("height", "hash", "blocks", "entries", "postings"):
        assert resumed["partitions"][0][name] == whole["partitions"][0][name], name
    assert whole["findings"][0]["check"] == "gap"


def test_a_state_of_another_ledger_is_not_gone_on_from(books: Path, tmp_path: Path) -> None:
    data = altered(books, tmp_path)
    running = subprocess.Popen([sys.executable, "-c", SLOWLY, str(data)], cwd=ROOT, stdout=subprocess.PIPE)
    running.communicate()
    assert running.returncode == 0
    assert report_of(data, resume=True).partitions[0].resumed_height is not None
    running = subprocess.Popen([sys.executable, "-c", SLOWLY, str(data)], cwd=ROOT, stdout=subprocess.PIPE)
    running.communicate()
    altered(books, tmp_path, "UPDATE blocks SET hash = zeroblob(32) WHERE height = (SELECT max(height) FROM blocks)")
    report = report_of(data, resume=True)
    assert report.partitions[0].resumed_height is None
    assert report.partitions[0].misfit_height is not None
    assert report.findings_count == 1


def test_two_at_once_do_not_share_a_state(books: Path, tmp_path: Path) -> None:
    import fcntl

    data = altered(books, tmp_path)
    held = os.open(data / "verify-0.db-lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX)
    done = process("verify", "--data", str(data))
    os.close(held)
    assert done.status == 1
    assert "Another `revledger verify`" in done.err
