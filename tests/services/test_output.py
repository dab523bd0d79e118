"""What is written on standard output arrives whole, however slow its reader is."""

import subprocess
import sys
import time
from typing import Final

import pytest

CHARACTERS: Final = 1_000_000
WRITTEN: Final = """
import signal, sys
from services import output

output.whole()
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.2)  # in the middle of the write, which then has taken a part
{}
sys.stdout.flush()
"""


@pytest.mark.parametrize(
    "write", [f"sys.stdout.write('x' * {CHARACTERS})", f"sys.stdout.buffer.write(b'x' * {CHARACTERS})"]
)
@pytest.mark.parametrize("flags", [["-u"], []])
def test_a_slow_reader_gets_everything(flags: list[str], write: str) -> None:
    command = [sys.executable, *flags, "-c", WRITTEN.format(write)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        time.sleep(1.0)
        read = len(process.stdout.read())
    assert (process.returncode, read) == (0, CHARACTERS)


def test_a_line_goes_out_when_it_ends() -> None:
    code = "import sys, time; from services import output; output.whole(); print('ready'); sys.stdin.read()"
    command = [sys.executable, "-u", "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.communicate()
