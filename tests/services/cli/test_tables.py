"""Tables: never wider than they may be, whatever the amounts and names; numbers as people read them."""

import io
from contextlib import redirect_stdout
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from services import shown
from services.cli.grids import Grid
from services.cli.tables import print_answer

MOVEMENTS = ("opening", "new", "reactivation", "expansion", "contraction", "churn", "transfer", "closing")
AS_OF = {
    "position": {"0": 41},
    "newest_event": "2024-05-01T00:00:00.123456Z",
    "age_seconds": 200_000,
    "known_at": "2024-05-02T00:00:00Z",
    "final": False,
}


def printed(answer: dict[str, Any], by: str | None = None) -> str:
    out = io.StringIO()
    with redirect_stdout(out):
        print_answer(answer, by)
    return out.getvalue()


def bridge(
    currency: str, amount_minor: int, groups: tuple[str | None, ...], start: str = "2024-01-10"
) -> dict[str, Any]:
    rows = [
        {
            "from": start,
            "until": "2024-02-01",
            "group": {"owner": group},
            "mrr_minor": dict.fromkeys(MOVEMENTS, amount_minor),
            "accounts": {"closing": 1_000_000},
        }
        for group in groups
    ]
    answer = {"report": "bridge", "currency": currency, "policy": "a-rather-long-name@17:ab12cd34"}
    return {**answer, "as_of": AS_OF, "rows": rows}


@pytest.mark.parametrize("currency", ["USD", "KRW", "BHD"])
@pytest.mark.parametrize("amount_minor", [0, -1, 16_667, 10**9, -(10**12), 2**62, 10**30])
def test_no_amount_makes_a_line_wider_than_100_columns(currency: str, amount_minor: int) -> None:
    text = printed(bridge(currency, amount_minor, ("[red]a[/red]", "김" * 40, None)), "owner")
    assert max(cell_len(line.rstrip()) for line in text.splitlines()) <= 100
    assert "[red]a[/red]" in text


def test_large_amounts_are_shown_in_larger_units_and_the_title_says_so() -> None:
    assert "in whole USD" in printed(bridge("USD", 12_345_678, ("a",), "2024-01-01"), "owner")
    assert "in thousands of USD" in printed(bridge("USD", 123_456_789_00, ("a",), "2024-01-01"), "owner")
    assert "in millions of KRW" in printed(bridge("KRW", 123_456_789_000, ("a",), "2024-01-01"), "owner")


def test_a_converted_bridge_shows_what_rates_did_and_which_they_were() -> None:
    """Each once; of many only how many, as the JSON tells them all."""
    rates = [
        {"on": f"2024-0{month}-28", "base": "EUR", "quote": "USD", "rate": "1.1", "since": "2024-01-01"}
        for month in range(1, 9)
    ]
    answer = {**bridge("USD", 5, ("a",)), "convert": "closing", "rates": rates}
    answer["rows"][0]["mrr_minor"]["fx"] = -777
    text = printed(answer, "owner")
    assert "USD at closing rates" in text
    assert "fx" in text.split()
    assert "-7.77" in text
    assert text.count("1 EUR = 1.1 USD since 2024-01-01") == 1
    many = [{**rate, "since": rate["on"]} for rate in rates]
    assert "8 rates; the JSON tells each" in printed({**answer, "rates": many}, "owner")


def test_an_answer_without_rows_says_so() -> None:
    assert "nothing in this period" in printed({**bridge("USD", 1, ()), "rows": []}, "owner")


@pytest.mark.parametrize(
    ("amount_minor", "currency", "cut_digits", "text"),
    [
        (16_667, "USD", 0, "166.67"),
        (-5, "USD", 0, "-0.05"),
        (123_456_789, "USD", 0, "1,234,567.89"),
        (123_456_789, "KRW", 0, "123,456,789"),
        (1_234, "BHD", 0, "1.234"),
        (150, "USD", 2, "2"),
        (-150, "USD", 2, "-1"),
        (1_499_999, "KRW", 6, "1"),
        (None, "USD", 0, "-"),
    ],
)
def test_money(amount_minor: int | None, currency: str, cut_digits: int, text: str) -> None:
    assert shown.money(amount_minor, currency, cut_digits) == text


def test_ratios() -> None:
    assert [shown.percent(ratio) for ratio in ("1.04000000", "-0.000050", "0.00005", None)] == [
        "104.00%",
        "-0.01%",
        "0.01%",
        "-",
    ]
    assert [shown.times(ratio) for ratio in ("1234.56789", None)] == ["1,234.57x", "-"]


@pytest.mark.parametrize(
    ("start", "until", "name"),
    [
        ("2024-01-01", "2024-02-01", "2024-01"),
        ("2024-12-01", "2025-01-01", "2024-12"),
        ("2024-04-01", "2024-07-01", "2024-Q2"),
        ("2024-02-01", "2024-05-01", "2024-02-01..2024-05-01"),
        ("2024-01-01", "2025-01-01", "2024"),
        ("2024-02-29", "2024-03-01", "2024-02-29"),
        ("2024-01-15", "2024-02-01", "2024-01-15..2024-02-01"),
    ],
)
def test_periods(start: str, until: str, name: str) -> None:
    assert shown.period(start, until) == name


def test_durations_sizes_and_positions() -> None:
    assert [shown.age(seconds) for seconds in (0, 119, 120, 7_200, 864_000)] == [
        "0 s",
        "119 s",
        "2 min",
        "2 h",
        "10 days",
    ]
    assert [shown.size(size) for size in (0, 10_239, 10_240, 3 * 10**13)] == [
        "0 B",
        "10,239 B",
        "10 KiB",
        "27,939 GiB",
    ]
    assert shown.heights({"0": -1}) == "nothing"
    assert shown.heights({"0": 4, "1": 5}) == "block 4 of partition 0, block 5 of partition 1"


CELLS = st.text("aZ1,.-%김é…[", max_size=9)


@given(st.data(), st.integers(1, 5), st.integers(0, 4))
def test_a_grid_looks_as_a_table_of_rich_does(data: st.DataObject, columns: int, rows: int) -> None:
    """Which takes a minute for what a grid does in a second; headers of two lines end with their last."""
    headers = data.draw(st.lists(st.text("aZ김\n", min_size=1, max_size=6), min_size=columns, max_size=columns))
    left = data.draw(st.lists(st.booleans(), min_size=columns, max_size=columns))
    cells = data.draw(st.lists(st.lists(CELLS, min_size=columns, max_size=columns), min_size=rows, max_size=rows))
    grid = Grid([header.strip("\n") or "h" for header in headers], left, cells, dim=True)
    out, expected = io.StringIO(), io.StringIO()
    grid.print(Console(file=out, width=200))
    Console(file=expected, width=200, highlight=False).print(grid._cut())
    lines = [line.rstrip() for line in expected.getvalue().splitlines()]
    assert [line.rstrip() for line in out.getvalue().splitlines()] == lines
    assert max(map(cell_len, lines), default=0) <= grid.width
