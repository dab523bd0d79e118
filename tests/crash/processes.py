"""Real processes of ours: started, watched through the ledger's file, killed by their own pid, and their children."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
COMMAND: Final = (sys.executable, "-m", "services.cli.main")
PATIENCE_SECONDS: Final = 60.0


def started(*arguments: str, output: Path) -> subprocess.Popen[bytes]:
    """A command of ours in a process of its own; what it prints goes into a file."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("REVLEDGER_")}
    with output.open("wb") as file:
        return subprocess.Popen(
            [*COMMAND, *arguments], cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT
        )


@contextmanager
def running(*arguments: str, output: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is killed in the end, should it still run."""
    process = started(*arguments, output=output)
    try:
        yield process
    finally:
        killed(process)


def killed(process: subprocess.Popen[bytes]) -> None:
    """Ends a process by SIGKILL, and sees its children end by themselves."""
    children = children_of(process.pid)
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE_SECONDS)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while alive := [pid for pid in children if is_alive(pid)]:
        assert time.monotonic() < deadline, f"children outlived their parent: {alive}"
        time.sleep(0.01)


def children_of(pid: int) -> list[int]:
    """The child processes of a process."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except FileNotFoundError:
        return []


def is_alive(pid: int) -> bool:
    """Whether a process runs: one that has ended and waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return False


def entries_in(data: Path) -> int:
    """How many entries the ledger of a data directory holds; 0 as long as there is none."""
    path = data / "ledger.db"
    if not path.exists():
        return 0
    file = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=PATIENCE_SECONDS)
    try:
        row = file.execute("SELECT coalesce(max(first_seq + entries), 0) FROM blocks").fetchone()
        return int(row[0])
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return 0
        raise
    finally:
        file.close()


def url_in(output: Path, process: subprocess.Popen[bytes]) -> str:
    """Where a service says that it listens."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        text = output.read_text("utf-8")
        found = re.search(r"listens on (http://\S+)", text)
        if found:
            return found[1]
        assert process.poll() is None, text
        assert time.monotonic() < deadline, text
        time.sleep(0.01)
