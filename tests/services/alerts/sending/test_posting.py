"""Posting: an answer whatever its form, and an end in time whatever the other side does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from services.alerts.sending.posting import PostFailed, Reply, post
from tests.servers.certificates import made_certificates
from tests.servers.needs import needing
from tests.services.alerts.receiver import receiver
from tests.services.running import asynchronous


@asynccontextmanager
async def server(*parts: bytes, pause: float = 0.0, is_open: bool = False) -> AsyncIterator[str]:
    """A server that says so many parts to whoever comes, and then closes the connection unless it `is_open`."""
    done = asyncio.Event()
    saying: set[asyncio.Task[None]] = set()

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in parts:
            writer.write(part)
            await asyncio.sleep(pause)
            if done.is_set():
                break
        if is_open:
            await done.wait()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(say(reader, writer))
        saying.add(task)
        await task

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/a?b=c"
    finally:
        done.set()
        await asyncio.gather(*saying)
        listening.close()
        await listening.wait_closed()


ANSWERS = {
    "with a length": ([b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"], Reply(200, None, "ok")),
    "in pieces": ([b"HTTP/1.1 2", b"02 Accepted\r\nContent-Le", b"ngth: 0\r\n\r\n"], Reply(202)),
    "chunked": ([b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"], Reply(500, None, "no")),
    "until it closes": ([b"HTTP/1.0 200 OK\r\n\r\nfine"], Reply(200, None, "fine")),
    "after an interim one": ([b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 204 No\r\n\r\n"], Reply(204)),
    "with a time to wait": ([b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"], Reply(429, 7)),
    "with a date to wait for": (
        [b"HTTP/1.1 503 No\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\nContent-Length: 0\r\n\r\n"],
        Reply(503),
    ),
}


@pytest.mark.parametrize("case", ANSWERS)
@asynchronous
async def test_answers(case: str) -> None:
    parts, expected = ANSWERS[case]
    async with server(*parts, pause=0.01) as url:
        assert await post(url, {}, b"body", 10.0) == expected


FAILURES = {
    "nothing": ([], "closed the connection"),
    "no HTTP": ([b"SSH-2.0-OpenSSH\r\n"], "."),
}


@pytest.mark.parametrize("case", FAILURES)
@asynchronous
async def test_no_answer(case: str) -> None:
    parts, message = FAILURES[case]
    async with server(*parts) as url:
        with pytest.raises(PostFailed, match=message):
            await post(url, {}, b"body", 10.0)


@asynchronous
async def test_nobody_there() -> None:
    async with server() as url:
        pass
    with pytest.raises(PostFailed, match=r"[Cc]onnect"):
        await post(url, {}, b"body", 10.0)


@pytest.mark.parametrize("parts", [[], [b"HTTP/1.1 200 OK\r\n"], [b"x"]])
@asynchronous
async def test_whoever_hangs_is_left(parts: list[bytes]) -> None:
    async with server(*parts, is_open=True) as url:
        with pytest.raises(PostFailed):
            await post(url, {}, b"body", 0.2)


@asynchronous
async def test_whoever_dribbles_is_left() -> None:
    """A byte now and then would outlive a limit of each read."""
    async with server(b"HTTP/1.1 200 OK\r\n", *([b"X: y\r\n"] * 100), pause=0.05) as url:
        with pytest.raises(PostFailed, match="no answer within"):
            await post(url, {}, b"body", 0.3)


def test_a_certificate_counts_only_if_its_authority_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with needing("openssl"):
        made = made_certificates(tmp_path)
    with receiver(tls=(made.certificate, made.key)) as hook:
        with pytest.raises(PostFailed, match="certificate is not to be trusted"):
            asyncio.run(post(hook.url, {}, b"body", 10.0))
        assert hook.got == []
        monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
        assert asyncio.run(post(hook.url, {"webhook-id": "m"}, b"body", 10.0)).status == 204
    assert [one.body for one in hook.got] == [b"body"]
