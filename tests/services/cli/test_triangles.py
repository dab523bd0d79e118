"""Triangles: which months they show where not all of them fit."""

from itertools import pairwise

from services.cli.triangles import TRIANGLES, ages_shown, lines_of

ROWS = [
    {"cohort": "2024-01", "month": 0, "accounts": 1200, "kept": "1.00000000", "mrr_minor": 0, "mrr_kept": None},
    {"cohort": "2024-01", "month": 1, "accounts": 606, "kept": "0.50500000", "mrr_minor": 5, "mrr_kept": None},
    {"cohort": "2024-02", "month": 0, "accounts": 3, "kept": "1.00000000", "mrr_minor": 900, "mrr_kept": "1.00000000"},
]


def test_a_line_tells_what_is_kept_in_whole_percent() -> None:
    accounts, revenue = (list(lines_of(one, ROWS, [0, 1], "USD")) for one in TRIANGLES)
    assert accounts == [["2024-01", "1,200", "100", "51"], ["2024-02", "3", "100", ""]]
    assert revenue == [["2024-01", "0.00", "-", "-"], ["2024-02", "9.00", "100", ""]]
    grouped = [{"group": {"plan": None}, **ROWS[0]}, {"group": {"plan": "pro"}, **ROWS[0]}]
    assert [line[:2] for line in lines_of(TRIANGLES[0], grouped, [0], "USD")] == [["-", "2024-01"], ["pro", "2024-01"]]


def test_of_many_months_the_later_ones_are_left_out_first() -> None:
    forms = list(ages_shown([{"month": age} for age in range(61)]))
    assert forms[0] == [*range(61)]
    assert forms[1] == [0, 1, 2, *range(3, 61, 3)]
    assert forms[3] == [0, 1, 2, 12, 24, 36, 48, 60]
    assert all(len(fewer) <= len(more) for more, fewer in pairwise(forms))
    assert list(ages_shown([{"month": age} for age in (0, 3, 6)]))[1] == [0, 3, 6]
