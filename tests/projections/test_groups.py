"""Groups: the whole, plan, product and every label; for one question any name, among the cells that fit."""

import msgspec
import pytest

from projections.groups import CONTRACT_NAMES, TOTAL, Spread, selected_groups, spread_of, standing_groups, value_of
from tests.projections.booked import cell

LABELLED = cell("pro", owner="kim", segment="smb")


def test_standing_groups_are_the_whole_and_every_name_once() -> None:
    """Names of a contract also where it has none: their group is the empty value."""
    groups = standing_groups("a", LABELLED)
    assert set(groups) == {
        TOTAL,
        ("plan", "pro"),
        ("product", ""),
        ("segment", "smb"),
        *((name, "kim" if name == "owner" else "") for name in CONTRACT_NAMES),
    }
    assert len(groups) == len(set(groups))


def test_cells_in_bytes_spread_to_the_same_groups() -> None:
    """In one currency; the same for all cells that share plan, product and labels."""
    spread = spread_of(msgspec.msgpack.encode(LABELLED))
    assert spread == Spread("USD", standing_groups("a", LABELLED))
    other = cell("pro", contract="k2", line="l2", owner="kim", segment="smb")
    assert spread_of(msgspec.msgpack.encode(other)) is spread
    assert spread_of(msgspec.msgpack.encode(cell("pro", currency="EUR", owner="kim", segment="smb"))) != spread


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("account", "a"),
        ("contract", "k1"),
        ("currency", "USD"),
        ("plan", "pro"),
        ("product", ""),
        ("owner", "kim"),
        ("segment", "smb"),
        ("region", ""),
    ],
)
def test_values_come_from_where_they_are_kept(name: str, value: str) -> None:
    assert value_of(name, "a", LABELLED) == value
    assert list(selected_groups(name, {})("a", LABELLED)) == [(name, value)]
    assert list(selected_groups(None, {name: value})("a", LABELLED)) == [TOTAL]
    assert list(selected_groups(None, {name: value + "x"})("a", LABELLED)) == []


def test_all_filters_have_to_fit() -> None:
    chosen = selected_groups("plan", {"owner": "kim", "segment": "smb"})
    assert list(chosen("a", LABELLED)) == [("plan", "pro")]
    assert list(chosen("a", cell("pro", owner="kim"))) == []
