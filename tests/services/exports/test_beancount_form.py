"""Beancount: names of accounts stand for one id each, amounts are exact, and `bean-check` has nothing to say."""

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from beancount.core import account as accounts
from beancount.parser import parser
from hypothesis import given, settings
from hypothesis import strategies as st

from services.exports.beancount_form import BeancountWriting, amount, component, id_of_component, string
from services.exports.forms import About
from services.exports.journal import Opened, Total
from tests.effort import examples
from tests.services.exports.exports import loaded
from tests.services.exports.test_csv_form import line_with

IDS = st.text(max_size=12) | st.text("aA0-_ 2D:é", max_size=6)


@settings(max_examples=examples(40))
@given(IDS)
def test_a_component_is_valid_and_gives_back_its_id(text: str) -> None:
    """So that no two ids share a name."""
    assert accounts.is_valid_leaf(component(text))
    assert component(text).isascii()
    assert id_of_component(component(text)) == text


def test_components_of_usual_ids_can_be_read() -> None:
    assert [*map(component, ("acme", "cust_1", "acme-1"))] == ["Id-acme", "Id-cust-5F1", "Id-acme--1"]


@settings(max_examples=examples(40))
@given(st.text(max_size=12) | st.text('"\\n\t\r\x00x', max_size=6))
def test_a_string_is_read_back_by_beancount(text: str) -> None:
    entries, errors, _ = parser.parse_string(f"2024-01-01 note Assets:A {string(text)}\n")
    assert errors == []
    (note,) = entries
    assert getattr(note, "comment", None) == text


@pytest.mark.parametrize(
    ("annual_e4", "currency", "text"),
    [
        (588_000_000, "USD", "588.000000 USD"),
        (-1, "USD", "-0.000001 USD"),
        (0, "EUR", "0.000000 EUR"),
        (-(2**63), "KRW", "-922337203685477.5808 KRW"),
        (10_000_001, "KWD", "1.0000001 KWD"),
    ],
)
def test_amounts_have_every_digit(annual_e4: int, currency: str, text: str) -> None:
    assert amount(annual_e4, currency) == text


def written(path: Path, annual_e4: int, last: date = date(2024, 1, 31)) -> None:
    """A posting of -1, and a total that may be another."""
    line = line_with("a")._replace(movement="churn", currency="USD", day=date(2024, 1, 31))
    writing = BeancountWriting(path, About({"0": 1}, True, "p"))
    writing.open(iter([Opened(False, "a", "a", line.day)]))
    assert writing.add(iter([line])) == 1
    writing.close([Total("churn", "USD", annual_e4, line.day, last)])


def test_bean_check_compares_the_transactions_with_the_totals(tmp_path: Path) -> None:
    """By the program itself: it accepts what adds up and refuses what does not."""
    check = [sys.executable, "-c", "from beancount.scripts.check import main; main()", "--no-cache"]
    for annual_e4, status in ((-1, 0), (-4, 1)):
        path = tmp_path / f"{annual_e4}.beancount"
        written(path, annual_e4)
        done = subprocess.run([*check, str(path)], capture_output=True, text=True, check=False)
        assert (done.returncode, "Balance failed" in done.stderr + done.stdout) == (status, status == 1)


def test_after_the_last_day_of_all_there_is_no_balance(tmp_path: Path) -> None:
    path = tmp_path / "journal.beancount"
    written(path, -5, date.max)
    assert loaded(path)[1] == []
    assert "balance" not in path.read_text()
