"""Tables: every one of the catalogue has rows of its columns."""

from projections.columns import Asked
from projections.tables import LISTS
from tests.projections.tabled import table


def test_every_row_has_the_columns_of_its_table() -> None:
    for name, one in LISTS.items():
        rows = table(name, "2024-05-01")
        assert rows, name
        assert all([*row] == [column.name for column in one.columns] for row in rows), name
        assert not any(row["accounts"] for row in one.rows([], Asked("USD", 0))), name
