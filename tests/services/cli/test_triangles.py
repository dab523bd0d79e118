"""Triangles: which months they show where not all of them fit."""

from itertools import pairwise
from typing import Any

from services.cli.triangles import TRIANGLES, ages_shown, lines_of

NAMES = ("cohort", "month", "size", "accounts", "kept", "mrr_minor", "mrr_kept", "ended")
ROWS: list[dict[str, Any]] = [
    dict(zip(NAMES, values, strict=True))
    for values in (
        ("2024-01", 0, 1250, 1200, "0.96000000", 0, None, "yes"),
        ("2024-01", 1, 1250, 606, "0.48480000", 5, None, "no"),
        ("2024-02", 0, 3, 3, "1.00000000", 900, "1.00000000", "no"),
    )
]


def test_a_line_tells_what_is_kept_in_whole_percent() -> None:
    accounts, revenue = (list(lines_of(one, ROWS, [0, 1], "USD")) for one in TRIANGLES)
    assert accounts == [["2024-01", "1,250", "96", "48*"], ["2024-02", "3", "100*", ""]]
    assert revenue == [["2024-01", "0.00", "-", "-*"], ["2024-02", "9.00", "100*", ""]]
    grouped: list[dict[str, Any]] = [{"group": {"plan": None}, **ROWS[0]}, {"group": {"plan": "pro"}, **ROWS[0]}]
    assert [line[:2] for line in lines_of(TRIANGLES[0], grouped, [0], "USD")] == [["-", "2024-01"], ["pro", "2024-01"]]


def test_of_many_months_the_later_ones_are_left_out_first() -> None:
    forms = list(ages_shown([{"month": age} for age in range(61)]))
    assert forms[0] == [*range(61)]
    assert forms[1] == [0, 1, 2, *range(3, 61, 3)]
    assert forms[3] == [0, 1, 2, 12, 24, 36, 48, 60]
    assert all(len(fewer) <= len(more) for more, fewer in pairwise(forms))
    assert list(ages_shown([{"month": age} for age in (0, 3, 6)]))[1] == [0, 3, 6]
