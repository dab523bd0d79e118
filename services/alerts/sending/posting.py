"""Posting: one HTTP request to one place, ended in time whatever the other side does."""

import asyncio
import re
import ssl
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import httptools
from msgspec import Struct

READ_BYTES: Final = 64 * 1024
ANSWER_BYTES_MAX: Final = 256 * 1024
"""The most that is read of an answer; whoever says more is not listened to."""
SHOWN_CHARACTERS: Final = 200


class PostFailed(Exception):
    """No answer came; the message says why."""


class Reply(Struct, frozen=True):
    """An answer: its status, how long to wait before the next request if it says so, and how it begins."""

    status: int
    retry_after: int | None = None
    text: str = ""


class _Answer:
    """What a parser reports of an answer."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.body = b""
        self._messages = 0
        self._interim = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self.body = (self.body + body)[:SHOWN_CHARACTERS]

    def on_message_complete(self) -> None:
        self._messages += 1

    def is_whole(self, status: int) -> bool:
        """Whether an answer has ended that is not a mere interim one."""
        if self._messages > self._interim and 100 <= status < 200:
            self._interim = self._messages
        return self._messages > self._interim


async def post(url: str, headers: Mapping[str, str], body: bytes, timeout_seconds: float) -> Reply:
    """The answer to a POST; redirects are not followed, certificates are always checked.

    Raises:
        PostFailed: nothing listens there, the certificate is not to be trusted, or no answer came in time.
    """
    place = urlsplit(url)
    is_tls = place.scheme == "https"
    port = place.port or (443 if is_tls else 80)
    try:
        async with asyncio.timeout(timeout_seconds):
            tls = await asyncio.to_thread(ssl.create_default_context) if is_tls else None
            reader, writer = await asyncio.open_connection(place.hostname, port, ssl=tls)
            try:
                writer.write(_request(url, headers, body))
                return await _reply(reader)
            finally:
                writer.transport.abort()
    except TimeoutError as error:
        raise PostFailed(f"no answer within {timeout_seconds:g} s") from error
    except ssl.SSLCertVerificationError as error:
        raise PostFailed(f"its certificate is not to be trusted: {error.verify_message}") from error
    except (OSError, httptools.HttpParserError) as error:
        raise PostFailed(str(error) or type(error).__name__) from error


def _request(url: str, headers: Mapping[str, str], body: bytes) -> bytes:
    place = urlsplit(url)
    target = (place.path or "/") + (f"?{place.query}" if place.query else "")
    host = place.netloc.rpartition("@")[2]
    lines = [f"POST {target} HTTP/1.1", f"host: {host}", "connection: close", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def _reply(reader: asyncio.StreamReader) -> Reply:
    """The first answer that is not a mere interim one."""
    answer = _Answer()
    parser = httptools.HttpResponseParser(answer)
    size = 0
    while size <= ANSWER_BYTES_MAX:
        data = await reader.read(READ_BYTES)
        if not data:
            break
        size += len(data)
        parser.feed_data(data)
        if answer.is_whole(parser.get_status_code()):
            break
    status = parser.get_status_code()
    if not status:
        raise PostFailed("it closed the connection without an answer")
    after = answer.headers.get("retry-after", "")
    seconds = int(after) if re.fullmatch(r"\d{1,6}", after) else None
    return Reply(status, seconds, " ".join(answer.body.decode(errors="replace").split()))
