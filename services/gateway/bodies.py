"""Bodies of requests: read up to a size, inflated up to the same size."""

import zlib
from collections.abc import AsyncIterator
from typing import Any, Final

from litestar import Request

from services.gateway.problems import Problem

_GZIP: Final = 31
"""Window bits that make zlib read gzip and nothing else."""


async def body_of(request: Request[Any, Any, Any], bytes_max: int) -> bytes:
    """The body, inflated where it came as gzip.

    Raises:
        Problem: it is larger than `bytes_max` (noticed before it is read where Content-Length says so), ends
            early, is damaged, or is compressed otherwise.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        sentence = f"Content-Encoding {encoding!r} is not read here: send gzip, or no Content-Encoding"
        raise Problem("unsupported_encoding", sentence, headers={"accept-encoding": "gzip, identity"})
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > bytes_max:
        raise _too_large(bytes_max)
    received = _received(request)
    parts: list[bytes] = []
    size = 0
    async for part in _inflated(received, bytes_max) if encoding.endswith("gzip") else received:
        size += len(part)
        if size > bytes_max:
            raise _too_large(bytes_max)
        parts.append(part)
    return b"".join(parts)


async def _received(request: Request[Any, Any, Any]) -> AsyncIterator[bytes]:
    while True:
        message = await request.receive()
        if message["type"] != "http.request":
            raise Problem("incomplete_body", "the connection was closed before the body was complete")
        yield message["body"]
        if not message.get("more_body", False):
            return


async def _inflated(received: AsyncIterator[bytes], bytes_max: int) -> AsyncIterator[bytes]:
    """The members of a gzip stream, one after the other; no part is larger than `bytes_max` + 1."""
    inflating = zlib.decompressobj(_GZIP)
    begun = False
    try:
        async for part in received:
            rest = part
            while rest:
                if inflating.eof:
                    inflating, begun = zlib.decompressobj(_GZIP), False
                begun = True
                yield inflating.decompress(rest, bytes_max + 1)
                rest = inflating.unconsumed_tail or inflating.unused_data
    except zlib.error as error:
        raise Problem("damaged_encoding", f"the body is not gzip, as Content-Encoding says: {error}") from error
    if not begun or not inflating.eof:
        raise Problem("damaged_encoding", "the gzip stream ends before it is complete: send all of it")


def _too_large(bytes_max: int) -> Problem:
    return Problem("body_too_large", f"a body has at most {bytes_max} bytes: send the events in smaller batches")
