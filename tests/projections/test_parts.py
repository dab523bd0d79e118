"""Parts: every figure of the catalogue and every column of a bridge can be taken apart and put together again."""

import pytest

from events.movements import BRIDGE_MOVEMENTS
from projections.figures import CATALOGUE
from projections.parts import EXPLAINED, PARTS, basis_of, parts_of

SOME = {
    name: number if part.unit == "accounts" else number * 1_000 * 120_000
    for number, (name, part) in enumerate(PARTS.items(), 3)
}


def test_all_figures_and_columns_are_explained_by_known_parts() -> None:
    sums = {name for name, figure in CATALOGUE.items() if figure.worked}
    assert {*EXPLAINED} == {*sums, *BRIDGE_MOVEMENTS, "opening", "closing"}
    used = {name for figure in EXPLAINED.values() for name in parts_of(figure)}
    assert used == {*PARTS}


@pytest.mark.parametrize("name", EXPLAINED)
def test_a_figure_depends_on_each_of_its_parts_and_on_no_other(name: str) -> None:
    figure = EXPLAINED[name]
    own = parts_of(figure)
    given = {part: SOME[part] for part in own}
    value = figure.value(basis_of(given))
    assert value is not None
    others = {part: amount for part, amount in SOME.items() if part not in {*own, "annual", "level"}}
    assert figure.value(basis_of({**others, **given})) == value
    for part in own:
        assert figure.value(basis_of({**given, part: SOME[part] * 7})) != value


@pytest.mark.parametrize("name", EXPLAINED)
def test_the_formula_with_numbers_is_the_value(name: str) -> None:
    """`worked` is not prose: put the parts into it, and arithmetic gives what the figure gives."""
    figure = EXPLAINED[name]
    own = parts_of(figure)
    months = {part: SOME[part] // (120_000 if PARTS[part].unit == "month" else 10_000) for part in own}
    numbers = {part: SOME[part] if PARTS[part].unit == "accounts" else months[part] for part in own}
    worked = eval(figure.worked.format(**{part: f"({number})" for part, number in numbers.items()}))
    value = figure.value(basis_of({part: SOME[part] for part in own}))
    assert float(value or 0) == pytest.approx(worked, rel=1e-6, abs=1)


def test_parts_come_in_the_order_of_the_formula() -> None:
    assert parts_of(CATALOGUE["gross_mrr_churn_rate"]) == ("churn", "contraction", "opening_level")
    assert EXPLAINED["churn"].value(basis_of({"churn": -588_00 * 120_000})) == -588_00
