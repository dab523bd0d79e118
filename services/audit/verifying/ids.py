"""The ids of all events of a partition, eight bytes each: whether two entries share one, in bounded memory."""

from array import array
from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final

ID_BYTES: Final = 8
AT_ONCE: Final = 4_000_000
"""How many ids are held against each other at once; a set of as many takes about 350 MB."""
_CHUNK: Final = 1 << 20


class Ids:
    """Hashes of event keys by entry number, in a file or (None) in memory."""

    def __init__(self, path: Path | None) -> None:
        self._file: BinaryIO = BytesIO() if path is None else _opened(path)

    def cut(self, entries: int) -> bool:
        """Forgets all but the first entries; whether it has as many."""
        size = self._file.seek(0, 2)
        self._file.truncate(min(size, entries * ID_BYTES))
        self._file.seek(0, 2)
        return size >= entries * ID_BYTES

    def add(self, hashes: list[bytes]) -> None:
        """Adds those of the next entries."""
        self._file.write(b"".join(hashes))

    def flush(self) -> None:
        """Hands over to the system what was added."""
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def shared(self, at_once: int = AT_ONCE) -> dict[int, list[int]]:
        """The entries of every hash that more than one has: mostly the same id, once in 10**12 pairs another."""
        count = self._file.seek(0, 2) // ID_BYTES
        parts = max(1, -(-count // at_once))
        found: set[int] = set()
        for part in range(parts):
            found |= self._repeated(part, parts)
        return self._entries_of(found) if found else {}

    def _repeated(self, part: int, parts: int) -> set[int]:
        """The hashes that come again, of those that leave `part` when divided by `parts`."""
        seen: set[int] = set()
        count = 0
        for chunk in self._chunks():
            some = chunk if parts == 1 else [one for one in chunk if one % parts == part]
            count += len(some)
            seen.update(some)
        if len(seen) == count:
            return set()
        repeated: set[int] = set()
        for chunk in self._chunks():
            for one in chunk:
                if one % parts == part:
                    if one in seen:
                        seen.discard(one)
                    else:
                        repeated.add(one)
        return repeated

    def _entries_of(self, hashes: set[int]) -> dict[int, list[int]]:
        entries: dict[int, list[int]] = {}
        number = 0
        for chunk in self._chunks():
            for one in chunk:
                if one in hashes:
                    entries.setdefault(one, []).append(number)
                number += 1
        return entries

    def _chunks(self) -> Iterator["array[int]"]:
        self._file.seek(0)
        while data := self._file.read(_CHUNK):
            chunk = array("Q")
            chunk.frombytes(data)
            yield chunk


def id_hash(key: str) -> bytes:
    """What is kept of an event's key."""
    return sha256(key.encode()).digest()[:ID_BYTES]


def _opened(path: Path) -> BinaryIO:
    path.touch(mode=0o600)
    return path.open("r+b")
