"""Options and fixtures that all tests share."""

import pytest
from hypothesis import HealthCheck, settings

from tests.effort import examples

pytest_plugins = ["tests.servers.fixtures"]

# By default new examples every run; with --hypothesis-profile=ci, as .ci/run has it, the same ones every time.
# Examples are judged by their answers, never by the clock of a machine that does other things meanwhile.
# Nor by how long it takes to draw them: on a busy machine that alone has failed a test that was right.
settings.register_profile(
    "here", deadline=None, max_examples=examples(100), suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", settings.get_profile("here"), derandomize=True)
settings.load_profile("here")


@pytest.fixture(autouse=True)
def width_of_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are as wide as where nobody says how wide they may be; pytest's own workers are told a width."""
    monkeypatch.delenv("COLUMNS", raising=False)


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
