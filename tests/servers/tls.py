"""TLS before a server that speaks none: a front that decrypts and passes on, as a sidecar would in production."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from msgspec import Struct

from tests.servers.certificates import Certificates
from tests.servers.processes import HOST


class TlsFront(Struct, frozen=True):
    """The port of the loopback interface where TLS is spoken."""

    port: int


@contextmanager
def tls_front(port: int, certificates: Certificates) -> Iterator[TlsFront]:
    """A front before the server on a port, in a thread of its own, until the end of the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="tls-front")
    thread.start()
    try:
        server = asyncio.run_coroutine_threadsafe(_listening(port, certificates), loop).result()
        try:
            yield TlsFront(server.sockets[0].getsockname()[1])
        finally:
            asyncio.run_coroutine_threadsafe(_ended(server), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _listening(port: int, certificates: Certificates) -> asyncio.Server:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.certificate, certificates.key)

    async def passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):  # either side may be killed: that is what tests do
            to_reader, to_writer = await asyncio.open_connection(HOST, port)
            await asyncio.gather(_copied(reader, to_writer), _copied(to_reader, writer))
        writer.close()

    return await asyncio.start_server(passed_on, HOST, 0, ssl=context)


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65_536):
            writer.write(chunk)
            await writer.drain()
    finally:
        writer.close()


async def _ended(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
