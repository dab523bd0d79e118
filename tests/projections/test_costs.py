"""Costs: spread evenly over their days, to the last minor unit, whatever windows they are asked for in."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from events.notes import Cost
from projections.costs import FREE, Costs, costs_of, part_within
from projections.groups import selected_groups

DAYS = st.integers(0, 60)


def cost(amount: int, start: int, until: int, kind: str = "acquisition", **named: str) -> Cost:
    """A cost in dollars."""
    owner, campaign, segment = (named.get(name, "") for name in ("owner", "campaign", "segment"))
    return Cost(b"", kind, "USD", start, until, amount, campaign, owner, segment)


@given(st.integers(0, 10**6), DAYS, DAYS, st.lists(DAYS, min_size=2).map(sorted))
def test_parts_of_windows_side_by_side_add_up(amount: int, start: int, days: int, bounds: list[int]) -> None:
    one = cost(amount, start, start + days)
    parts = [part_within(one, first, end) for first, end in itertools.pairwise(bounds)]
    assert sum(parts) == part_within(one, bounds[0], bounds[-1])
    assert part_within(one, -1, 1000) == amount
    if days:
        each = {part_within(one, day, day + 1) for day in range(start, start + days)}
        assert each <= {amount // days, amount // days + 1}


def test_by_hand() -> None:
    """10 over 4 days: 2, 3, 2, 3; a cost of no day is spent on the day it starts."""
    one = cost(10, 100, 104)
    assert [part_within(one, day, day + 1) for day in range(99, 105)] == [0, 2, 3, 2, 3, 0]
    assert [part_within(cost(7, 100, 100), day, day + 1) for day in (99, 100, 101)] == [0, 7, 0]


def test_a_cost_belongs_to_what_it_says_of_itself() -> None:
    notes = [cost(100, 0, 10, owner="kim"), cost(50, 0, 10, "retention", segment="smb")]
    elsewhere = Cost(b"", "retention", "EUR", 5, 6, 9, "", "", "")
    accounts = [("~book", notes), ("acme", [cost(8, 5, 6, owner="kim"), elsewhere])]

    def asked(by: str | None, **where: str) -> dict[str, Costs]:
        return costs_of(accounts, "USD", 5, 10, selected_groups(by, where))

    assert asked(None) == {"": Costs(58, 25)}
    assert asked("owner") == {"kim": Costs(58, 0), "": Costs(0, 25)}
    assert asked("account") == {"": Costs(50, 25), "acme": Costs(8, 0)}
    assert asked(None, segment="smb") == {"": Costs(0, 25)}
    assert costs_of([], "USD", 0, 9, selected_groups(None, {})) == {}
    assert Costs() == FREE
