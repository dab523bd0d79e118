"""Files that are written whole or not at all, and over nothing unless that was asked for."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


class IsThere(Exception):
    """There is a file of that name already."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is there already and is not overwritten: name another file with -o, or say --force")
        self.path = path


@contextmanager
def whole_file(path: Path, *, force: bool) -> Iterator[Path]:
    """A path to write to, beside the file, which gets its name when all is on the disk; an error leaves nothing.

    Raises IsThere before and after, unless `force`; OSError.
    """
    if not force and os.path.lexists(path):
        raise IsThere(path)
    partial = path.with_name(f".{path.name}.{uuid4().hex[:8]}.partial")
    try:
        yield partial
        _sync(partial)
        if force:
            partial.replace(path)
        else:
            _name(partial, path)
        _sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def _name(partial: Path, path: Path) -> None:
    """Gives a file its name unless it is taken; where there are no hard links, as well as can be."""
    try:
        path.hardlink_to(partial)
    except FileExistsError as error:
        raise IsThere(path) from error
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(path):
            raise IsThere(path) from error
        partial.replace(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
