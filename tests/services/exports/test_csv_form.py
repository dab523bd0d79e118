"""CSV: no spreadsheet takes a text for a formula, and every text comes back."""

import csv
import io
from datetime import date
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.exports.csv_form import CsvWriting, safe_text
from services.exports.forms import About
from services.exports.journal import COLUMNS, Line

TEXTS = st.text(max_size=8) | st.text("=+-@\t\r\n'\"\uff1d;, 1", max_size=6)


def line_with(text: str) -> Line:
    """A posting that has one text wherever it has any."""
    of: dict[Any, Any] = {str: text, int: -1, int | None: None, date: date(1, 1, 1), dict[str, str]: {text: text}}
    return Line(*[of[kind] for kind in Line.__annotations__.values()])


@given(TEXTS)
def test_a_safe_text_begins_like_no_formula_and_gives_back_the_text(text: str) -> None:
    safe = safe_text(text)
    assert not safe.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"))
    assert safe.removeprefix("'") == text
    assert safe == text or text[0] in "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20'"


@given(TEXTS)
def test_any_text_survives(text: str) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow([safe_text(text)])
    assert next(csv.reader(io.StringIO(file.getvalue(), newline="")))[0].removeprefix("'") == text


def test_rows_are_rfc_4180(tmp_path: Path) -> None:
    """A header, CRLF after each row, quotes doubled, no byte order mark, numbers and days as they are."""
    path = tmp_path / "journal.csv"
    writing = CsvWriting(path, About({"0": 1}, True, "p"))
    assert writing.add(iter([line_with('say "=1", é\n')])) == 1
    writing.close([])
    header, row = path.read_bytes().split(b"\r\n", 1)
    assert header.decode() == ",".join(COLUMNS)
    assert row.endswith(b"\r\n")
    cells = next(csv.reader(io.StringIO(row.decode(), newline=""), strict=True))
    told = dict(zip(COLUMNS, cells, strict=True))
    assert (told["account"], told["annual_e4"], told["day"]) == ('say "=1", é\n', "-1", "0001-01-01")
    assert (told["term_months"], told["recorded_at"]) == ("", "1969-12-31T23:59:59.999999Z")
    assert b'"say ""=1"", \xc3\xa9\n"' in row
