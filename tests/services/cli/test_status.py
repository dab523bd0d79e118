"""The status of a directory: missing, empty, filled, and beside a command that works on it."""

import re
from pathlib import Path

import pytest

from services.compose import owned_books
from services.settings import settings_from
from tests.services.cli.calling import called, process, signed, written
from tests.services.running import asynchronous


def test_a_missing_directory_is_told_and_not_made(tmp_path: Path) -> None:
    done = called("status", "--data", str(tmp_path / "none"))
    assert (done.status, done.out) == (1, "")
    assert f"There is no ledger in {tmp_path / 'none'}: load events" in done.err
    assert called("status", "--data", str(tmp_path / "none"), "--format", "json").json == {
        "data": str(tmp_path / "none"),
        "exists": False,
    }
    assert not (tmp_path / "none").exists()


def test_an_empty_directory_stays_empty(tmp_path: Path) -> None:
    assert "There is no ledger" in called("status", "--data", str(tmp_path)).err
    assert [*tmp_path.iterdir()] == []


def test_an_empty_ledger_has_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    called("load", str(tmp_path / "empty"), "--data", str(tmp_path / "books"))
    done = called("status", "--data", str(tmp_path / "books"))
    assert done.status == 0
    assert "ledger          nothing, 0 entries" in done.out


def test_a_filled_ledger_is_counted(tmp_path: Path) -> None:
    labels = {f"attribute-{number:02}": "x" for number in range(12)}
    first = signed("1", attributes=labels)
    file = written(tmp_path / "a.jsonl", [first, signed("2", subject="b", currency="KRW"), "garbage"])
    called("load", file, "--data", str(tmp_path / "books"))
    state = called("status", "--data", str(tmp_path / "books"), "--format", "json").json
    assert state["service"] is None
    assert state["entries"] == 2
    assert state["ledger"] == state["as_of"]["position"] == {"0": 1}
    assert state["lag_blocks"] == state["unmatched"] == 0
    assert state["accounts"] == {"KRW": 1, "USD": 1}
    assert {"plan", "product", "owner"} <= {*state["labels"]}
    assert state["dead_letters"] == {"not_json": 1}
    assert state["files_bytes"]["ledger.db"] > 0
    assert state["policy"].startswith("default@1:")
    table = called("status", "--data", str(tmp_path / "books")).out
    assert all(len(line) <= 100 for line in table.splitlines() if not line.startswith("data directory"))
    listed = re.search(r"^labels          (.*?)^postings ", table, re.MULTILINE | re.DOTALL)
    assert listed is not None
    assert listed[1].replace(",", "").split() == state["labels"]
    assert "not running" in table
    assert "not_json 1" in table


@pytest.mark.slow
@asynchronous
async def test_the_process_that_works_on_it_is_told(tmp_path_factory: pytest.TempPathFactory) -> None:
    import asyncio

    data = tmp_path_factory.mktemp("held")
    async with owned_books(settings_from({"REVLEDGER_DATA": str(data)})):
        done = await asyncio.to_thread(process, "status", "--data", str(data), "--format", "json")
    assert done.status == 0, done.err
    assert done.json["service"]["pid"] > 0
    assert done.json["service"]["url"] is None
