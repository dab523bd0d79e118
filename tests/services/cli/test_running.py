"""How a command runs, and what a terminal sees of it that no file does."""

import asyncio
import os
import pty
import select
import subprocess
import time
from pathlib import Path

import pytest

from services.cli.progress import Bar
from services.cli.running import Terminated, run, waiting
from tests.services.cli.calling import COMMAND, ROOT


def test_results_and_errors_come_through() -> None:
    async def result() -> int:
        return 7

    async def failing() -> None:
        raise ValueError("no")

    assert run(result()) == 7
    with pytest.raises(ValueError, match="no"):
        run(failing())


def test_sigterm_ends_a_command_in_order() -> None:
    closed: list[bool] = []

    async def working() -> None:
        try:
            os.kill(os.getpid(), 15)
            await asyncio.sleep(20)
        finally:
            closed.append(True)

    with pytest.raises(Terminated):
        run(working())
    assert closed == [True]


def test_nothing_is_shown_where_there_is_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with waiting("reading"), Bar("loading", 10) as bar:
        time.sleep(1.1)
        bar.at(5, "5 events")
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_a_terminal_sees_a_bar_for_what_takes_longer_than_a_second(tmp_path: Path) -> None:
    outer, inner = pty.openpty()
    arguments = [*COMMAND, "load", "-", "--data", str(tmp_path / "books")]
    with subprocess.Popen(arguments, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=inner) as running:
        os.close(inner)
        assert running.stdin is not None
        for _ in range(100):  # it takes its time to start
            running.stdin.write(b"garbage\n" * 10)
            running.stdin.flush()
            if select.select([outer], [], [], 0.3)[0]:
                break
        running.stdin.close()
        seen = _all_of(outer)
        assert running.wait(30) == 1
    assert "loading" in seen
    assert "events" in seen


def _all_of(terminal: int) -> str:
    """What was written to a terminal, to its end."""
    seen = b""
    try:
        while data := os.read(terminal, 4096):
            seen += data
    except OSError:
        pass  # Linux tells so that the other side is closed (EIO)
    os.close(terminal)
    return seen.decode()
