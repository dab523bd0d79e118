"""Refused events are kept whole, counted once, found again, and marked when a retry is accepted."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services import deadletters
from services.deadletters import (
    FILE_NAME,
    DeadLetter,
    DeadLetters,
    DeadLettersUnavailable,
    NoSuchDeadLetter,
    Refusal,
    Resolution,
)

RAW = b'{"specversion": "1.0", "type": "revledger.contract.sined.v1"}\xff\x00'


@pytest.fixture
def letters(tmp_path: Path) -> Iterator[DeadLetters]:
    """The dead letters of a new data directory."""
    opened = DeadLetters(tmp_path)
    yield opened
    opened.close()


def put(letters: DeadLetters, raw: bytes = RAW, code: str = "unknown_type", at: int = 1_000) -> int:
    """Keeps an event refused over HTTP."""
    return letters.put(raw, code, f"mend it, says {code}", "type", "http", at)


def ids(letters: DeadLetters) -> list[int]:
    """The numbers of all that waits."""
    return [letter.id for letter in letters.waiting(1_000)]


def test_an_event_is_kept_whole(letters: DeadLetters) -> None:
    letter_id = put(letters)
    expected = DeadLetter(
        letter_id, RAW, "unknown_type", "mend it, says unknown_type", "type", "http", 1_000, 1_000, 1, None
    )
    assert letters.get(letter_id) == expected
    assert letters.waiting(10) == [expected]


def test_bytes_may_be_empty_or_many(letters: DeadLetters) -> None:
    large = bytes(range(256)) * (16 * 1024 * 4)
    assert len(large) == 16 * 1024 * 1024
    for raw in (b"", large):
        assert letters.get(put(letters, raw)).raw == raw


def test_the_same_bytes_and_code_count_up(letters: DeadLetters) -> None:
    first = put(letters, at=1_000)
    assert letters.put(RAW, "unknown_type", "another sentence", "data", "file a.jsonl:7", 5_000) == first
    assert put(letters, at=2_000) == first
    letter = letters.get(first)
    assert (letter.times, letter.first_at, letter.last_at) == (3, 1_000, 5_000)
    assert (letter.message, letter.source) == ("mend it, says unknown_type", "http"), "those of the last time"
    assert ids(letters) == [first]


def test_other_bytes_or_another_code_are_letters_of_their_own(letters: DeadLetters) -> None:
    numbers = [put(letters), put(letters, code="not_json"), put(letters, RAW + b" ")]
    assert ids(letters) == numbers == sorted(set(numbers))
    assert letters.count() == {"not_json": 1, "unknown_type": 2}


def test_many_are_put_at_once(letters: DeadLetters) -> None:
    refusals = [Refusal(b"%d" % (number % 3), "not_json", "", "", "http", number) for number in range(9)]
    numbers = letters.put_many(refusals)
    assert numbers == numbers[:3] * 3
    assert [letters.get(number).times for number in numbers[:3]] == [3, 3, 3]
    assert letters.put_many([]) == []


def test_all_are_put_or_none(letters: DeadLetters) -> None:
    impossible = Refusal(b"b", None, "", "", "http", 1)  # type: ignore[arg-type]
    with pytest.raises(sqlite3.IntegrityError):
        letters.put_many([Refusal(b"a", "not_json", "", "", "http", 1), impossible])
    assert letters.count() == {}
    assert ids(letters) == []
    put(letters)


def test_waiting_is_paged_by_number(letters: DeadLetters) -> None:
    numbers = [put(letters, b"%d" % number) for number in range(7)]
    found: list[int] = []
    while page := letters.waiting(3, found[-1] if found else 0):
        assert len(page) <= 3
        found += [letter.id for letter in page]
    assert found == numbers


def test_a_page_does_not_outgrow_memory(letters: DeadLetters, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadletters, "PAGE_BYTES_MAX", 100)
    sizes = [60, 30, 60, 500, 10]
    numbers = [put(letters, b"%d" % number * size) for number, size in enumerate(sizes)]
    pages: list[list[int]] = []
    while page := letters.waiting(10, pages[-1][-1] if pages else 0):
        pages.append([letter.id for letter in page])
    assert pages == [numbers[:2], numbers[2:3], numbers[3:4], numbers[4:]]


def test_an_accepted_retry_ends_the_wait_and_keeps_the_letter(letters: DeadLetters) -> None:
    first, other = put(letters), put(letters, b"other")
    letters.resolve(first, 0, 12, 345, 9_000)
    assert letters.get(first).resolution == Resolution(0, 12, 345, 9_000)
    assert letters.get(first).raw == RAW
    assert ids(letters) == [other]
    assert letters.count() == {"unknown_type": 1}


def test_all_letters_of_the_accepted_bytes_wait_no_longer(letters: DeadLetters) -> None:
    first, second = put(letters), put(letters, code="currency_changed")
    letters.resolve(first, 0, 1, 2, 3)
    assert letters.get(second).resolution == Resolution(0, 1, 2, 3)
    assert ids(letters) == []


def test_the_first_resolution_stays(letters: DeadLetters) -> None:
    first = put(letters)
    letters.resolve(first, 0, 1, 2, 3)
    letters.resolve(first, 0, 7, 8, 9)
    assert letters.get(first).resolution == Resolution(0, 1, 2, 3)


def test_what_is_refused_again_after_it_was_resolved_waits_anew(letters: DeadLetters) -> None:
    first = put(letters)
    letters.resolve(first, 0, 1, 2, 3)
    again = put(letters, at=4_000)
    assert again != first
    assert ids(letters) == [again]
    assert letters.get(first).times == 1


def test_unknown_numbers_are_named(letters: DeadLetters) -> None:
    with pytest.raises(NoSuchDeadLetter, match="number 7"):
        letters.get(7)
    with pytest.raises(NoSuchDeadLetter, match="number 7"):
        letters.resolve(7, 0, 0, 0, 0)
    assert ids(letters) == []


def test_letters_outlive_their_process(tmp_path: Path) -> None:
    opened = DeadLetters(tmp_path / "not" / "there")
    first = put(opened)
    opened.close()
    again = DeadLetters(tmp_path / "not" / "there")
    assert again.get(first).raw == RAW
    again.close()


def test_the_file_is_durable_and_says_whose_it_is(tmp_path: Path, letters: DeadLetters) -> None:
    put(letters)
    assert letters._file.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert letters._file.execute("PRAGMA synchronous").fetchone() == (2,)
    assert letters._file.execute("PRAGMA application_id").fetchone() == (deadletters.APPLICATION_ID,)


def test_threads_share_one_object(letters: DeadLetters) -> None:
    def work(thread: int) -> None:
        for number in range(20):
            put(letters, b"same %d" % number)
            put(letters, b"own %d %d" % (thread, number))
            letters.count()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    waiting = letters.waiting(1_000)
    assert len(waiting) == 20 + 4 * 20
    assert sum(letter.times for letter in waiting) == 4 * 20 * 2


WRITER = """
import sys
from pathlib import Path
from services.deadletters import DeadLetters

letters = DeadLetters(Path(sys.argv[1]))
for number in range(100):
    letters.put(b"same %d" % number, "not_json", "", "", sys.argv[2], number)
    letters.put(b"own %d %s" % (number, sys.argv[2].encode()), "not_json", "", "", sys.argv[2], number)
letters.close()
"""


def test_processes_write_at_once(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    writers = [subprocess.Popen([*command, name], cwd=root, stderr=subprocess.PIPE, text=True) for name in ("a", "b")]
    for writer in writers:
        _, said = writer.communicate(timeout=60)
        assert writer.returncode == 0, said
    opened = DeadLetters(tmp_path)
    waiting = opened.waiting(1_000)
    opened.close()
    assert len(waiting) == 300
    assert sum(letter.times for letter in waiting) == 400


def test_readers_do_not_wait_for_a_writer(tmp_path: Path, letters: DeadLetters) -> None:
    first = put(letters)
    other = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert ids(letters) == [first]
    other.execute("ROLLBACK")
    other.close()


def test_a_writer_that_waits_too_long_says_for_what(
    tmp_path: Path, letters: DeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadletters, "BUSY_SECONDS", 0.02)
    other = DeadLetters(tmp_path)
    with letters._writing(), pytest.raises(DeadLettersUnavailable, match="Wait for it") as caught:
        put(other)
    assert caught.value.path == tmp_path / FILE_NAME
    put(other)
    other.close()


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DeadLettersUnavailable, match="Check that its directory exists") as caught:
        DeadLetters(tmp_path / "file" / "data")
    assert str(tmp_path) in str(caught.value)


def test_a_full_disk_is_named(letters: DeadLetters) -> None:
    pages = letters._file.execute("PRAGMA page_count").fetchone()[0]
    letters._file.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(DeadLettersUnavailable, match="Free space") as caught:
        put(letters, b"x" * 100_000)
    assert "full" in caught.value.problem
    assert letters.count() == {}


def test_a_file_without_write_access_is_named(letters: DeadLetters) -> None:
    letters._file.execute("PRAGMA query_only = ON")  # as a read-only file answers, for root too
    with pytest.raises(DeadLettersUnavailable, match="write access"):
        put(letters)


def test_what_is_no_database_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"letters to the editor" * 100)
    with pytest.raises(DeadLettersUnavailable, match="not a database"):
        DeadLetters(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == b"letters to the editor" * 100


def test_the_file_of_another_application_is_left_alone(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / FILE_NAME)
    other.execute("CREATE TABLE dead_letters (id INTEGER)")
    other.close()
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(DeadLettersUnavailable, match="another application"):
        DeadLetters(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_the_file_of_a_later_version_is_left_alone(tmp_path: Path, letters: DeadLetters) -> None:
    letters._file.execute(f"PRAGMA user_version = {deadletters.FORMAT + 1}")
    with pytest.raises(DeadLettersUnavailable, match="Upgrade revledger"):
        DeadLetters(tmp_path)


def test_queries_read_indexes_where_there_may_be_much(letters: DeadLetters) -> None:
    page = f"{deadletters._SELECT} WHERE resolved_at IS NULL AND id > 1 ORDER BY id"
    for query in (deadletters._COUNT, page):
        plan = " ".join(row[3] for row in letters._file.execute(f"EXPLAIN QUERY PLAN {query}"))
        assert "dead_letters_waiting" in plan, plan
