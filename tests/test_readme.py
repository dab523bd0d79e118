"""The README's sessions are run, command by command, and print what the README says they print."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from bench.results import read, with_measured
from projections.figures import FIGURES

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
SERVICE_PORT = "8000"
CHANGES = (
    (re.compile(r'"age_seconds":\d+'), '"age_seconds":…'),
    (re.compile(r"recorded .*? ago"), "recorded … ago"),
    (re.compile(r"\btaken \S+Z"), "taken …"),
    (re.compile(r"\b(key|signature) [0-9a-f]{64,128}"), r"\1 …"),
    (re.compile(r"in \S+ s \(\S+ entries/s\)"), "in … s"),
    (re.compile(r" +$", flags=re.MULTILINE), ""),
)
"""What differs from run to run, and what stands for it."""


class Step(NamedTuple):
    """A command, with the here-document it reads, and what it prints."""

    command: str
    printed: str


def sessions(text: str) -> list[list[Step]]:
    """The `console` blocks of a Markdown text: lines after `$ `, and what follows them up to the next."""
    blocks = re.findall(r"^```console\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    return [list(_steps(block.splitlines())) for block in blocks]


def _steps(lines: list[str]) -> Iterator[Step]:
    place = 0
    while place < len(lines):
        command = [lines[place].removeprefix("$ ")]
        assert lines[place].startswith("$ "), f"a session begins with a command: {lines[place]}"
        place += 1
        while _goes_on(command):
            command.append(lines[place])
            place += 1
        printed = []
        while place < len(lines) and not lines[place].startswith("$ "):
            printed.append(lines[place])
            place += 1
        yield Step("\n".join(command), "\n".join(printed).strip())


def _goes_on(command: list[str]) -> bool:
    if "<<'END'" in command[0]:
        return command[-1] != "END"
    return "\n".join(command).count("'") % 2 == 1


def settled(text: str) -> str:
    """A text without what differs from run to run."""
    for pattern, instead in CHANGES:
        text = pattern.sub(instead, text)
    return text.strip()


@contextmanager
def demo_service(data: Path) -> Iterator[str]:
    """The service that `make run` starts, on a port of its own."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = str(one.getsockname()[1])
    command = [*revledger(), "up", "--demo", "--data", str(data), "--port", port]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(int(port))
            yield port
        finally:
            process.terminate()


def revledger() -> list[str]:
    """The command line, as installed with the interpreter that runs the tests."""
    return [str(Path(sys.executable).parent / "revledger")]


def wait_for(port: int) -> None:
    """Returns once something listens on a port of this machine."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")


SESSIONS = sessions(README.read_text(encoding="utf-8"))


@pytest.mark.parametrize("number", range(len(SESSIONS)))
def test_session_prints_what_the_readme_says(number: int, tmp_path: Path) -> None:
    """Each session runs in an empty directory, beside a service if it talks to one."""
    steps = SESSIONS[number]
    if any(f":{SERVICE_PORT}" in step.command for step in steps):
        with demo_service(tmp_path / "revledger-data") as port:
            run(steps, tmp_path, port)
    else:
        run(steps, tmp_path, SERVICE_PORT)


def run(steps: list[Step], directory: Path, port: str) -> None:
    """Runs the steps one after the other and compares what they print."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {**os.environ, "PATH": path, "COLUMNS": "100", "NO_COLOR": "1"}
    for step in steps:
        deadline = time.monotonic() + 20
        done = _done(step.command, directory, port, environ)
        # What was acknowledged is in the ledger; the views follow within a moment, which on a busy machine is longer.
        while "curl" in step.command and "-d '" not in step.command and time.monotonic() < deadline:
            if settled(done.stdout) == settled(step.printed):
                break
            time.sleep(0.2)
            done = _done(step.command, directory, port, environ)
        assert done.returncode == 0, f"{step.command}\n{done.stdout}{done.stderr}"
        assert settled(done.stdout) == settled(step.printed), step.command


def _done(command: str, directory: Path, port: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-c", command.replace(f":{SERVICE_PORT}", f":{port}")],
        cwd=directory,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_readme_has_sessions() -> None:
    """The reader of sessions finds them: commands, here-documents and output."""
    assert len(SESSIONS) >= 2
    assert any("<<'END'" in step.command for steps in SESSIONS for step in steps)
    assert all(step.printed for steps in SESSIONS for step in steps)


def test_every_figure_is_in_the_readme() -> None:
    """The table of figures is the catalogue, definition and formula included."""
    text = README.read_text(encoding="utf-8")
    for figure in FIGURES:
        assert f"| `{figure.name}` | {figure.definition} | {figure.formula} |" in text, figure.name


def test_the_numbers_in_the_readme_are_those_of_the_results_file() -> None:
    """`python -m bench.results` writes them there."""
    text = README.read_text(encoding="utf-8")
    assert with_measured(text, read()) == text
