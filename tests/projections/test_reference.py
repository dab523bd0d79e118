"""The reference: no figure and no table is missing from it, and none that there is not is in it."""

from projections.figures import CATALOGUE, FIGURES
from projections.reference import EXAMPLES, NULLS, markdown
from projections.tables import TABLES


def test_every_figure_has_an_example_and_a_source() -> None:
    assert EXAMPLES.keys() == CATALOGUE.keys()
    assert all(example and source for example, source in EXAMPLES.values())


def test_all_figures_and_tables_are_told_with_all_there_is_to_tell() -> None:
    text = markdown()
    for figure in FIGURES:
        part = text.partition(f"## `{figure.name}`\n")[2].partition("\n## ")[0]
        assert figure.definition in part
        assert f"- Formula: {figure.formula}" in part
        assert all(line in part for line in ("- Example: ", "- Source: ", "- Groups: ", f"- Of a {figure.needs}"))
        assert (f"- Null where {NULLS[figure.name]}" if figure.name in NULLS else "- Never null") in part
    for table in TABLES.values():
        assert f"## `{table.name}`\n\n{table.definition}" in text
    assert text.count("\n## ") == len(FIGURES) + len(TABLES)
