"""How long `revledger up` takes until it is ready, on a ledger of a million events, also after a kill -9."""

import shutil
import signal
import socket
import sqlite3
import time
from pathlib import Path
from typing import Final

from bench.commands import is_ready, load, popen, scratch
from bench.results import record
from bench.streams import write_demo
from services.cli.doors import KEEP_EVERY

EVENTS: Final = 1_000_000
UNKEPT: Final = KEEP_EVERY - 10_000
RUNS: Final = 3
TARGET_SECONDS: Final = 10
PATIENCE_SECONDS: Final = 300


def main() -> None:
    """Starts after a load that ended well, then after one that was killed before it kept its accounts."""
    with scratch() as directory:
        write_demo(directory / "first.jsonl", EVENTS - UNKEPT)
        write_demo(directory / "rest.jsonl", UNKEPT, skip=EVENTS - UNKEPT)
        data = directory / "data"
        load(directory / "first.jsonl", data)
        killed = directory / "killed"
        shutil.copytree(data, killed)
        load(directory / "rest.jsonl", data)
        clean = [ready_seconds(data) for _ in range(RUNS)]
        kill_while_loading(directory / "rest.jsonl", killed)
        after_kill: list[float] = []
        for number in range(RUNS):
            copy = directory / f"killed-{number}"
            shutil.copytree(killed, copy)
            after_kill.append(ready_seconds(copy))
            shutil.rmtree(copy)
    what = "`revledger up` until ready, 1,000,000 events in the ledger"
    record("start", what, clean, "s", "at most", TARGET_SECONDS)
    worst = f"{what}, after kill -9 with {UNKEPT:,} of them not yet kept"
    record("start-after-kill", worst, after_kill, "s", "at most", TARGET_SECONDS)


def ready_seconds(data: Path) -> float:
    """Seconds from the start of the process to its first ready answer."""
    port = free_port()
    began = time.perf_counter()
    process = popen("up", "--data", str(data), "--port", str(port))
    while not is_ready(f"http://127.0.0.1:{port}"):
        assert process.poll() is None, "the service ended before it was ready"
        assert time.perf_counter() - began < PATIENCE_SECONDS, "the service is not getting ready"
        time.sleep(0.01)
    seconds = time.perf_counter() - began
    process.terminate()
    process.wait()
    return seconds


def kill_while_loading(events: Path, data: Path) -> None:
    """Kills a load as soon as the ledger has most of the events, before the accounts are kept."""
    already = entries_in(data)
    process = popen("load", str(events), "--data", str(data))
    while process.poll() is None and entries_in(data) < already + UNKEPT * 95 // 100:
        time.sleep(0.01)
    assert process.poll() is None, "the load ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(2)  # its server ends by itself


def entries_in(data: Path) -> int:
    """How many entries the ledger holds."""
    file = sqlite3.connect(f"file:{data / 'ledger.db'}?mode=ro", uri=True, timeout=30)
    try:
        return int(file.execute("SELECT coalesce(max(first_seq + entries), 0) FROM blocks").fetchone()[0])
    finally:
        file.close()


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
