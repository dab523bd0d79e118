"""Tuning: how the interpreter of a process is set that does nothing but one long job."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

COLLECT_AFTER: Final = (200_000, 50, 1_000)
"""When cycles are looked for, of which such a job leaves few: to look all the time takes a third of it."""
SWITCH_SECONDS: Final = 0.0005
"""How long one thread may keep others waiting: each answer of Kafka takes several turns of the thread that fetches."""


def tune() -> None:
    """Sets this process up for its job; to be called once what it works with is loaded."""
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    sys.setswitchinterval(SWITCH_SECONDS)


def settle() -> None:
    """Sets aside what is loaded by now, before a service is asked anything: it lives as long as the process.

    To look for cycles among these 100,000 objects stops everything for a tenth of a second, soon after the start.
    """
    gc.collect()
    gc.freeze()


@contextmanager
def garbage_spared() -> Iterator[None]:
    """What a long task makes lives on or dies without cycles: looking for them takes a third of the time."""
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
