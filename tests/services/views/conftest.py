"""The views under the contract: a backend is added by one line in `BACKENDS`."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from services.views.memory import memory_views
from services.views.port import Views
from services.views.redis import redis_views
from services.views.valkey import embedded_valkey

OpenViews = Callable[[], AbstractAsyncContextManager[Views]]
"""Opens the store of this test; every call opens the same one, and another test another."""


def _memory(_request: pytest.FixtureRequest) -> Callable[[], Views]:
    views = memory_views()
    return lambda: views


def _valkey(request: pytest.FixtureRequest) -> Callable[[], Views]:
    server: Path = request.getfixturevalue("valkey_socket")
    namespace = uuid.uuid4().hex
    return lambda: redis_views(server, namespace=namespace)


BACKENDS: dict[str, Callable[[pytest.FixtureRequest], Callable[[], Views]]] = {
    "memory": _memory,
    "valkey": _valkey,
}


@pytest.fixture(scope="session")
def valkey_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A real server, shared by all tests that take care to use keys of their own."""
    with asyncio.Runner() as runner:
        server = embedded_valkey(tmp_path_factory.mktemp("valkey"))
        yield runner.run(server.__aenter__())
        runner.run(server.__aexit__(None, None, None))


@pytest.fixture(params=list(BACKENDS))
def open_views(request: pytest.FixtureRequest) -> OpenViews:
    """Every backend in turn."""
    connected = BACKENDS[request.param](request)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Views]:
        views = connected()
        try:
            yield views
        finally:
            await views.close()

    return opened
