"""The command `explain`: figures down to their events in three forms, and what cannot be explained."""

import csv
import io
from pathlib import Path

import pytest
from rich.cells import cell_len

from projections.parts import EXPLAINED
from tests.services.cli.calling import called

WINDOW = ("--from", "2024-01-01", "--until", "2024-07-01", "--currency", "USD")
DAY = ("--on", "2024-06-30", "--currency", "KRW")


@pytest.mark.parametrize("name", EXPLAINED)
def test_a_table_has_at_most_100_columns_and_says_what_a_figure_is(name: str, demo_books: Path) -> None:
    asked = ("explain", name, *WINDOW, "--limit", "1", "--data", str(demo_books))
    table = called(*asked)
    assert (table.status, table.err) == (0, "")
    assert max(cell_len(line.rstrip()) for line in table.out.splitlines()) <= 100
    assert EXPLAINED[name].definition in " ".join(table.out.split())
    assert "as of block" in table.out


@pytest.mark.parametrize("question", [("nrr", *WINDOW), ("arpa_minor", *DAY), ("new", *WINDOW, "--by", "segment")])
def test_csv_adds_up_from_the_accounts_to_the_parts(question: tuple[str, ...], demo_books: Path) -> None:
    asked = ("explain", *question, "--limit", "2", "--data", str(demo_books), "--format")
    rows = [*csv.DictReader(io.StringIO(called(*asked, "csv").out))]
    answer = called(*asked, "json").json
    value = answer["rows"][0]["value"]
    assert rows[0]["value"] == str(value)
    totals: dict[tuple[str, ...], int] = {}
    for row in rows:
        group = (row.get("segment", ""), row["part"])
        amount = int(row["annual_e4"] or row["count"])
        if row["tells"] in ("account", "more accounts"):
            totals[group] = totals.get(group, 0) - amount
        elif row["tells"] == "part":
            totals[group] = totals.get(group, 0) + amount
        elif row["tells"] == "posting":
            assert row["source"].startswith("/demo/")
            assert "; recorded 20" in row["words"]
    assert totals
    assert not any(totals.values())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nnr", *WINDOW), "NAME: there is no figure 'nnr': did you mean"),
        (("nrr", *DAY), "--from: nrr is about a window"),
        (("nrr", *WINDOW, "--at", "2024-01-01"), "--at: ask either for a day"),
        (("mrr_minor", "--on", "2024-06-31"), "--on: '2024-06-31' is not a day"),
        (("mrr_minor",), "--currency: the books hold EUR"),
        (("mrr_minor", *DAY, "--known-at", "0:99999999"), "--known-at: partition 0 has no block"),
        (("mrr_minor", *DAY, "--known-at", "1990-01-01T00:00:00Z"), "is before the ledger began"),
        (("mrr_minor", *DAY, "--limit", "x"), "Invalid value for '--limit'"),
    ],
)
def test_what_cannot_be_explained_names_the_option(
    arguments: tuple[str, ...], sentence: str, demo_books: Path
) -> None:
    done = called("explain", *arguments, "--data", str(demo_books))
    assert (done.status, done.out) == (2, "")
    assert sentence in done.err


def test_nothing_is_said_to_be_nothing(demo_books: Path) -> None:
    asked = ("explain", "churn", "--from", "1999-01-01", "--until", "2000-01-01", "--currency", "USD")
    done = called(*asked, "--by", "plan", "--data", str(demo_books))
    assert done.status == 0
    assert "churn by plan, USD: there is nothing" in done.out
