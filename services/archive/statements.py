"""Statements: which SQL may be asked of the tables, found out before a byte of the ledger is read."""

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import duckdb
from duckdb import StatementType

from services.archive.manifests import TABLES, Table
from services.archive.segments import SCHEMAS

READING: Final = "SELECT, WITH, FROM, VALUES, DESCRIBE, SUMMARIZE, SHOW, or EXPLAIN SELECT"
OTHER_FILES: Final = "Only postings, entries and blocks are read here, no other file."
_EXPLAINED: Final = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/)*EXPLAIN\b(?:\s+ANALYZE\b|\s*\(\s*(?:ANALYZE|FORMAT)\b[^)]*\))?",
    re.IGNORECASE | re.DOTALL,
)


class StatementRefused(Exception):
    """A statement that is none, or does anything but read the tables."""


class QueryFailed(Exception):
    """A statement that reads, and could not be answered: a division by zero, a text that is no number, no memory."""

    def __init__(self, error: duckdb.Error, memory: str) -> None:
        remedy = ""
        if isinstance(error, duckdb.OutOfMemoryException):
            remedy = f"\nA query has {memory} of memory: select fewer columns, or filter or group first."
        elif isinstance(error, duckdb.PermissionException):
            remedy = f"\n{OTHER_FILES}"
        super().__init__(f"{str(error).strip()}{remedy}")


def asked_tables(text: str) -> Sequence[Table]:
    """The tables a statement reads; raises StatementRefused unless it is one that only reads them, and may run.

    It is tried on empty tables, of which nothing can be reached but themselves.
    """
    with duckdb.connect() as connection:
        _require_reading(connection, text)
        for table in TABLES:
            connection.register("nothing", SCHEMAS[table].empty_table())
            connection.execute(f"CREATE TABLE no_{table} AS FROM nothing")
            connection.execute(f"CREATE VIEW {table} AS FROM no_{table}")
        lock(connection, ())
        try:
            connection.execute(text if _explained(text) else f"EXPLAIN\n{text}")
        except duckdb.Error as error:
            raise StatementRefused(_told(error)) from error
        named: set[str] = set()
        with suppress(duckdb.Error):  # it does not understand a join of views with USING, and nothing is lost by that
            named = connection.get_table_names(text)
    return [table for table in TABLES if f"no_{table}" in named] or TABLES


def lock(connection: duckdb.DuckDBPyConnection, paths: Sequence[str]) -> None:
    """From here on a connection reads these files, and no others; writes none, loads nothing, and stays so."""
    quoted = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    connection.execute("SET python_enable_replacements = false")
    connection.execute(f"SET allowed_paths = [{quoted}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _require_reading(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    try:
        statements = connection.extract_statements(text)
    except duckdb.Error as error:
        raise StatementRefused(f"This is no SQL that DuckDB reads. {str(error).strip()}") from error
    if not statements:
        raise StatementRefused(f"There is no statement: write {READING}.")
    if len(statements) > 1:
        raise StatementRefused(f"One statement at a time: {len(statements)} are given.")
    kind, rest = statements[0].type, _explained(text)
    if kind == StatementType.EXPLAIN and rest:
        _require_reading(connection, rest)
    elif kind == StatementType.MULTI:
        problem = "A PIVOT makes a type of its own unless its values are named"
        raise StatementRefused(f"{problem}: write PIVOT ... ON movement IN ('new', 'churn') USING ...")
    elif kind != StatementType.SELECT:
        name = str(kind).rpartition(".")[2].replace("_", " ")
        raise StatementRefused(f"The books are only read here: {name} is refused. Write {READING}.")


def _explained(text: str) -> str:
    """What is explained; empty where a statement explains nothing."""
    found = _EXPLAINED.match(text)
    return text[found.end() :] if found else ""


def _told(error: duckdb.Error) -> str:
    """An error about what was asked, its lines counted without ours before them."""
    text = re.sub(r"^LINE (\d+):", lambda one: f"LINE {int(one[1]) - 1 or 1}:", str(error).strip(), flags=re.MULTILINE)
    return f"{OTHER_FILES} {text}" if isinstance(error, duckdb.PermissionException) else text
