"""The real command in processes of its own, timed from outside."""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

ROOT: Final = Path(__file__).resolve().parents[1]
COMMAND: Final = (sys.executable, "-m", "services.cli.main")


class Load(Struct, frozen=True):
    """A load: how long, the most memory its process and all its processes held, and what it said."""

    seconds: float
    rss_mib: float
    all_rss_mib: float
    answer: dict[str, Any]


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="revledger-bench-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def load(events: Path, data: Path) -> Load:
    """Loads a file into a data directory."""
    began = time.perf_counter()
    process = popen("load", str(events), "--data", str(data), stdout=subprocess.PIPE)
    assert process.stdout is not None
    with ThreadPoolExecutor(1) as looking:
        most = looking.submit(most_rss_mib, process.pid)
        answer = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    assert process.returncode == 0, answer
    return Load(seconds, usage.ru_maxrss / 1024, most.result(), json.loads(answer))


def most_rss_mib(pid: int) -> float:
    """The most memory that a process and its children held together, looked at a few times a second (Linux)."""
    most = 0.0
    children = Path(f"/proc/{pid}/task/{pid}/children")
    while held := rss_mib(pid):
        with suppress(OSError):
            held += sum(rss_mib(int(child)) for child in children.read_text("utf-8").split())
        most = max(most, held)
        time.sleep(0.2)
    return most


def rss_mib(pid: int) -> float:
    """The memory a process holds; 0 when it has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0.0


def child_of(pid: int, module: str) -> int:
    """The process that runs a module of ours for another; raises LookupError."""
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text("utf-8").split():
            if module.encode() in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                return int(child)
    raise LookupError(f"process {pid} runs no {module}")


def popen(*arguments: str, stdout: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """Starts a command of ours; what it tells people goes nowhere."""
    return subprocess.Popen([*COMMAND, *arguments], cwd=ROOT, stdout=stdout, stderr=subprocess.DEVNULL)


def is_ready(url: str) -> bool:
    """Whether a service says that it is ready."""
    try:
        with urllib.request.urlopen(f"{url}/health/ready", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False
