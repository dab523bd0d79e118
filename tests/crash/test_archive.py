"""`revledger archive` killed while it seals: never a half segment, and the next run goes on to the same archive."""

import random
import signal
import time
from pathlib import Path

import pytest

from services.demo import demo_events
from tests.services.cli.calling import called, started

ROUNDS = 12
SEALING = ("--segment-entries", "150")
SUM = "SELECT movement, currency, count(*) AS n, sum(amount_e4) AS total FROM postings GROUP BY ALL ORDER BY ALL"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger that takes a while to seal in small segments."""
    place = tmp_path_factory.mktemp("books")
    file = place / "events.jsonl"
    file.write_bytes(b"".join(raw + b"\n" for raw in demo_events(accounts=300, months=24)))
    assert called("load", str(file), "--data", str(place / "data"), "--as-recorded").status == 0
    return place / "data"


def files_in(place: Path) -> int:
    """How many files there are, whole ones and those that are being written."""
    return sum(1 for path in place.rglob("*") if path.is_file())


@pytest.mark.crash
def test_killed_at_any_file_it_leaves_whole_segments_and_goes_on(data: Path, tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    chance, killed = random.Random(seed), 0
    alone = sealed(data, tmp_path / "alone")
    most = files_in(tmp_path / "alone")
    rows = asked(data, tmp_path / "nothing")
    for number in range(ROUNDS):
        place = tmp_path / f"{number}"
        wanted = chance.randrange(1, most)
        with started("archive", "--to", str(place), *SEALING, "--data", str(data)) as running:
            while running.poll() is None and files_in(place) < wanted:
                time.sleep(0.0005)
            running.send_signal(signal.SIGKILL)
            killed += running.wait() == -signal.SIGKILL
        document = called("archive", "--verify", "--to", str(place), "--data", str(data), "--format", "json").json
        assert document["sound"], (seed, number, document)
        assert asked(data, place) == rows, (seed, number)
        assert sealed(data, place) == alone, (seed, number)
    assert killed > ROUNDS // 2, "it was through before it could be killed"


def sealed(data: Path, place: Path) -> list[dict[str, object]]:
    """The segments of an archive when all is sealed."""
    where = ("--to", str(place), "--data", str(data))
    assert called("archive", *where, *SEALING).status == 0
    rows: list[dict[str, object]] = called("archive", "--list", *where, "--format", "json").json["rows"]
    return rows


def asked(data: Path, place: Path) -> object:
    """What the books say with an archive, however far it reaches."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REVLEDGER_ARCHIVE", str(place))
        return called("sql", SUM, "--data", str(data), "--format", "json").json["rows"]
