"""Requests to the service over plain connections: a client takes several times the processor that the service does."""

import asyncio
from typing import Final

EVENT_TYPE: Final = "application/cloudevents+json"
BATCH_TYPE: Final = "application/cloudevents-batch+json"


class Connection:
    """One connection that asks one thing after the other; it is opened by the first."""

    def __init__(self, url: str) -> None:
        self._host, _, port = url.removeprefix("http://").partition(":")
        self._port = int(port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: bytes, media_type: str) -> bytes:
        """The answer to what is posted."""
        return await self._asked(f"POST {path}", f"content-type: {media_type}\r\n", body)

    async def get(self, path: str) -> bytes:
        """What there is at a path."""
        return await self._asked(f"GET {path}", "", b"")

    async def _asked(self, what: str, headers: str, body: bytes) -> bytes:
        if self._streams is None or self._streams[0].at_eof():  # the service lets go of those that idle
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(f"{what} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {len(body)}\r\n\r\n".encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        size = next(int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
        answer = await reader.readexactly(size)
        assert head.startswith(b"http/1.1 200"), answer
        return answer
