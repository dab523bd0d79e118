"""Cooling down and settling: an account told once, a figure that goes back and forth told as one."""

from projections.rules import Rule
from services.alerts.firing.cooling import Settling

RULE = Rule(name="r", on="figure", cool_down_seconds=10)
RULES = {"r|USD": RULE}


def test_a_state_is_over_once_it_has_been_so_for_long_enough() -> None:
    settling = Settling()
    assert settling.over(["r|USD"], [], RULES, 0) == []
    assert settling.over(["r|USD"], [], RULES, 9_999_999) == []
    assert settling.over(["r|USD"], [], RULES, 10_000_000) == ["r|USD"]


def test_a_state_that_comes_back_meanwhile_was_never_over() -> None:
    settling = Settling()
    assert settling.over(["r|USD"], [], RULES, 0) == []
    assert settling.over(["r|USD"], ["r|USD"], RULES, 9_000_000) == []
    assert settling.over(["r|USD"], [], RULES, 11_000_000) == []
    assert settling.over(["r|USD"], [], RULES, 21_000_000) == ["r|USD"]


def test_a_state_of_a_rule_that_is_gone_is_over() -> None:
    assert Settling().over(["q|USD"], [], RULES, 0) == ["q|USD"]
