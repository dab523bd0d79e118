"""All tests with Kafka run in one process, so that a run starts one broker."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONFTEST = 'pytest_plugins = ["tests.servers.fixtures"]\n'
TESTS = """
from pathlib import Path
import pytest

@pytest.fixture
def kafka() -> None: ...

@pytest.mark.parametrize("number", range(8))
def test_with_kafka(kafka: None, number: int, worker_id: str) -> None:
    Path(f"{__name__}-{number}.worker").write_text(worker_id)
"""


def test_tests_with_kafka_share_a_process(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    for name in ("test_a.py", "test_b.py"):
        (tmp_path / name).write_text(TESTS)
    run = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadgroup", "--rootdir", str(tmp_path)]
    done = subprocess.run(run, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert "16 passed" in done.stdout, done.stdout + done.stderr
    assert len({path.read_text() for path in tmp_path.glob("*.worker")}) == 1
