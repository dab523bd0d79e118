"""A large load with a projector beside it: the same books, also if that one comes to an end."""

from pathlib import Path
from typing import Any

import pytest

from services.cli import beside, doors
from tests.services.cli.calling import called

pytestmark = pytest.mark.slow


def books(data: Path) -> Any:
    asked = ("report", "bridge", "--currency", "USD", "--by", "segment", "--data", str(data))
    return called(*asked, "--format", "json").json["rows"]


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a load of two thousand events a large one."""
    monkeypatch.setattr("services.cli.lines.CHUNK_BYTES", 20_000)
    monkeypatch.setattr(doors, "STEP_ENTRIES", 100)
    monkeypatch.setattr(doors, "BESIDE_EVENTS_MIN", 300)
    monkeypatch.setattr(doors, "CORES", 2)


@pytest.mark.usefixtures("small_steps")
def test_the_books_are_the_same(
    demo_file: Path, demo_books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[beside.Beside] = []

    def beginning(data: Path, step_entries: int) -> beside.Beside:
        begun.append(beside.Beside(data, step_entries))
        return begun[-1]

    monkeypatch.setattr(doors, "Beside", beginning)
    done = called("load", str(demo_file), "--data", str(tmp_path / "books"))
    assert (done.status, done.err, len(begun)) == (0, "", 1)
    assert not begun[0].is_running
    assert books(tmp_path / "books") == books(demo_books)


@pytest.mark.usefixtures("small_steps")
def test_a_load_goes_on_without_it(
    demo_file: Path, demo_books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ending(beside.Beside):
        """One that ends as soon as it has begun."""

        def __init__(self, data: Path, step_entries: int) -> None:
            super().__init__(data, step_entries)
            self._process.kill()
            self._process.wait()

    monkeypatch.setattr(doors, "Beside", Ending)
    done = called("load", str(demo_file), "--data", str(tmp_path / "books"))
    assert (done.status, done.err) == (0, "")
    assert books(tmp_path / "books") == books(demo_books)
