"""The SQLite file of a ledger verified as a file: its pages and index, its form, and what it holds beside the chain."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Final

from services.accounts import SCHEMA_VERSION
from services.audit.verifying.findings import Finding
from services.ledgers.port import LedgerError
from services.ledgers.sqlite_file import open_to_read, schema_of

PROBLEMS_MAX: Final = 10
"""How many of the problems that SQLite finds in the file are told."""
_UNREADABLE: Final = (sqlite3.Error, UnicodeDecodeError)
_STEPS: Final = 100_000
"""Steps of SQLite's machine between two looks at whether to stop."""


def file_findings(path: Path, partitions: int | None, stopped: Event) -> list[Finding]:
    """What is wrong with the file itself; `partitions` is how many the ledger has (None: unknown).

    Once `stopped` is set it ends soon, with whatever.
    """
    try:
        with closing(open_to_read(path)) as file:
            file.set_progress_handler(stopped.is_set, _STEPS)
            return [*_page_findings(path, file), *_form_findings(path, file), *_strays(path, file, partitions)]
    except (*_UNREADABLE, LedgerError) as error:
        return [_finding("file", "a SQLite file without damage", str(error), f"{path} is damaged: {error}")]


def _page_findings(path: Path, file: sqlite3.Connection) -> Iterator[Finding]:
    """Damage of pages, and rows that the index has not or has otherwise."""
    try:
        rows = file.execute(f"PRAGMA integrity_check({PROBLEMS_MAX})").fetchall()
    except _UNREADABLE as error:
        rows = [(str(error),)]
    for (problem,) in rows:
        if problem != "ok":
            text = " ".join(str(problem).split())
            yield _finding("file", "ok", text, f"{path} is damaged; SQLite says: {text}")


def _form_findings(path: Path, file: sqlite3.Connection) -> Iterator[Finding]:
    """Tables, index and triggers must be those that keep a ledger from being changed, to the letter."""
    version = file.execute("PRAGMA user_version").fetchone()[0]
    due = schema_of(version)
    found = dict(file.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    for name in sorted({*due, *found}):
        if due.get(name) != found.get(name):
            is_there = (
                "is missing" if name not in found else "is not part of a ledger" if name not in due else "differs"
            )
            sentence = f"{path}: {name} {is_there}; what keeps blocks from being changed was changed itself."
            yield _finding("schema", due.get(name) or "nothing", found.get(name) or "nothing", sentence)


def _strays(path: Path, file: sqlite3.Connection, partitions: int | None) -> Iterator[Finding]:
    for (partition,) in file.execute("SELECT DISTINCT partition FROM blocks ORDER BY partition"):
        if partitions is not None and not (isinstance(partition, int) and 0 <= partition < partitions):
            heights = "SELECT count(*), min(height) FROM blocks WHERE partition IS ?"
            count, height = file.execute(heights, (partition,)).fetchone()
            more = f" and {count - 1:,} more" if count > 1 else ""
            where = f"in partition {partition!r}, which the ledger does not have"
            sentence = f"{path} holds block {height}{more} {where}."
            yield Finding(0, height, None, "partition", f"0 to {partitions - 1}", repr(partition), sentence)


def accounts_findings(accounts: Path, ledger: Path) -> list[Finding]:
    """Whether the ledger lacks what the writer's accounts have seen of it: blocks that were there and are gone.

    The accounts are a cache, so a file of them that is missing or cannot be read says nothing.
    """
    try:
        with closing(sqlite3.connect(f"{accounts.resolve().as_uri()}?mode=ro", uri=True)) as file:
            if file.execute("PRAGMA user_version").fetchone()[0] != SCHEMA_VERSION:
                return []
            reached = file.execute("SELECT partition, height, hash FROM reached").fetchall()
    except _UNREADABLE:
        return []
    try:
        with closing(open_to_read(ledger)) as file:
            query = "SELECT hash FROM blocks WHERE partition = ? AND height = ?"
            rows = [(*one, file.execute(query, one[:2]).fetchone()) for one in reached if one[1] >= 0]
    except (*_UNREADABLE, LedgerError):
        return []  # told as damage of the file
    return [finding for row in rows if (finding := _seen_before(accounts, ledger, *row)) is not None]


def _seen_before(
    accounts: Path, ledger: Path, partition: int, height: int, seen: bytes, row: tuple[bytes] | None
) -> Finding | None:
    if row is not None and row[0] == seen:
        return None
    what = f"block {height} of partition {partition}"
    if row is None:
        sentence = f"{ledger} lacks {what}, which the writer had booked by {accounts.name}: the end was cut off."
        return Finding(partition, height, None, "truncated", seen.hex(), "no block", sentence)
    sentence = f"{ledger} has another {what} than the writer had booked by {accounts.name}: it was rewritten since."
    return Finding(partition, height, None, "rewritten", seen.hex(), row[0].hex(), sentence)


def _finding(check: str, expected: str, found: str, sentence: str) -> Finding:
    return Finding(0, None, None, check, expected, found, sentence if sentence.endswith(".") else f"{sentence}.")
