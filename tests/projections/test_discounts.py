"""Discounts: what they take off by hand, whatever else happens to their contract."""

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.notes import noted_after
from events.policy import DEFAULT_RULES, Policy
from events.stated import facts_in_force, stated
from projections.discounts import UNDISCOUNTED, Discounts, discounts_of
from projections.groups import selected_groups
from services.policies import rules_of
from tests.model.days import Event, day_of
from tests.model.notation import changed, fact, line, retracted
from tests.services.books import raw_of

HALF, ALL = {"percent": "50"}, {"percent": "100"}
E4 = 120_000
"""One minor unit a month, as annual_e4."""


def off(window: tuple[str, str], *history: Event, by: str | None = None, policy: Policy | None = None) -> object:
    """What discounts take off the account a, in minor units a month at the end and over a window, by group."""
    notes = [stated(raw_of(event), seq) for seq, event in enumerate(history)]
    facts = facts_in_force(noted_after(None, [one for one in notes if one]), rules_of(policy or Policy()))
    start, until = map(day_of, window)
    found = discounts_of([("a", facts)], "USD", start, until, selected_groups(by, {}))
    told = {group: (Fraction(one.level, E4), one.spent) for group, one in found.items()}
    return told if by else told.get("", (0, 0))


def signed(*discounts: object, amount: int = 1000, time: str = "2024-01-16", **said: object) -> Event:
    """A contract of one line."""
    return fact("signed", "a1", time, lines=[line(amount, discounts=[*discounts])], **said)


def test_a_discount_costs_its_part_of_every_month() -> None:
    """500 a month from 16 January on: 16 of 31 days of January, all of February, in a leap year too."""
    assert off(("2024-01-01", "2024-02-01"), signed(HALF)) == (500, 500 * Fraction(16, 31))
    assert off(("2024-02-01", "2024-03-01"), signed(HALF)) == (500, 500)
    assert off(("2024-02-15", "2024-03-15"), signed(HALF)) == (500, 500 * (Fraction(15, 29) + Fraction(14, 31)))
    assert off(("2024-01-01", "2024-01-16"), signed(HALF)) == (0, 0)
    assert off(("2024-03-01", "2024-03-01"), signed(HALF)) == (500, 0)
    assert off(("2024-01-01", "2025-01-01"), signed()) == (0, 0)


@pytest.mark.parametrize(
    ("until", "then", "off_by_then"),
    [
        ("2024-03-01", [fact("cancelled", "a1", "2024-02-01")], (0, 0)),
        ("2024-03-01", [fact("paused", "a1", "2024-02-01"), fact("resumed", "a1", "2024-02-16")],
         (1000, 1000 * Fraction(14, 29))),
        ("2024-03-01", [fact("upgraded", "a1", "2024-02-11", lines=[line(5000)])], (0, 1000 * Fraction(10, 29))),
        ("2024-03-01", [fact("downgraded", "a1", "2024-02-11", lines=[line(400, discounts=[HALF])])],
         (200, 1000 * Fraction(10, 29) + 200 * Fraction(19, 29))),
        ("2024-03-01", [fact("cancelled", "a1", "2024-02-01"), fact("renewed", "a1", "2024-02-11", term={})],
         (1000, 1000 * Fraction(19, 29))),
    ],
    ids=["cancelled", "paused", "replaced", "replaced by another", "renewed"],
)
def test_a_line_that_costs_nothing_has_a_list_value(
    until: str, then: list[Event], off_by_then: tuple[Fraction, Fraction]
) -> None:
    """No posting says so: only what happened to the contract; in any order of arrival."""
    for order in itertools.permutations([signed(ALL), *then]):
        assert off(("2024-02-01", until), *order) == off_by_then


def test_trials_terms_and_discounts_end() -> None:
    trial = signed(HALF, trial_end="2024-02-01")
    assert off(("2024-01-01", "2024-03-01"), trial) == (500, 500)
    term = signed(HALF, time="2024-01-01", term={"end": "2024-02-01", "auto_renew": False})
    assert off(("2024-01-01", "2024-03-01"), term) == (0, 500)
    dated = signed({**HALF, "from": "2024-02-01", "until": "2024-03-01"}, {"amount_minor": 100}, time="2024-01-01")
    assert off(("2024-01-01", "2024-04-01"), dated) == (100, 100 + 600 + 100)
    once = fact("signed", "a1", "2024-01-01", lines=[line(1000, kind="one_time", discounts=[HALF])])
    assert off(("2024-01-01", "2024-04-01"), once) == (0, 0)


def test_what_was_taken_back_never_was() -> None:
    first, wrong = signed(time="2024-01-01"), fact("upgraded", "a1", "2024-02-01", lines=[line(900, discounts=[ALL])])
    gone = retracted(wrong, "2024-02-05")
    for order in itertools.permutations([first, wrong, gone]):
        assert off(("2024-01-01", "2024-04-01"), *order) == (0, 0)
    assert off(("2024-01-01", "2024-04-01"), first, wrong) == (900, 1800)


def test_a_discount_counts_where_its_account_is_that_day() -> None:
    history = [
        signed(HALF, time="2024-01-01", attributes={"segment": "smb"}, owner="kim"),
        changed("a", "2024-02-01", segment="enterprise"),
    ]
    window = ("2024-01-01", "2024-04-01")
    assert off(window, *history, by="segment") == {"smb": (0, 500), "enterprise": (500, 1000)}
    assert off(window, *history, by="owner") == {"kim": (500, 1500)}
    assert off(window, signed(HALF, currency="EUR")) == (0, 0)


def test_the_policy_says_when_a_contract_counts_and_not_which_discounts_there_are() -> None:
    paused, window = [signed(HALF, time="2024-01-01"), fact("paused", "a1", "2024-02-01")], ("2024-01-01", "2024-04-01")
    assert off(window, *paused) == (0, 500)
    assert off(window, *paused, policy=Policy(paused="full")) == (500, 1500)
    given_up = [signed(HALF, time="2024-01-01"), fact("cancelled", "a1", "2024-02-01", effective_at="2024-03-01")]
    assert off(window, *given_up) == (0, 1000)
    assert off(window, *given_up, policy=Policy(churn="notice")) == (0, 500)
    for discounts in ("list", "forever_only"):
        assert off(window, signed(HALF, time="2024-01-01"), policy=Policy(discounts=discounts)) == (500, 1500)


@given(st.lists(st.integers(day_of("2023-12-20"), day_of("2024-06-30")), min_size=2).map(sorted))
def test_windows_side_by_side_add_up(bounds: list[int]) -> None:
    history = [signed(HALF), fact("cancelled", "a1", "2024-05-05")]
    facts = facts_in_force(noted_after(None, [stated(raw_of(one), 0) for one in history]), DEFAULT_RULES)

    def spent(start: int, until: int) -> Fraction:
        return discounts_of([("a", facts)], "USD", start, until, selected_groups(None, {})).get("", UNDISCOUNTED).spent

    assert sum(spent(*pair) for pair in itertools.pairwise(bounds)) == spent(bounds[0], bounds[-1])
    assert Discounts() == UNDISCOUNTED
