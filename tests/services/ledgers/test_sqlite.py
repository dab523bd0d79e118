"""What the SQLite ledger adds: rows nobody can change, files it knows, crashes and full disks it outlives."""

import asyncio
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest

from services.ledgers import sqlite
from services.ledgers.port import Ledger, LedgerUnavailable, NewerLedger, NotALedger, StoredBlock
from services.ledgers.sqlite import sqlite_ledger
from services.ledgers.sqlite_file import APPLICATION_ID, FORMAT
from tests.services.ledgers.blocks import chain, next_block
from tests.services.ledgers.test_port import assert_one_chain, everything
from tests.services.running import asynchronous

ROOT = Path(__file__).parents[3]


async def filled(path: Path, length: int) -> list[StoredBlock]:
    """A ledger with that many blocks at `path`, closed again."""
    blocks = chain(length)
    ledger = await sqlite_ledger(path)
    await ledger.append(blocks)
    await ledger.close()
    return blocks


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def appender(path: Path, name: str, times: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.services.ledgers.appending", str(path), name, str(times)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE blocks SET data = x'00' WHERE height = 1",
        "UPDATE blocks SET height = 9 WHERE height = 2",
        "DELETE FROM blocks WHERE height = 2",
        "DELETE FROM blocks",
        "INSERT OR REPLACE INTO blocks SELECT partition, 1, 1, 1, 9e15, hash, x'', x'' FROM blocks LIMIT 1",
        "INSERT INTO blocks SELECT partition, 4, 4, 1, 9e15, hash, x'', x'' FROM blocks WHERE height = 2",
        "INSERT INTO blocks SELECT partition, 3, 3, 1, 9e15, x'00', x'', x'' FROM blocks WHERE height = 2",
        "INSERT INTO blocks SELECT partition, 3, 3, 1, 5, hash, x'', x'' FROM blocks WHERE height = 2",
        "INSERT INTO blocks SELECT partition, 3, 5, 1, 9e15, hash, x'', x'' FROM blocks WHERE height = 2",
    ],
)
@asynchronous
async def test_raw_sql_cannot_change_the_past(tmp_path: Path, statement: str) -> None:
    blocks = await filled(tmp_path / "ledger", 3)
    with closing(sqlite3.connect(tmp_path / "ledger")) as raw:
        with pytest.raises(sqlite3.IntegrityError, match="a block of the ledger"):
            raw.execute(statement)
        raw.rollback()
    ledger = await sqlite_ledger(tmp_path / "ledger")
    assert await everything(ledger) == blocks
    await ledger.close()


@asynchronous
async def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    await filled(tmp_path / "new" / "directory" / "ledger", 1)
    with closing(sqlite3.connect(tmp_path / "new" / "directory" / "ledger")) as raw:
        answers = [raw.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
        assert answers == [APPLICATION_ID, 1]
        assert raw.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert raw.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


@pytest.mark.parametrize("stranger", ["text", "database", "marked"])
@asynchronous
async def test_a_strangers_file_is_left_alone(tmp_path: Path, stranger: str) -> None:
    path = tmp_path / "notes"
    if stranger == "text":
        path.write_text("Dear diary, today I am not a ledger.\n" * 200)
    else:
        with closing(sqlite3.connect(path)) as raw:
            statement = "CREATE TABLE notes (text)" if stranger == "database" else "PRAGMA application_id = 7"
            raw.execute(statement)
    before = contents(tmp_path)
    with pytest.raises(NotALedger, match="Nothing was changed"):
        await sqlite_ledger(path)
    assert contents(tmp_path) == before


@asynchronous
async def test_a_later_format_asks_for_an_upgrade(tmp_path: Path) -> None:
    await filled(tmp_path / "ledger", 1)
    with closing(sqlite3.connect(tmp_path / "ledger")) as raw:
        raw.execute(f"PRAGMA user_version = {FORMAT + 1}")
    with pytest.raises(NewerLedger, match="Upgrade revledger") as refusal:
        await sqlite_ledger(tmp_path / "ledger")
    assert (refusal.value.found, refusal.value.known) == (FORMAT + 1, FORMAT)


@asynchronous
async def test_a_place_that_is_no_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LedgerUnavailable, match="directory"):
        await sqlite_ledger(tmp_path / "file" / "ledger")
    with pytest.raises(LedgerUnavailable, match="directory"):
        await sqlite_ledger(tmp_path)


@asynchronous
async def test_two_processes_never_fork_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    writers = [appender(path, name, 200) for name in ("a", "b")]
    heights = [[int(line) for line in writer.communicate()[0].split()] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0]
    ledger = await sqlite_ledger(path)
    blocks = await everything(ledger)
    await ledger.close()
    assert_one_chain(blocks)
    assert sorted(heights[0] + heights[1]) == list(range(400))
    for name, acknowledged in zip("ab", heights, strict=True):
        assert [blocks[height].data for height in acknowledged] == [
            f"{name}:{i}".encode() for i in range(200)
        ]


@asynchronous
async def test_what_was_acknowledged_outlives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    acknowledged: list[int] = []
    for round_ in range(5):
        writer = appender(path, str(round_), 1_000_000)
        assert writer.stdout is not None
        acknowledged += [int(writer.stdout.readline()) for _ in range(10 + 7 * round_)]
        writer.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in writer.communicate()[0].split(b"\n")[:-1]]
    ledger = await sqlite_ledger(path)
    blocks = await everything(ledger)
    assert_one_chain(blocks)
    assert sorted(acknowledged) == acknowledged
    assert set(acknowledged) <= {block.height for block in blocks}
    assert len(blocks) - len(acknowledged) <= 5  # at most one more a round: durable, its line not yet printed
    await ledger.append([next_block(blocks[-1])])
    await ledger.close()


@asynchronous
async def test_another_process_is_followed(tmp_path: Path) -> None:
    ledger = await sqlite_ledger(tmp_path / "ledger")
    following = ledger.follow(0, 0)
    writer = appender(tmp_path / "ledger", "other", 5)
    seen = [(await anext(following)).data for _ in range(5)]
    assert writer.wait() == 0
    writer.communicate()
    assert seen == [f"other:{number}".encode() for number in range(5)]
    await ledger.close()


@asynchronous
async def test_an_append_wakes_followers_without_polling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ledgers.sqlite.POLL_SECONDS", 3_600.0)
    blocks = chain(20)
    ledger = await sqlite_ledger(tmp_path / "ledger")
    following = ledger.follow(0, 0)
    for block in blocks:
        waiting = asyncio.ensure_future(anext(following))
        await asyncio.sleep(0.005)
        await ledger.append([block])
        assert await waiting == block
    await ledger.close()


@pytest.fixture
def small_files() -> Iterator[Callable[[], None]]:
    """A full disk: no file of this process grows past a megabyte, until the fixture's value is called."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def lift() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * 1024, hard))
    yield lift
    lift()


async def fill(ledger: Ledger, stored: list[StoredBlock]) -> None:
    """Appends pairs of large blocks until the ledger refuses; `stored` grows by those acknowledged."""
    while True:
        first = next_block(stored[-1] if stored else None, data=os.urandom(30_000))
        pair = [first, next_block(first, data=os.urandom(30_000))]
        await ledger.append(pair)
        stored += pair


@asynchronous
async def test_a_full_disk_stores_all_or_nothing(tmp_path: Path, small_files: Callable[[], None]) -> None:
    ledger = await sqlite_ledger(tmp_path / "ledger")
    stored: list[StoredBlock] = []
    with pytest.raises(LedgerUnavailable, match=r"disk .* then try again"):
        await fill(ledger, stored)
    assert stored
    assert await everything(ledger) == stored
    small_files()
    stored.append(next_block(stored[-1]))
    await ledger.append(stored[-1:])
    await ledger.close()
    ledger = await sqlite_ledger(tmp_path / "ledger")
    assert await everything(ledger) == stored
    await ledger.close()


@pytest.fixture
def readable_only() -> Iterator[Path]:
    """A ledger this user may read but not write; root, who may write anything, becomes nobody meanwhile."""
    directory = Path(tempfile.mkdtemp())
    with closing(sqlite3.connect(directory / "ledger")) as raw:
        raw.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        raw.execute(f"PRAGMA user_version = {FORMAT}")
    (directory / "ledger").chmod(0o444)
    directory.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)
    yield directory / "ledger"
    os.seteuid(user)
    directory.chmod(0o755)
    shutil.rmtree(directory)


@asynchronous
async def test_a_file_without_write_access(readable_only: Path) -> None:
    with pytest.raises(LedgerUnavailable, match="write"):
        await sqlite_ledger(readable_only)


@asynchronous
async def test_a_ledger_another_program_keeps_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = await filled(tmp_path / "ledger", 2)
    monkeypatch.setattr("services.ledgers.sqlite_file.BUSY_SECONDS", 0.2)
    ledger = await sqlite_ledger(tmp_path / "ledger")
    with closing(sqlite3.connect(tmp_path / "ledger", isolation_level=None)) as raw:
        raw.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        with pytest.raises(LedgerUnavailable, match="Another process"):
            await ledger.append([next_block(blocks[-1])])
        assert time.monotonic() - started < 5
        assert await ledger.tail(0) == blocks[-1]  # readers do not wait for writers
        raw.execute("ROLLBACK")
    await ledger.append([next_block(blocks[-1])])
    await ledger.close()


@asynchronous
async def test_what_this_object_appends_is_followed_without_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only whoever begins asks the file where it ends, and whoever comes upon what another has appended."""
    monkeypatch.setattr(sqlite, "POLL_SECONDS", 3_600.0)
    blocks, path = chain(60), tmp_path / "ledger"
    ours, theirs = await sqlite_ledger(path), await sqlite_ledger(path)
    following = ours.follow(0, 0)
    with patch.object(sqlite, "_batch", wraps=sqlite._batch) as asked:
        for block in blocks[:40]:
            coming = asyncio.ensure_future(anext(following))
            await ours.append([block])
            assert await coming == block
        assert [one async for one in ours.read(0, 3, 40)] == blocks[3:40]
        assert asked.call_count <= 3
    await theirs.append(blocks[40:50])
    await ours.append(blocks[50:])
    assert [await anext(following) for _ in range(20)] == blocks[40:]
    assert await everything(ours) == await everything(theirs) == blocks
    await theirs.close()
    await ours.close()
