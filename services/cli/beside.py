"""A projector in a process of its own, beside a large load: so that the work is shared by two cores.

It takes the views over as any projector does; whoever started it takes them back when it is through.
"""

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

from services.compose import LEDGER_FILE
from services.ledgers.sqlite import sqlite_ledger
from services.projector import Projector
from services.tuning import tune
from services.views.redis import redis_views
from services.views.valkey import running_socket

LOOK_SECONDS: Final = 0.05
END_SECONDS: Final = 10.0


class Beside:
    """The process that projects the books of a data directory meanwhile, in steps of more than `step_entries`.

    `stop` it before the views server ends.
    """

    def __init__(self, data: Path, step_entries: int) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - the command is ours
            [sys.executable, "-P", "-m", "services.cli.beside", str(data), str(step_entries)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            start_new_session=True,  # Ctrl-C in the terminal is for us; we end it in our time
        )

    @property
    def is_running(self) -> bool:
        """Whether it is still at work; if it has failed, whoever goes on without it meets the same error."""
        return self._process.poll() is None

    async def stop(self) -> None:
        """Ends it, wherever it is: a commit is whole or has not happened."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.terminate()
        try:
            await asyncio.to_thread(self._process.wait, END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def main() -> None:
    """Projects until standard input ends, as it does with the process at its other side."""
    threading.Thread(target=_end_with_input, daemon=True).start()
    tune()
    asyncio.run(_project(Path(sys.argv[1]), int(sys.argv[2])))


def _end_with_input() -> None:
    while os.read(0, 1_024):
        pass
    os._exit(0)


async def _project(data: Path, step_entries: int) -> None:
    socket = running_socket(data)
    if socket is None:
        raise SystemExit("No views server runs: this process is started by `revledger load` alone.")
    ledger = await sqlite_ledger(data / LEDGER_FILE)
    projector = Projector(ledger, redis_views(socket))
    await projector.start()
    while True:
        tail = await ledger.tail(0)
        if tail is not None and tail.end_seq - projector.position.last_seq > step_entries:
            await projector.catch_up(tail.height + 1)
        else:
            await asyncio.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    main()
