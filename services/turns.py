"""Turns: processes that write one file do so one after the other, by a lock file beside it."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def open_lock(path: Path) -> int:
    """The descriptor of the lock file of `path`, made if it does not exist; close it with `os.close`."""
    return os.open(path.with_name(path.name + "-lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


@contextmanager
def turn(lock: int, wait_seconds: float) -> Iterator[None]:
    """Holds the lock meanwhile; TimeoutError if another descriptor has held it for `wait_seconds`."""
    deadline = time.monotonic() + wait_seconds
    while not _taken(lock):
        if time.monotonic() > deadline:
            raise TimeoutError(f"another process has held the lock for {wait_seconds:g} s")
        time.sleep(0.001)
    try:
        yield
    finally:
        fcntl.flock(lock, fcntl.LOCK_UN)


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
