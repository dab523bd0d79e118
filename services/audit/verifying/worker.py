"""A process that verifies partitions, one after the other, for whoever writes jobs to its standard input."""

import asyncio
import os
import signal
import sys
from typing import Final

import msgspec

from services import output
from services.audit.opening import chains_read
from services.audit.verifying.job import Answer, Done, Failed, Job, Told, VerifyingAlready, done
from services.ledgers.port import Chains, LedgerError
from services.settings import settings_from
from services.tuning import garbage_spared

_JOB: Final = msgspec.json.Decoder(Job)


def main() -> None:
    """Does jobs, a line of JSON each, until the input ends; answers in lines. SIGTERM: the state is kept first."""
    output.whole()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started us
    with garbage_spared():
        asyncio.run(_work())


async def _work() -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None, "a coroutine runs in a task"
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        async with chains_read(settings_from(os.environ)) as ledger:
            while line := await asyncio.to_thread(sys.stdin.buffer.readline):
                await _do(ledger, _JOB.decode(line))
    except (LedgerError, VerifyingAlready) as error:
        _say(Failed(str(error)))
    except asyncio.CancelledError:
        return


async def _do(ledger: Chains, job: Job) -> None:
    _say(Done(await done(ledger, job, lambda partition, entries: _say(Told(partition, entries)))))


def _say(answer: Answer) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
