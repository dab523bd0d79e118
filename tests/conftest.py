"""Options and fixtures that all tests share."""

import os

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.servers.fixtures"]

# Here new examples every run, in CI the same ones every time: what turns red there is what the change did.
# Examples are judged by their answers, never by the clock of a machine that does other things meanwhile.
# Nor by how long it takes to draw them: on a busy machine that alone has failed a test that was right.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("here"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update",
        action="store_true",
        help="write what the books answer into tests/journals/*.journal instead of comparing",
    )


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written anew."""
    return bool(request.config.getoption("--update"))
