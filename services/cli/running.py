"""Running a command: its event loop, its log, and what a terminal sees while it takes its time."""

import asyncio
import signal
import sys
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

T = TypeVar("T")

TERMINATED: Final = 143
"""As shells have it: 128 and the number of SIGTERM."""
PATIENCE_SECONDS: Final = 1.0
"""After how long a terminal is told that something is still going on."""


class Terminated(Exception):
    """SIGTERM came: everything was closed in order."""


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine; Ctrl-C and SIGTERM end it in order, with KeyboardInterrupt or Terminated."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_until_terminated(work))


async def _until_terminated(work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    terminated: list[bool] = []

    def terminate() -> None:
        terminated.append(True)
        task.cancel()

    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread:
        loop.add_signal_handler(signal.SIGTERM, terminate)
    try:
        return await task
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait([task])
        if terminated:
            raise Terminated from None
        raise
    finally:
        if in_main_thread:
            loop.remove_signal_handler(signal.SIGTERM)


def told(text: str) -> None:
    """Tells the person at the terminal something, on stderr."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Shows a terminal that something is going on, once it takes longer than a second."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    shown = Console(stderr=True).status(what)
    timer = threading.Timer(PATIENCE_SECONDS, shown.start)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        shown.stop()
