"""Books that several tests of the command line only read."""

from pathlib import Path

import pytest

from services.demo import demo_events
from tests.services.cli.calling import called

SERVERS = ("REVLEDGER_KAFKA", "REVLEDGER_REDIS")


@pytest.fixture(autouse=True)
def no_servers_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that the environment names for tests are for those that ask for them: commands read it too."""
    for name in SERVERS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def demo_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The events of the made-up company, one a line."""
    path = tmp_path_factory.mktemp("demo") / "events.jsonl"
    path.write_bytes(b"".join(one + b"\n" for one in demo_events()))
    return path


@pytest.fixture(scope="session")
def demo_books(demo_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with the made-up company, recorded when it happened; only to be read."""
    data = tmp_path_factory.mktemp("books") / "data"
    with pytest.MonkeyPatch.context() as patch:
        for name in SERVERS:
            patch.delenv(name, raising=False)
        assert called("load", str(demo_file), "--data", str(data), "--as-recorded").status == 0
    return data
