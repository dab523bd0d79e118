"""`revledger load` killed again and again with the same file: in the end each line is in the ledger once."""

import asyncio
import random
import time
from pathlib import Path

import pytest

from services.demo import demo_events
from tests.crash.books import check_books, identity_of
from tests.crash.processes import PATIENCE_SECONDS, entries_in, killed, running


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    """The events of a made-up company, some of them sent twice."""
    return list(demo_events(accounts=3_000, months=36, seed=5))


def killed_while_loading(file: Path, data: Path, dice: random.Random, goal: int) -> bool:
    """Loads the file and kills the process at some moment; False if it was done before that."""
    target = dice.randrange(entries_in(data), goal)
    output = data.with_suffix(".out")
    with running("load", str(file), "--data", str(data), output=output) as process:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while process.poll() is None and entries_in(data) < target:
            assert time.monotonic() < deadline, output.read_text("utf-8")
            time.sleep(0.002)
        time.sleep(dice.choice((0, 0, 0.005, 0.05, 0.3)))
        if process.poll() is not None:
            assert process.returncode == 0, output.read_text("utf-8")
            return False
        killed(process)
        return True


def check_load(lines: list[bytes], directory: Path, kills: int, seed: int) -> None:
    """Kills so many loads, lets one finish, and counts."""
    dice = random.Random(seed)
    file, data = directory / "events.jsonl", directory / "books"
    file.write_bytes(b"".join(line + b"\n" for line in lines))
    identities = {identity_of(line) for line in lines}
    done = 0
    for _ in range(kills):
        # Half of the way at most, so that there is something left for the next kill.
        so_far = entries_in(data)
        done += killed_while_loading(file, data, dice, so_far + max(1, (len(identities) - so_far) // 2))
    assert done, "every load was done before it was killed"
    with running("load", str(file), "--data", str(data), output=directory / "last.out") as process:
        assert process.wait(PATIENCE_SECONDS) == 0, (directory / "last.out").read_text("utf-8")
    asyncio.run(check_books(data, identities))


def test_killed_loads_end_in_the_same_books(lines: list[bytes], tmp_path: Path) -> None:
    assert len(lines) > 20_000
    check_load(lines, tmp_path, kills=3, seed=1)


@pytest.mark.crash
@pytest.mark.parametrize("seed", range(2, 7))
def test_killed_loads_end_in_the_same_books_in_the_long_run(lines: list[bytes], tmp_path: Path, seed: int) -> None:
    check_load(lines, tmp_path, kills=12, seed=seed)
