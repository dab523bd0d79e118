"""`replay --check` and `--into` on the command line: equal or not, beside a running service, into a real Redis."""

import csv
import io
from pathlib import Path

import pytest
from redis import Redis

from services.views.valkey import running_socket
from tests.servers.fixtures import StartRedis
from tests.services.cli.calling import called, process, signed, started, written

YEAR = ("--from", "2024-01-01", "--until", "2025-01-01")
RUNS = "compared 2 accounts"


def test_the_projection_of_a_company_is_its_replay(demo_books: Path) -> None:
    """In every currency; told in three forms, with status 0."""
    asked = ("replay", "--check", *YEAR, "--by", "segment", "--data", str(demo_books))
    table, answer = called(*asked), called(*asked, "--format", "json")
    assert (table.status, table.err, answer.status) == (0, "", 0)
    assert table.out.endswith("Equal: no cell differs.\n")
    assert max(map(len, table.out.splitlines())) <= 100
    assert (answer.json["equal"], answer.json["differences"]) == (True, [])
    assert answer.json["compared"]["accounts"] > 100
    assert answer.json["compared"]["figures"] > 1_000
    assert called(*asked, "--format", "csv").out == "partition,place,cell,live,replayed\n"


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """A data directory with two accounts."""
    data = tmp_path / "data"
    events = [signed("1"), signed("2", 500, subject="beta")]
    assert called("load", written(tmp_path / "e.jsonl", events), "--data", str(data)).status == 0
    return data


def test_a_running_service_is_compared_and_every_difference_told(books: Path) -> None:
    """It goes on meanwhile; what somebody else wrote to its views is found, with status 1."""
    asked = ("replay", "--check", "--data", str(books), "--from", "2024-01-03", "--until", "2024-03-01")
    with started("up", "--data", str(books), "--port", "0") as service:
        assert service.stdout is not None
        assert b"http://" in service.stdout.readline()
        sound = process(*asked)
        assert (sound.status, RUNS in sound.out) == (0, True), sound
        with Redis(unix_socket_path=str(running_socket(books))) as plain:
            plain.hset("revledger:{0}:days:USD::648", "", '{"new":{"05":1}}')
        found, listed = process(*asked), process(*asked, "--format", "csv")
        assert service.poll() is None
    assert (found.status, listed.status) == (1, 1)
    assert "DIFFERENT" in found.out
    assert "days:USD::648: 2024-01-05 new" in found.out
    assert f"delete {books / 'views'}" in found.out
    rows = [*csv.DictReader(io.StringIO(listed.out))]
    new = next(row for row in rows if row["cell"] == "2024-01-05 new")
    assert (new["partition"], new["live"], new["replayed"]) == ("0", "1", "180000000")
    assert any(row["place"].startswith("bridge USD 2024-01-03") for row in rows)


def test_a_table_tells_a_hundred_differences_and_how_many_more(demo_books: Path, start_redis: StartRedis) -> None:
    redis = start_redis()
    into = ("replay", "--into", redis.url, "--data", str(demo_books))
    done = called(*into)
    assert (done.status, done.err) == (0, "")
    assert "Restored the projection under revledger:*" in done.out
    with Redis.from_url(redis.url) as plain:
        plain.delete("revledger:{0}:accounts")
    found = called(*into, "--check", "--from", "2024-01-01", "--until", "2024-02-01")
    assert found.status == 1
    assert "100 acc" in found.out
    assert "more are not told here" in found.out
    assert "remove the keys revledger:* there" in found.out
    assert max(map(len, found.out.splitlines())) <= 120


def test_a_restored_projection_is_the_live_one(
    books: Path, start_redis: StartRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Harmless twice; with a check at once; refused where there is something newer."""
    redis = start_redis()
    into = ("replay", "--into", redis.url, "--data", str(books), "--format", "json")
    first, second = called(*into), called(*into)
    assert (first.json["entries"], first.json["projected"]) == (2, 2)
    assert (second.json["position"], second.json["projected"]) == ({"0": 1}, 0)
    assert called("replay", "--into", redis.url, "--data", str(books), "--check").status == 0
    assert called(*into[:-2], "--format", "csv").out.startswith("into,prefix,entries,projected\n")
    other = called("replay", "--into", redis.url, "--data", str(books), "--known-at", "0:0")
    assert (other.status, other.out) == (1, "")
    assert "which is newer than block 0" in other.err
    monkeypatch.setenv("REVLEDGER_PREFIX", "past")
    assert called("replay", "--into", redis.url, "--data", str(books), "--known-at", "0:0").status == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--check", "--known-at", "0:0"), "--known-at: --check compares with what is live"),
        (("--check", "--policy", "POLICY"), "--policy: a projection is of the ledger's own policy"),
        (("--into", "own"), "--into: there is no Redis of its own"),
        (("--into", "http://127.0.0.1"), "--into: 'http://127.0.0.1' cannot be"),
        (("--check", "--from", "2024-02-01", "--until", "2024-01-01"), "--until: the window is empty"),
        (("--check", "--by", "colour"), "--by: nothing is labelled 'colour'"),
    ],
)
def test_what_cannot_be_is_wrong_usage(
    arguments: tuple[str, ...], sentence: str, books: Path, tmp_path: Path
) -> None:
    policy = tmp_path / "p.toml"
    policy.write_text('name = "other"\n')
    done = called("replay", *(str(policy) if one == "POLICY" else one for one in arguments), "--data", str(books))
    assert (done.status, done.out) == (2, "")
    assert sentence in done.err


def test_nothing_is_restored_or_compared_from_nothing(tmp_path: Path) -> None:
    for option in (("--check",), ("--into", "redis://127.0.0.1:1/0")):
        done = called("replay", *option, "--data", str(tmp_path / "none"))
        assert (done.status, done.out) == (1, "")
    assert not (tmp_path / "none").exists()
