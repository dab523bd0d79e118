"""The tables of `revledger report`: three forms, one of them never wider than 100 columns; and replayed the same."""

import csv
import io
import re
from pathlib import Path

import pytest
from rich.cells import cell_len

from projections.tables import TABLES
from services import shown
from services.cli.listing import COMMANDS
from tests.services.cli.calling import called


def test_every_table_is_a_command() -> None:
    assert {name: table.definition for name, table in TABLES.items()} == COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_three_forms_and_the_same_from_the_ledger(name: str, demo_books: Path, tmp_path: Path) -> None:
    span = ("--until", "2024-07-01") if TABLES[name].is_window else ("--on", "2024-06-30")
    asked = ("report", name, "--currency", "USD", *span, "--limit", "7", "--data", str(demo_books))
    table, answer = called(*asked), called(*asked, "--format", "json")
    assert (table.status, answer.status, table.err) == (0, 0, "")
    assert max(cell_len(line.rstrip()) for line in table.out.splitlines()) <= 100
    assert "as of block" in table.out
    assert answer.json["report"] == name
    assert len(answer.json["rows"]) <= 7 or TABLES[name].is_whole
    rows = [*csv.reader(io.StringIO(called(*asked, "--format", "csv").out))]
    assert rows[0] == [column.name for column in TABLES[name].columns]
    assert len(rows) == 1 + len(answer.json["rows"])
    (tmp_path / "same.toml").write_text('name = "same"\n', encoding="utf-8")
    replayed = called(*asked, "--format", "json", "--policy", str(tmp_path / "same.toml")).json
    assert replayed["rows"] == answer.json["rows"]


def test_a_filter_and_what_cannot_be_answered(demo_books: Path) -> None:
    asked = ("report", "concentration", "--currency", "USD", "--data", str(demo_books), "--format", "json")
    smaller = called(*asked, "--where", "segment=smb").json
    assert 0 < len(smaller["rows"]) < len(called(*asked).json["rows"])
    wrong = called(*asked, "--where", "segmnt=smb")
    assert wrong.status == 2
    assert "did you mean segment" in wrong.err


@pytest.mark.parametrize("name", ["churn", "cohorts", "risk"])
def test_grouped_it_has_a_column_for_the_group(name: str, demo_books: Path) -> None:
    asked = ("report", name, "--currency", "USD", "--by", "segment", "--data", str(demo_books))
    told, answer = called(*asked), called(*asked, "--format", "json").json
    assert max(cell_len(line.rstrip()) for line in told.out.splitlines()) <= 100
    assert f"{name.title()} by segment" in told.out
    groups = {row["group"]["segment"] for row in answer["rows"]}
    assert {"smb", "enterprise"} <= groups
    rows = [*csv.reader(io.StringIO(called(*asked, "--format", "csv").out))]
    assert rows[0] == ["segment", *[column.name for column in TABLES[name].columns]]
    assert {row[0] for row in rows[1:]} == {group or "" for group in groups}


def test_cohorts_are_two_triangles_on_a_terminal(demo_books: Path) -> None:
    """A row each, and in the column of a month what is left of it then; blank where that is still to come."""
    asked = ("report", "cohorts", "--currency", "USD", "--on", "2024-03-31", "--data", str(demo_books))
    rows = called(*asked, "--format", "json").json["rows"]
    lines = called(*asked).out.splitlines()
    first, second = (
        lines.index(f"{title}, by months since, as each ends")
        for title in ("accounts kept, % of those that began", "MRR kept, % of that as the first period ends")
    )
    assert lines[first + 1].split()[:2] == ["cohort", "began"]
    assert lines[second + 1].split()[:3] == ["cohort", "first", "end"]
    names = [*dict.fromkeys(row["cohort"] for row in rows)]
    for start, column in ((first, "kept"), (second, "mrr_kept")):
        ages = [int(age) for age in lines[start + 1].split() if age.isdigit()]
        told = [line.split() for line in lines[start + 2 : start + 2 + len(names)]]
        assert [line[0] for line in told] == names
        for cohort, _, *cells in told:
            due = [row[column] for row in rows if row["cohort"] == cohort and row["month"] in ages]
            assert len(cells) == len(due)
            shown = [float(cell.replace(",", "")) for cell in cells]
            assert all(abs(100 * float(ratio) - cell) <= 0.5001 for ratio, cell in zip(due, shown, strict=True))


def test_words_are_to_the_left_and_what_is_compared_is_below_what_it_is_compared_with(demo_books: Path) -> None:
    """Said once with its days, and by name in each row, never by a header that is there twice."""
    data = ("--currency", "USD", "--data", str(demo_books))
    lines = called("report", "renewals", "--on", "2024-12-31", *data).out.splitlines()
    header = next(line for line in lines if "last movement" in line)
    place = header.index("last movement")
    assert all(line[place] != " " for line in lines[lines.index(header) + 1 :] if line.startswith("202"))
    bands = called("report", "bands", *data, "--at", "2024-04-30").out
    assert "churned  churned MRR" in bands
    assert "bands, accounts and MRR as 2024-01-31 began; churned since\n" in bands
    window = ("--from", "2024-10-01", "--until", "2025-01-01")
    for asked in (("sellers",), ("figures", "--by", "segment", "--compare", "year")):
        lines = called("report", *asked, *window, *data).out.splitlines()
        assert lines[1] == "year before: from 2023-10-01 until 2024-01-01"
        below = [place for place, line in enumerate(lines) if line.startswith("  year before  ")]
        assert below
        assert all(lines[place - 1][0] != " " for place in below)
        told = called("report", *asked, *window, *data, "--format", "json").json["rows"]
        figures = asked[0] == "figures"
        cells = lines[below[0]].split()[2:]
        now = [row["figures"]["mrr_minor"] if figures else row["new_mrr_minor"] for row in told]
        then = [row["before"]["figures"]["mrr_minor"] if figures else row["before_new_mrr_minor"] for row in told]
        assert lines[below[0] - 1].split()[1] == shown.money(now[0], "USD")
        assert cells[: len(told) if figures else 1] == [
            shown.money(one, "USD") for one in (then if figures else then[:1])
        ]


@pytest.mark.parametrize("columns", [80, 100])
def test_tables_are_as_wide_as_columns_says_and_each_block_has_its_title(
    demo_books: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    """Piped too; what stands in blocks is told in their titles, each column once."""
    monkeypatch.setenv("COLUMNS", str(columns))
    data = ("--currency", "USD", "--on", "2024-12-31", "--data", str(demo_books))
    for asked in (("renewals",), ("cohorts",), ("figures", "--by", "account"), ("figures", "--by", "plan")):
        lines = called("report", *asked, *data).out.splitlines()
        assert max(map(cell_len, lines)) <= columns
        titles = [line for line in lines if re.match(r"\d+ of \d+: ", line)]
        assert [title.split(":")[0] for title in titles] == [
            f"{number} of {len(titles)}" for number in range(1, len(titles) + 1)
        ]
        named = [name for title in titles for name in title.partition(": ")[2].split(", ")]
        assert len(named) == len(set(named))
        assert bool(named) == (asked in (("renewals",), ("figures", "--by", "account")))
