"""The made-up company on standard output."""

import subprocess
from pathlib import Path

from tests.services.cli.calling import COMMAND, ROOT, called, process


def test_the_same_options_give_the_same_bytes(demo_file: Path) -> None:
    assert called("demo-data").out == demo_file.read_text("utf-8")
    few = ("demo-data", "--accounts", "3", "--months", "6", "--seed", "7", "--start", "2020-02-01")
    assert called(*few).out == process(*few).out != ""
    assert '"time":"2020-02-01' in called(*few).out


def test_a_company_that_cannot_be_is_wrong_usage() -> None:
    done = called("demo-data", "--start", "2020-02-02")
    assert (done.status, done.out) == (2, "")
    assert "the first of a month" in done.err


def test_a_reader_that_had_enough_is_no_error() -> None:
    with subprocess.Popen(
        [*COMMAND, "demo-data", "--accounts", "2000"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        assert (running.stderr.read(), running.wait(30)) == (b"", 0)
