"""One service for the tests of a module, and a client of it."""

from collections.abc import Iterator

import httpx
import pytest

from tests.services.gateway.served import Service, served


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that all tests of the module share."""
    with served(tmp_path_factory.mktemp("books"), REVLEDGER_BODY_MAX_BYTES=str(1024 * 1024)) as running:
        yield running


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[httpx.Client]:
    """A client of the shared service."""
    with service.client() as opened:
        yield opened
