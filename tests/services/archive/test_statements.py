"""Statements: only what reads the tables is asked, and nothing else can be reached even where it is asked."""

import asyncio
import os
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from services.archive.manifests import TABLES
from services.archive.segments import SCHEMAS
from services.archive.statements import QueryFailed, StatementRefused, asked_tables
from services.archive.tables import MEMORY_LIMIT, ledger_tables
from services.ledgers.port import Ledger
from tests.services.archive.books import ledger_with
from tests.services.running import asynchronous

DOCUMENT = Path(__file__).parents[3] / "docs" / "archive.md"
READING = [
    ("SELECT * FROM postings", ["postings"]),
    ('select count(*) from "POSTINGS"', ["postings"]),
    ("FROM entries SELECT id", ["entries"]),
    ("WITH a AS (SELECT 1 AS seq) SELECT * FROM a, blocks", ["blocks"]),
    ("DESCRIBE postings", ["postings"]),
    ("SUMMARIZE blocks", ["blocks"]),
    ("EXPLAIN SELECT * FROM entries", ["entries"]),
    ("-- why\n/* so */ explain analyze SELECT 1 FROM entries", ["entries"]),
    ("EXPLAIN (FORMAT json) SELECT 1 FROM entries", ["entries"]),
    ("SELECT * FROM query('SELECT * FROM blocks')", ["blocks"]),
    ("PIVOT postings ON movement IN ('new', 'churn') USING sum(amount_e4) GROUP BY currency", ["postings"]),
    ("SELECT p.seq FROM postings AS p JOIN entries AS e USING (partition, seq)", [*TABLES]),
    ("SHOW TABLES", [*TABLES]),
    ("VALUES (1);", [*TABLES]),
]
WRITING = [
    ("COPY postings TO 'out.csv'", "COPY"),
    ("COPY (SELECT 1) TO 'out.parquet'", "COPY"),
    ("EXPORT DATABASE 'out'", "EXPORT"),
    ("ATTACH 'other.db'", "ATTACH"),
    ("DETACH memory", "DETACH"),
    ("INSTALL httpfs", "LOAD"),
    ("LOAD httpfs", "LOAD"),
    ("SET threads = 1", "SET"),
    ("RESET threads", "SET"),
    ("SET VARIABLE a = 1", "SET"),
    ("USE memory", "SET"),
    ("PRAGMA database_list", "PRAGMA"),
    ("CALL pragma_version()", "CALL"),
    ("CHECKPOINT", "CALL"),
    ("INSERT INTO postings SELECT * FROM postings", "INSERT"),
    ("UPDATE postings SET amount_e4 = 0", "UPDATE"),
    ("DELETE FROM postings", "DELETE"),
    ("CREATE TABLE mine AS SELECT 1", "CREATE"),
    ("CREATE MACRO mine() AS 1", "CREATE"),
    ("CREATE SECRET mine (TYPE s3)", "CREATE"),
    ("DROP VIEW postings", "DROP"),
    ("ALTER VIEW postings RENAME TO mine", "ALTER"),
    ("PREPARE mine AS SELECT 1", "PREPARE"),
    ("EXECUTE mine", "EXECUTE"),
    ("BEGIN", "TRANSACTION"),
    ("VACUUM", "VACUUM"),
    ("EXPLAIN ANALYZE CREATE TABLE mine AS SELECT 1", "CREATE"),
    ("/* x */ EXPLAIN COPY postings TO 'out.csv'", "COPY"),
]
WRONG = [
    ("", "There is no statement"),
    ("-- nothing", "There is no statement"),
    ("SELECT 1; SELECT 2", "One statement at a time: 2"),
    ("SELECT 1; DROP VIEW postings", "One statement at a time: 2"),
    ("SELEC 1", 'syntax error at or near "SELEC"'),
    ("SELECT amount FROM postings", "amount_e4"),
    ("SELECT 1,\n  amount FROM postings", "LINE 2:"),
    ("SELECT * FROM posting", 'Did you mean "postings"'),
    ("SELECT $1", "parameters"),
    ("PIVOT postings ON movement USING count(*)", "ON movement IN"),
    ("WITH a AS (DELETE FROM postings RETURNING *) SELECT * FROM a", "Can only delete from base table"),
]
READS = [
    "SELECT * FROM read_text('{file}')",
    "SELECT * FROM read_blob('{file}')",
    "SELECT * FROM read_csv('{file}', header = false)",
    "SELECT * FROM read_parquet('{file}')",
    "SELECT * FROM parquet_metadata('{file}')",
    "SELECT * FROM sniff_csv('{file}')",
    "SELECT * FROM glob('{folder}/*')",
    "FROM '{file}'",
    "SELECT * FROM query('SELECT * FROM read_text(''{file}'')')",
    "SELECT * FROM read_text('http://127.0.0.1:1/x')",
]


@pytest.mark.parametrize(("text", "tables"), READING)
def test_what_reads_is_asked_of_the_tables_it_names(text: str, tables: list[str]) -> None:
    assert [*asked_tables(text)] == tables


@pytest.mark.parametrize(("text", "name"), WRITING)
def test_whatever_does_more_than_read_is_refused(text: str, name: str) -> None:
    with pytest.raises(StatementRefused, match=f"only read here: {name} is refused. Write SELECT"):
        asked_tables(text)


@pytest.mark.parametrize(("text", "sentence"), WRONG)
def test_what_cannot_be_asked_is_said_with_what_to_change(text: str, sentence: str) -> None:
    with pytest.raises(StatementRefused) as refused:
        asked_tables(text)
    assert sentence in str(refused.value)


def test_every_column_is_documented_with_its_type() -> None:
    for table in TABLES:
        text = DOCUMENT.read_text("utf-8").split(f"\n### {table}\n")[1].split("\n### ")[0].split("\n## ")[0]
        told = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
        assert all(meaning for _, _, meaning in told)
        due = [[f"`{field.name}`", _kind(field.type)] for field in SCHEMAS[table]]
        assert [[name, kind] for name, kind, _ in told] == due


def _kind(of: Any) -> str:
    """A type as the document has it."""
    kind = str(getattr(of, "value_type", of)).partition("[")[0].replace("date32", "date")
    return "map(string, string)" if kind.startswith("map") else kind


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    """Some blocks."""
    return asyncio.run(ledger_with())


@pytest.mark.parametrize("query", READS)
@asynchronous
async def test_no_other_file_is_read(query: str, ledger: Ledger, tmp_path: Path) -> None:
    """Not even where the statement gets as far as the tables."""
    (tmp_path / "secret").write_text("secret\n", "utf-8")
    text = query.format(file=tmp_path / "secret", folder=tmp_path)
    async with ledger_tables(ledger, {0: 6}) as tables:
        with pytest.raises(QueryFailed, match=r"disabled by configuration|does not exist"):
            await tables.answered(text, lambda _, rows: [*rows])
        assert await tables.rows("SELECT count(*) FROM postings") != [(0,)]


@pytest.mark.parametrize(
    "query",
    [
        "COPY (SELECT 1) TO '{folder}/out.csv'",
        "COPY (SELECT 1) TO '{own}'",
        "ATTACH '{folder}/out.db'",
        "SET enable_external_access = true",
        "RESET lock_configuration",
        "SET allowed_paths = ['/']",
        "INSTALL httpfs",
        "LOAD httpfs",
        "EXPORT DATABASE '{folder}/out'",
    ],
)
@asynchronous
async def test_the_tables_themselves_write_nothing_and_stay_locked(query: str, ledger: Ledger, tmp_path: Path) -> None:
    async with ledger_tables(ledger, {0: 6}) as tables:
        ((view,),) = await tables.rows("SELECT sql FROM duckdb_views() WHERE view_name = 'postings'")
        own = view.split("'")[1]
        assert own.endswith(".parquet")
        with pytest.raises(duckdb.Error, match=r"disabled|locked|Cannot access"):
            await tables.rows(query.format(folder=tmp_path, own=own))
    assert await asyncio.to_thread(os.listdir, tmp_path) == []


@asynchronous
async def test_a_variable_of_python_is_no_table(ledger: Ledger) -> None:
    postings_of_mine = pa.table({"secret": [1]})
    async with ledger_tables(ledger, {0: 6}) as tables:
        with pytest.raises(QueryFailed, match="does not exist"):
            await tables.answered("SELECT * FROM postings_of_mine", lambda _, rows: [*rows])
    assert postings_of_mine.num_rows == 1


@asynchronous
async def test_what_fails_while_it_is_answered_is_said_in_words(ledger: Ledger) -> None:
    async with ledger_tables(ledger, {0: 6}) as tables:
        with pytest.raises(QueryFailed, match="Could not convert string"):
            await tables.answered("SELECT CAST(account AS INTEGER) FROM postings", lambda _, rows: [*rows])
        huge = "SELECT list(repeat('x', 1000) || range) FROM range(4000000)"
        with pytest.raises(QueryFailed, match=f"A query has {MEMORY_LIMIT} of memory"):
            await tables.answered(huge, lambda _, rows: [*rows])
        assert await tables.answered("SELECT 1 AS x", lambda names, rows: ([*names], [*rows])) == (["x"], [(1,)])
