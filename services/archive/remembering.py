"""Remembering: files of an archive that this process has checked, and that nobody has written to since."""

import time
from pathlib import Path
from typing import Final

from services.archive.manifests import Manifest, Table
from services.archive.segments import check_file

SETTLED_NANOSECONDS: Final = 2_000_000_000
"""How long ago a file must have changed last to be remembered: two changes within a tick of the clock look alike."""
FILES_MAX: Final = 100_000
_State = tuple[int, int, int, int, int]
_CHECKED: Final[dict[tuple[Path, str, Table], _State]] = {}


def check_once(path: Path, manifest: Manifest, table: Table, place: str) -> None:
    """The same as `check_file`, but for a file that passed it and is still the same one by all that the system tells.

    Device, inode, size, and the times of the last change of content and of state, which no program can set back.
    """
    key, state = (path, manifest.digest, table), _state(path)
    if state is not None and _CHECKED.get(key) == state:
        return
    _CHECKED.pop(key, None)
    check_file(path, manifest, table, place)
    if state is not None and time.time_ns() - max(state[3:]) > SETTLED_NANOSECONDS:
        if len(_CHECKED) >= FILES_MAX:
            _CHECKED.clear()
        _CHECKED[key] = state


def _state(path: Path) -> _State | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
