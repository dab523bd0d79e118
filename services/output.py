"""Output: the standard streams of a process, whose writes are whole."""

import io
import sys


def whole() -> None:
    """Gives the standard streams a buffer where the interpreter has left it out (`PYTHONUNBUFFERED`, `python -u`).

    Without one a write that the system takes only a part of, because whoever reads is slow, loses the rest without an
    error. Lines go out as soon as they end, as before.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(getattr(stream, "buffer", None), io.RawIOBase):
            buffered = io.BufferedWriter(io.FileIO(stream.fileno(), "w", closefd=False))
            setattr(sys, name, io.TextIOWrapper(buffered, stream.encoding, stream.errors, line_buffering=True))
