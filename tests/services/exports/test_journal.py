"""The journal: spans cover every posting once and stay small, amounts round as everywhere."""

import re
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.money import mrr_minor
from services.exports.journal import _MRR, COLUMNS, STEP_ENTRIES, Window, _joined
from tests.effort import examples

COUNTS = st.lists(st.integers(1, 30), max_size=12)


@given(st.lists(COUNTS, max_size=3), st.integers(1, 60))
def test_spans_cover_every_step_once_and_none_is_of_two_partitions(counts: list[list[int]], postings: int) -> None:
    steps = [(partition, step, count) for partition, some in enumerate(counts) for step, count in enumerate(some)]
    spans = list(_joined(steps, postings))
    covered = [(span.partition, seq) for span in spans for seq in range(span.start, span.until, STEP_ENTRIES)]
    assert covered == [(partition, step * STEP_ENTRIES) for partition, step, _ in steps]
    assert sum(span.postings for span in spans) == sum(count for _, _, count in steps)
    assert all(span.postings < postings + 30 for span in spans)


@settings(max_examples=examples(10))
@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-500_000, 500_000), min_size=30, max_size=100))
def test_the_monthly_amount_rounds_half_up(amounts: list[int]) -> None:
    amounts = [*amounts, -60_000, 60_000, -180_000]
    with duckdb.connect() as connection:
        rounded = connection.execute(f"SELECT {_MRR} FROM (SELECT unnest(?::BIGINT[]) AS amount_e4)", [amounts])
        assert [int(row[0]) for row in rounded.fetchall()] == [*map(mrr_minor, amounts)]


@pytest.mark.parametrize(
    ("window", "sql", "texts"),
    [
        (Window(), "true", {}),
        (Window(start=1), "day >= (DATE '1970-01-01' + 1)", {"from": "1970-01-02"}),
        (
            Window(-1, 2),
            "day >= (DATE '1970-01-01' + -1) AND day < (DATE '1970-01-01' + 2)",
            {"from": "1969-12-31", "until": "1970-01-03"},
        ),
    ],
)
def test_a_window_is_a_condition_and_has_a_text(window: Window, sql: str, texts: dict[str, str]) -> None:
    assert (window.sql(), window.texts()) == (sql, texts)


def test_every_column_is_documented() -> None:
    documented = (Path(__file__).parents[3] / "docs" / "export.md").read_text("utf-8")
    rows = [line for line in documented.splitlines() if line.startswith("| `")]
    names = [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert names == [*COLUMNS]
