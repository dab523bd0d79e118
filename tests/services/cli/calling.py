"""Commands called: in this process for speed, as a process of their own where that matters."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from services.cli.main import status_of

COMMAND: Final = (sys.executable, "-c", "from services.cli.main import main; main()")
"""What the console script `revledger` does, without asking that it be installed."""
ROOT: Final = Path(__file__).parents[3]
LIMIT_SECONDS: Final = 60.0


class Called(Struct, frozen=True):
    """How a command ended and what it printed."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, read as JSON."""
        return json.loads(self.out)


def called(*arguments: str) -> Called:
    """A command in this process."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = status_of(arguments)
    out.seek(0)
    return Called(status, out.read(), err.getvalue())


def process(*arguments: str, stdin: bytes = b"", **environ: str) -> Called:
    """A command as a process of its own."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        input=stdin,
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, **environ},
        timeout=LIMIT_SECONDS,
        check=False,
    )
    return Called(done.returncode, done.stdout.decode(), done.stderr.decode())


@contextmanager
def started(*arguments: str, stdin: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[bytes]]:
    """A command as a process that runs meanwhile; what is left of it in the end is killed."""
    with subprocess.Popen(
        [*COMMAND, *arguments], cwd=ROOT, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        try:
            yield running
        finally:
            if running.poll() is None:
                running.kill()


@contextmanager
def serving(data: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], str, list[str]]]:
    """A service, where it listens, and what it said when it started."""
    with started("up", "--data", str(data), "--port", "0", *options) as running:
        said: list[str] = []
        assert running.stdout is not None
        while not (said and said[-1].startswith("  revledger report")):
            line = running.stdout.readline().decode()
            assert line, f"the service did not start: {ended(running).err}"
            said.append(line)
        (url,) = [word for line in said if "listens on" in line for word in line.split() if "://" in word]
        yield running, url, said


def ended(running: subprocess.Popen[bytes]) -> Called:
    """How a started command ends, which it does within bounds."""
    out, err = running.communicate(timeout=LIMIT_SECONDS)
    return Called(running.returncode, out.decode(), err.decode())


def event(
    event_id: str, kind: str = "contract.signed", subject: str = "acme", time: str = "2024-01-05", **data: Any
) -> dict[str, Any]:
    """One event; `time` is a day, noon of which it says."""
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": "/tests",
        "type": f"revledger.{kind}.v1",
        "subject": subject,
        "time": f"{time}T12:00:00Z",
        "data": data,
    }


def signed(event_id: str, amount_minor: int = 1000, currency: str = "USD", **given: Any) -> dict[str, Any]:
    """A contract signed by an account, with one line a month."""
    line = {"line_id": "l1", "plan": "team", "amount_minor": amount_minor, "interval": "month"}
    contract = given.pop("contract_id", f"c-{given.get('subject', 'acme')}")
    return event(event_id, contract_id=contract, currency=currency, lines=[line], **given)


def written(path: Path, events: Sequence[dict[str, Any] | str]) -> str:
    """A file of JSON lines; texts go in as they are."""
    lines = [one if isinstance(one, str) else json.dumps(one) for one in events]
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return str(path)
