"""Exporting: for any history the sums of every form are the bridge, however the ledger is kept."""

import asyncio
import json
import os
import tempfile
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from events.money import MINOR_DIGITS, mrr_minor
from services.archive.stores import store_of
from services.exports.beancount_form import id_of_component, movement_account
from services.exports.csv_form import CsvWriting
from services.exports.files import IsThere
from services.exports.forms import Form
from services.questions import QuestionError
from services.settings import settings_from
from tests.effort import examples
from tests.model.days import Event
from tests.model.notation import changed, fact, line
from tests.model.reports import Asked, Books
from tests.services.archive.books import EVENTS, ledger_with, seal_all
from tests.services.audit.test_replaying import booked_apart, partitioned
from tests.services.books import text
from tests.services.exports.exports import export, loaded, rows_in
from tests.services.running import asynchronous
from tests.services.test_reports import arrived, windows

SOME = settings(max_examples=examples(10), deadline=None, phases=(Phase.explicit, Phase.generate))
FEW = settings(SOME, max_examples=examples(4))
MOVEMENTS = ("new", "reactivation", "expansion", "contraction", "churn", "transfer")
GROUPED = (None, "plan", "account", "owner")


def amounts(rows: list[dict[str, Any]], start: str, until: str) -> dict[str, int]:
    """A period of a bridge, added up from rows of a CSV file."""
    counted = [row for row in rows if row["movement"] != "ahead"]
    found = {
        name: sum(row["annual_e4"] for row in counted if row["movement"] == name and start <= row["day"] < until)
        for name in MOVEMENTS
    }
    opening = sum(row["annual_e4"] for row in counted if row["day"] < start)
    closing = sum(row["annual_e4"] for row in counted if row["day"] < until)
    return {"opening": opening, **found, "closing": closing}


@SOME
@given(arrived(), windows(), st.sampled_from(GROUPED), st.sampled_from(("USD", "EUR")), st.data())
@asynchronous
async def test_the_sums_of_the_rows_are_the_bridge(
    events: list[Event], window: tuple[int, int, str], by: str | None, currency: str, data: st.DataObject
) -> None:
    """As known at the position of any event."""
    books, heights = await booked_apart(events)
    last = data.draw(st.integers(0, len(events) - 1))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "journal.csv")
        done = await export(books.ledger, path, "csv", known_at=f"0:{heights[last]}")
        rows = rows_in(path)
    assert done.postings == len(rows)
    assert rows == sorted(rows, key=lambda row: (row["seq"], row["posting"]))
    own = [row for row in rows if row["currency"] == currency]
    model = Books(events[: last + 1]).bridge(Asked(currency, by), *window)
    groups = {"" if by is None else row[by] for row in own} | model.keys()
    for group in groups:
        some = [row for row in own if by is None or row[by] == group]
        for period in model.get(group, []):
            due = {name: period.amounts.get(name, 0) for name in ("opening", *MOVEMENTS, "closing")}
            assert amounts(some, text(period.start), text(period.until)) == due
        if group not in model:
            assert not any(amounts(some, text(window[0]), text(window[1])).values())


@FEW
@given(arrived(), windows())
@asynchronous
async def test_all_forms_hold_the_same_postings(events: list[Event], window: tuple[int, int, str]) -> None:
    """Of several partitions and a window; and what beancount adds up is what the rows do."""
    ledger, _ = await partitioned(events)
    start, until = text(window[0]), text(window[1])
    with tempfile.TemporaryDirectory() as folder:
        paths = {form: Path(folder, f"journal.{form}") for form in get_args(Form)}
        counts = {(await export(ledger, path, form, start=start, until=until)).postings for form, path in paths.items()}
        rows = rows_in(paths["csv"])
        assert counts == {len(rows)}
        assert as_texts(pq.read_table(paths["parquet"]).to_pylist()) == as_texts(rows)
        transactions, errors = loaded(paths["beancount"])
    assert errors == []
    assert len(transactions) == len({(row["partition"], row["seq"], row["day"]) for row in rows})
    booked: Counter[tuple[str, str]] = Counter()
    for one in transactions:
        for posting in one.postings:
            scale = Decimal(10_000 * 10 ** MINOR_DIGITS[posting.units.currency])
            booked[posting.account, posting.units.currency] += posting.units.number * scale
    due: Counter[tuple[str, str]] = Counter()
    for row in rows:
        due[movement_account(row["movement"]), row["currency"]] -= row["annual_e4"]
        assert row["mrr_minor"] == mrr_minor(row["annual_e4"])
        assert start <= row["day"] < until
    assert {key: total for key, total in booked.items() if key[0].startswith("Equity")} == due
    assert sum(booked.values()) == 0


def bytes_of(path: Path) -> bytes:
    return path.read_bytes()


def put(path: Path, text: str) -> None:
    path.write_text(text)


def as_texts(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Rows of a Parquet file or of a CSV file, alike."""
    return [{name: _as_text(name, value) for name, value in row.items()} for row in rows]


def _as_text(name: str, value: Any) -> str:
    if name == "attributes":
        return str(json.loads(value) if isinstance(value, str) else dict(value))
    if hasattr(value, "tzinfo"):
        micros = "" if value.microsecond == 0 else f".{value.microsecond:06}"
        return f"{value:%Y-%m-%dT%H:%M:%S}{micros}Z"
    return "" if value is None else str(value)


@pytest.mark.parametrize("form", get_args(Form))
def test_what_is_sealed_and_what_is_not_give_the_same_bytes(form: Form, tmp_path: Path) -> None:
    """Before anything is archived, with a part in the archive, with all; and once more of what grew since."""

    async def exports() -> list[bytes]:
        ledger = await ledger_with(EVENTS, 2)
        archive, found = tmp_path / "archive", []
        settings = settings_from({"REVLEDGER_ARCHIVE": str(archive), "REVLEDGER_DATA": str(tmp_path)})
        for number in range(2):
            path = tmp_path / f"{number}.{form}"
            await export(ledger, path, form, kept=settings, known_at="0:3")
            found.append(bytes_of(path))
            await seal_all(ledger, store_of(str(archive)))
        return found

    before, after = asyncio.run(exports())
    assert before == after


WEIRD = (
    *("=1+1", "@x", " -1", "\uff1d1", "it's", "'", '"quoted"', "a,b;c", "two\nlines", "\r\n", "tab\there"),
    *("날짜 ✓", "\ufeffbom", "back\\slash", "\x00", "\\n", "a--b-2D"),
)


@asynchronous
async def test_ids_of_any_kind_survive_in_every_form() -> None:
    events: list[Event] = []
    for number, name in enumerate(WEIRD):
        own = {"subject": f"{name}!"}
        signed = fact("signed", name, "2024-01-05", lines=[line(100 + number, plan=name, line_id=name)], owner=name)
        events += [signed | own, changed(name, "2024-02-01", **{name: name}) | own]
    ledger = await ledger_with(events, 5)
    with tempfile.TemporaryDirectory() as folder:
        paths = {form: Path(folder, f"journal.{form}") for form in get_args(Form)}
        for form, path in paths.items():
            await export(ledger, path, form)
        written = rows_in(paths["csv"])
        parquet = pq.read_table(paths["parquet"]).to_pylist()
        transactions, errors = loaded(paths["beancount"])
    assert errors == []
    for rows in (written, parquet):
        new = [row for row in rows if row["movement"] == "new"]
        assert [row["contract"] for row in new] == list(WEIRD)
        assert all(row["contract"] == row["line"] == row["plan"] == row["owner"] for row in new)
        labelled = [row for row in rows if row["movement"] == "transfer" and row["annual_e4"] > 0]
        assert [as_texts([row])[0]["attributes"] for row in labelled] == [str({name: name}) for name in WEIRD]
    new_ones = [one for one in transactions if one.postings[0].meta["movement"] == "new"]
    assert sorted(one.payee for one in new_ones) == sorted(f"{name}!" for name in WEIRD)
    for one in new_ones:
        assert {one.postings[0].meta[name] for name in ("contract", "line", "plan", "owner")} == {one.payee[:-1]}
        assert [id_of_component(part) for part in one.postings[0].account.split(":")[2:]] == [one.payee, one.payee[:-1]]


@asynchronous
async def test_others_read_the_parquet_file() -> None:
    """pyarrow, polars and DuckDB."""
    ledger = await ledger_with()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "journal.parquet")
        done = await export(ledger, path, "parquet", known_at="2100-01-01T00:00:00Z")
        table = pq.read_table(path)
        frame = pl.read_parquet(path)
        with duckdb.connect() as connection:
            asked = connection.execute("SELECT count(*), sum(annual_e4), min(day) FROM read_parquet(?)", [str(path)])
            counted = asked.fetchall()[0]
    total = sum(table.column("annual_e4").to_pylist())
    assert (frame.height, frame["annual_e4"].sum(), str(frame["day"].min())) == (done.postings, total, "2024-01-05")
    assert (counted[0], counted[1], str(counted[2])) == (done.postings, total, "2024-01-05")
    about = json.loads(table.schema.metadata[b"revledger.export"])
    assert about == {
        "position": {"0": 6},
        "final": False,
        "policy": "default@1:44136fa3",
        "known_at": "2100-01-01T00:00:00Z",
    }


@pytest.mark.parametrize("form", get_args(Form))
@asynchronous
async def test_a_window_without_postings_is_an_empty_file_of_its_form(form: Form) -> None:
    ledger = await ledger_with()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "journal")
        done = await export(ledger, path, form, start="1999-01-01", until="2000-01-01")
        assert (done.postings, done.bytes) == (0, len(bytes_of(path)))
        if form == "parquet":
            assert pq.read_table(path).num_rows == 0
        elif form == "csv":
            assert rows_in(path) == []
        else:
            assert loaded(path) == ([], [])


@asynchronous
async def test_what_fails_leaves_the_directory_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = await ledger_with()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "journal.csv")
        put(path, "mine")
        with pytest.raises(IsThere, match="--force"):
            await export(ledger, path, "csv")

        def full(*_: object) -> int:
            raise OSError(28, "No space left on device", str(path))

        monkeypatch.setattr(CsvWriting, "add", full)
        with pytest.raises(OSError, match="No space"):
            await export(ledger, path, "csv", force=True)
        with pytest.raises(QuestionError, match="before the ledger began"):
            await export(ledger, path, "csv", force=True, known_at="1999-01-01T00:00:00Z")
        assert os.listdir(folder) == ["journal.csv"]  # noqa: PTH208 - a blocking Path is no better
        assert bytes_of(path) == b"mine"
        monkeypatch.undo()
        await export(ledger, path, "csv", force=True)
        assert len(rows_in(path)) > 5

