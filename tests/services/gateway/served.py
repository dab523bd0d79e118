"""A real service on a loopback port: uvicorn, SQLite, Valkey and all, in a thread with its own event loop."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final

import httpx
import msgspec

from services.compose import Books, owned_books, projecting, taking_in
from services.gateway import Server, application, server_of
from services.gateway.embedded import embedded
from services.settings import Settings, settings_from

WAIT_SECONDS: Final = 20.0


class Service(msgspec.Struct, frozen=True):
    """A service that answers at `url`, and what it works with."""

    url: str
    books: Books
    server: Server
    projection: asyncio.Task[None]
    loop: asyncio.AbstractEventLoop

    def client(self) -> httpx.Client:
        """A client of the service; nothing of the environment's proxies is between."""
        return httpx.Client(base_url=self.url, trust_env=False, timeout=WAIT_SECONDS)


@contextmanager
def served(directory: Path, **environ: str) -> Iterator[Service]:
    """The service of a data directory; its end is waited for."""
    settings = settings_from({"REVLEDGER_DATA": str(directory), "REVLEDGER_PORT": "0", **environ})
    started: Future[Service] = Future()
    with ThreadPoolExecutor(1, "service") as pool:
        ended = pool.submit(lambda: asyncio.run(_serve(settings, started)))
        first: list[Future[Any]] = [started, ended]
        wait(first, WAIT_SECONDS, FIRST_COMPLETED)
        if ended.done():
            ended.result()
        service = started.result(0)
        try:
            yield service
        finally:
            service.server.should_exit = True
            ended.result(WAIT_SECONDS)


async def _serve(settings: Settings, started: Future[Service]) -> None:
    async with (
        owned_books(settings) as books,
        projecting(books) as projection,
        taking_in(books, settings.queue_events_max) as intake,
    ):
        app = application(embedded(books, intake, projection), settings)
        server = server_of(app, settings.host, settings.port)
        serving = asyncio.create_task(server.serve())
        while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event to wait for
            await asyncio.sleep(0.005)
        if not serving.done():
            port = server.servers[0].sockets[0].getsockname()[1]
            url = f"http://127.0.0.1:{port}"
            started.set_result(Service(url, books, server, projection, asyncio.get_running_loop()))
        await serving


def until(holds: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
    """Waits until something holds."""
    deadline = monotonic() + seconds
    while not holds():
        assert monotonic() < deadline, "it has not come to hold"
        sleep(0.005)


def signed(number: int, amount_minor: int = 1_000, **data: Any) -> dict[str, Any]:
    """A contract of one line, as a CloudEvent; every number is another account."""
    line = {"line_id": "l", "plan": data.pop("plan", "pro"), "amount_minor": amount_minor}
    return {
        "specversion": "1.0",
        "id": f"signed-{number}",
        "source": "/test",
        "type": "revledger.contract.signed.v1",
        "subject": f"acct-{number}",
        "time": "2024-01-10T00:00:00Z",
        "data": {"contract_id": f"ctr-{number}", "currency": "USD", "lines": [line], **data},
    }


def mrr_minor(client: httpx.Client) -> int:
    """The MRR the service answers with, in minor units."""
    (row,) = client.get("/v1/figures", params={"currency": "USD"}).raise_for_status().json()["rows"]
    return int(row["figures"]["mrr_minor"])
