"""Whoever holds the lock of a file is alone; the others wait, for a bounded time."""

import os
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from services.turns import open_lock, turn


@pytest.fixture
def locks(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """Two descriptors of one lock, as two processes have them."""
    first, second = open_lock(tmp_path / "a.db"), open_lock(tmp_path / "a.db")
    yield first, second
    os.close(first)
    os.close(second)


def test_the_lock_lies_beside_its_file(tmp_path: Path, locks: tuple[int, int]) -> None:
    assert [path.name for path in tmp_path.iterdir()] == ["a.db-lock"]


def test_a_second_one_waits_no_longer_than_it_says(locks: tuple[int, int]) -> None:
    said = r"held the lock for 0\.02 s"
    with turn(locks[0], 1), pytest.raises(TimeoutError, match=said), turn(locks[1], 0.02):
        pass


def test_turns_are_taken_one_after_the_other(locks: tuple[int, int]) -> None:
    order: list[str] = []

    def second() -> None:
        with turn(locks[1], 10):
            order.append("second")

    with turn(locks[0], 1):
        waiting = Thread(target=second)
        waiting.start()
        waiting.join(0.05)
        order.append("first")
    waiting.join(10)
    assert order == ["first", "second"]


def test_a_turn_ends_with_an_error_too(locks: tuple[int, int]) -> None:
    with pytest.raises(KeyError), turn(locks[0], 1):
        raise KeyError
    with turn(locks[1], 0):
        pass
