"""One day of one account told as movements: which, how much, and in which order it is written."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.contracts import Cause
from events.movements import Posting, in_order, movements
from events.timeline import Cell, Level
from tests.model import books

DAY = 19_800


def cell(line: str, plan: str = "p", currency: str = "USD", contract: str = "k1", **labels: str) -> Cell:
    """A cell of a line."""
    return Cell(currency, contract, line, plan, "", tuple(sorted(labels.items())))


def said(before: Level, after: Level, *, was_active: bool = True) -> list[str]:
    """The movements of a day in short, sorted."""
    found = movements(DAY, before, after, lambda contract, day: (contract, str(day)), is_return=was_active)
    assert all(one.day == DAY for one in found)
    return sorted(f"{one.movement} {one.cell.line}/{one.cell.plan} {one.amount}" for one in found)


OLD, NEW = cell("l1", "old"), cell("l1", "new")
L2, L3 = cell("l2"), cell("l3")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({OLD: 5}, {OLD: 7}, ["expansion l1/old 2"]),
        ({OLD: 5}, {OLD: 3}, ["contraction l1/old -2"]),
        ({OLD: 5}, {OLD: 5}, []),
        ({OLD: 5, L2: 1}, {OLD: 5}, ["contraction l2/p -1"]),
        ({OLD: 100}, {NEW: 250}, ["expansion l1/new 150", "transfer l1/new 100", "transfer l1/old -100"]),
        ({OLD: 250}, {NEW: 100}, ["contraction l1/old -150", "transfer l1/new 100", "transfer l1/old -100"]),
        ({OLD: 100}, {NEW: 100}, ["transfer l1/new 100", "transfer l1/old -100"]),
        (
            {OLD: 100, L2: 50},
            {OLD: 50, L2: 50, L3: 70},
            ["expansion l3/p 20", "transfer l1/old -50", "transfer l3/p 50"],
        ),
        (
            {OLD: 300},
            {NEW: 200, L2: 150, L3: 500},
            [
                *("expansion l2/p 50", "expansion l3/p 500"),
                *("transfer l1/new 200", "transfer l1/old -300", "transfer l2/p 100"),
            ],
        ),
        (
            {NEW: 200, L2: 150, L3: 500},
            {OLD: 300},
            [
                *("contraction l2/p -50", "contraction l3/p -500"),
                *("transfer l1/new -200", "transfer l1/old 300", "transfer l2/p -100"),
            ],
        ),
        ({OLD: 100, L2: 50}, {L3: 150}, ["transfer l1/old -100", "transfer l2/p -50", "transfer l3/p 150"]),
    ],
)
def test_movements_of_an_active_account(before: Level, after: Level, expected: list[str]) -> None:
    assert said(before, after) == expected


def test_first_and_again() -> None:
    assert said({}, {OLD: 5, L2: 1}, was_active=False) == ["new l1/old 5", "new l2/p 1"]
    assert said({}, {OLD: 5, L2: 1}) == ["reactivation l1/old 5", "reactivation l2/p 1"]
    assert said({}, {}) == []


def test_churn_carries_the_cause_of_its_contract() -> None:
    other = cell("l1", contract="k2")
    causes: dict[str, Cause] = {"k1": ("price", "voluntary"), "k2": ("expired", "voluntary")}
    found = movements(DAY, {OLD: 5, other: 1}, {}, lambda contract, day: causes[contract], is_return=True)
    assert [(one.movement, one.amount, one.reason, one.initiative) for one in found] == [
        ("churn", -5, "price", "voluntary"),
        ("churn", -1, "expired", "voluntary"),
    ]


def test_currencies_are_compared_apart() -> None:
    """The account stays, one currency goes: that is contraction, and no transfer to the other."""
    won = cell("l2", currency="KRW")
    assert said({OLD: 5, won: 9}, {OLD: 7}) == ["contraction l2/p -9", "expansion l1/old 2"]
    assert said({OLD: 5}, {won: 9}) == ["contraction l1/old -5", "expansion l2/p 9"]


def test_a_changed_label_is_a_transfer() -> None:
    small, large = cell("l1", segment="smb"), cell("l1", segment="enterprise")
    assert said({small: 5}, {large: 5}) == ["transfer l1/p -5", "transfer l1/p 5"]


def test_the_same_line_of_another_contract_is_another_line() -> None:
    other = cell("l1", contract="k0")
    found = movements(DAY, {cell("l1"): 4}, {cell("l1", "q"): 4, other: 4}, lambda *_: ("", ""), is_return=True)
    assert {(one.movement, one.cell.contract, one.amount) for one in found} == {
        ("transfer", "k1", -4),
        ("transfer", "k1", 4),
        ("expansion", "k0", 4),
    }


LEVELS = st.dictionaries(
    st.tuples(st.sampled_from(("k1", "k2")), st.sampled_from(("l1", "l2", "l3")), st.sampled_from(("USD", "KRW"))),
    st.tuples(st.sampled_from(("p", "q")), st.integers(1, 9)),
    max_size=6,
)


@given(LEVELS, LEVELS, st.booleans())
def test_movements_are_those_of_the_model(
    before: dict[tuple[str, str, str], tuple[str, int]],
    after: dict[tuple[str, str, str], tuple[str, int]],
    was_active: bool,
) -> None:
    levels = [
        {
            Cell(currency, contract, line, plan, "", ()): value
            for (contract, line, currency), (plan, value) in one.items()
        }
        for one in (before, after)
    ]
    models = [{books.Cell(*cell_of(one)): value for one, value in level.items()} for level in levels]
    found = movements(DAY, levels[0], levels[1], lambda *_: ("", ""), is_return=was_active)
    ours = sorted((one.movement, *cell_of(one.cell), one.amount) for one in found)
    whole = "churn" if before else "reactivation" if was_active else "new"
    theirs = books.split_day(models[0], models[1], None if before and after else whole)
    assert ours == sorted((movement, *one, amount) for movement, one, amount in theirs)
    assert len(ours) == len({row[:-1] for row in ours})


def cell_of(one: Cell) -> tuple[str, str, str, str, str, tuple[tuple[str, str], ...]]:
    """The parts of a cell."""
    return (one.currency, one.contract, one.line, one.plan, one.product, one.labels)


def test_postings_are_written_in_one_order() -> None:
    """By day, movement, cell, cause, amount: however they came."""
    ordered = [
        Posting(1, "new", 5, L3),
        Posting(2, "churn", -1, OLD, "a", "x"),
        Posting(2, "churn", -1, OLD, "a", "y"),
        Posting(2, "churn", -1, OLD, "b", "x"),
        Posting(2, "transfer", -1, cell("l1", contract="k0")),
        Posting(2, "transfer", -2, OLD),
        Posting(2, "transfer", 2, OLD),
    ]
    for some in permutations(ordered, len(ordered)):
        assert in_order(some) == ordered
