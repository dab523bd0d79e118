"""Events from files, compressed files and standard input: batches of lines, in bounded memory."""

import os
import select
import stat
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Final

from msgspec import Struct

from services.cli.failures import WRONG_USAGE, Failure

STDIN: Final = "-"
CHUNK_BYTES: Final = 2 * 1024 * 1024
"""How much is read at once: about five thousand events."""
BATCH_EVENTS_MAX: Final = 5_000
LINE_BYTES_MAX: Final = 16 * 1024 * 1024
IDLE_SECONDS: Final = 0.2
"""How long a silent pipe is waited for before what it has given is passed on."""
LATENCY_SECONDS: Final = 1.0
"""How long a slow pipe may hold back what it has given."""

_GZIP: Final = b"\x1f\x8b"
_BOM: Final = b"\xef\xbb\xbf"


class Batch(Struct, frozen=True):
    """Some lines of one source without the blank ones, and where they stand in it."""

    name: str
    numbers: Sequence[int]
    events: list[bytes]

    def place(self, index: int) -> str:
        """FILE:LINE of one of the events."""
        return f"{self.name}:{self.numbers[index]}"


class Reading:
    """What is read from several sources, one after the other; `read_bytes` tells how far it is."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._stopped = Event()
        self.read_bytes = 0
        self.total_bytes = _total_bytes(names)

    def stop(self) -> None:
        """Ends the reading soon, also of a silent pipe."""
        self._stopped.set()

    def batches(self) -> Iterator[Batch]:
        """The lines; raises Failure for a source that cannot be read to its end."""
        for name in self._names:
            with _opened(name) as descriptor:
                yield from _batches(_shown(name), _plain(_shown(name), self._chunks(descriptor)))

    def _chunks(self, descriptor: int) -> Iterator[bytes]:
        held, due = bytearray(), 0.0
        while not self._stopped.is_set():
            if select.select([descriptor], [], [], IDLE_SECONDS)[0]:
                data = os.read(descriptor, CHUNK_BYTES - len(held))
                if not data:
                    break
                due = due if held else time.monotonic() + LATENCY_SECONDS
                held += data
                self.read_bytes += len(data)
                if len(held) < CHUNK_BYTES and time.monotonic() < due:
                    continue
            if held:
                yield bytes(held)
                held.clear()
        if held:
            yield bytes(held)


def require_files(names: Sequence[str]) -> None:
    """Raises Failure, naming them, if some of the sources are not there to be read."""
    problems = [problem for name in names if (problem := _problem(name))]
    if names.count(STDIN) > 1:
        problems.append("- (standard input) can be read only once.")
    if problems:
        raise Failure("\n".join([*problems, "Nothing was loaded."]), WRONG_USAGE)


def _problem(name: str) -> str:
    path = Path(name)
    if name == STDIN:
        return ""
    if not path.exists():
        return f"There is no file {name}."
    if path.is_dir():
        return f"{name} is a directory: name the files in it, such as {path / '*.jsonl'}."
    return "" if os.access(path, os.R_OK) else f"{name} may not be read by this user."


def _shown(name: str) -> str:
    return "stdin" if name == STDIN else name


def _total_bytes(names: Sequence[str]) -> int | None:
    """The size of all sources; None if it cannot be known."""
    states = [os.fstat(0) if name == STDIN else Path(name).stat() for name in names]
    return sum(one.st_size for one in states) if all(stat.S_ISREG(one.st_mode) for one in states) else None


@contextmanager
def _opened(name: str) -> Iterator[int]:
    if name == STDIN:
        yield 0
        return
    descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _plain(name: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """What is compressed is known by its first two bytes, which no JSON begins with."""
    first = next(chunks, b"")
    rest = _rejoined(first, chunks)
    return _inflated(name, rest) if first.startswith(_GZIP) else rest


def _rejoined(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _inflated(name: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The content of one gzip member after the other (RFC 1952, 2.2); zeros may follow the last."""
    decoder = None
    try:
        for chunk in chunks:
            data = chunk
            while data:
                if decoder is None:
                    data = data.lstrip(b"\0")
                    decoder = zlib.decompressobj(zlib.MAX_WBITS + 16) if data else None
                    continue
                yield decoder.decompress(data, CHUNK_BYTES)
                data = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
                decoder = None if decoder.eof else decoder
        if decoder is not None:
            yield decoder.flush()
            if not decoder.eof:
                raise Failure(f"{name} ends in the middle: it was cut off. What came before is loaded.")
    except zlib.error as error:
        raise Failure(f"{name} cannot be unpacked ({error}): get an undamaged copy, then load it again.") from error


def _batches(name: str, chunks: Iterable[bytes]) -> Iterator[Batch]:
    carry, number = b"", 1
    for chunk in chunks:
        *lines, carry = (carry + chunk).split(b"\n")
        if len(carry) > LINE_BYTES_MAX:
            sentence = f"{name}:{number + len(lines)} is longer than {LINE_BYTES_MAX} bytes: write one event a line."
            raise Failure(sentence)
        yield from _cut(name, number, lines)
        number += len(lines)
    yield from _cut(name, number, [carry])


def _cut(name: str, first: int, lines: list[bytes]) -> Iterator[Batch]:
    for start in range(0, len(lines), BATCH_EVENTS_MAX):
        batch = _batch(name, first + start, lines[start : start + BATCH_EVENTS_MAX])
        if batch.events:
            yield batch


def _batch(name: str, first: int, lines: Sequence[bytes]) -> Batch:
    events = [line.strip() for line in lines]
    if first == 1:
        events[0] = events[0].removeprefix(_BOM)
    if all(events):
        return Batch(name, range(first, first + len(events)), events)
    numbers = [number for number, event in enumerate(events, first) if event]
    return Batch(name, numbers, [event for event in events if event])
