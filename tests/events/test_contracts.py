"""What facts make of one contract, and why it is worth nothing."""

from typing import Any

import pytest

from events.contracts import EXPIRED, NO_CAUSE, PAUSED, Contract, after_fact
from events.days import FIRST_DAY, LAST_DAY
from events.facts import fact_of
from events.policy import DEFAULT_RULES
from tests.events.booked import event_from
from tests.model.days import day_of
from tests.model.notation import fact, line

SAID: dict[str, dict[str, Any]] = {
    "signed": {"lines": [line(100)]},
    "upgraded": {"lines": [line(900)]},
    "downgraded": {"lines": [line(50)]},
    "relined": {"lines": [line(700)]},
    "cancelled": {"reason": "price", "initiative": "involuntary"},
}
JANUARY, MARCH, APRIL = (day_of(f"2024-{month}-01") for month in ("01", "03", "04"))


def told(story: str, **first: Any) -> Contract | None:
    """A contract after one fact a day from 1 January 2024 on; `first` is said by the first one."""
    contract = None
    for index, kind in enumerate(story.split()):
        name = "renewed" if kind == "relined" else kind
        said = SAID.get(kind, {}) | (first if not index else {})
        found = fact_of(event_from(fact(name, "a1", f"2024-01-{index + 1:02}", **said)), index, DEFAULT_RULES)
        assert found is not None
        contract = after_fact(contract, found)
    return contract


def worth(contract: Contract | None, day: int) -> int:
    """Its monthly minor units on a day."""
    return 0 if contract is None else sum(value for _, value in contract.values_on(day)) // 120_000


@pytest.mark.parametrize(
    ("story", "mrr_minor"),
    [
        *[("signed", 100), ("signed upgraded", 900), ("signed downgraded", 50), ("signed renewed", 100)],
        *[("signed relined", 700), ("signed cancelled", 0), ("signed paused", 0), ("signed paused resumed", 100)],
        *[("upgraded", 0), ("renewed", 0), ("relined", 0), ("cancelled", 0), ("paused", 0), ("resumed", 0)],
        *[("signed cancelled upgraded", 0), ("signed cancelled resumed", 0), ("signed cancelled paused", 0)],
        *[("signed cancelled renewed", 100), ("signed cancelled relined", 700), ("signed cancelled signed", 100)],
        *[("signed cancelled upgraded renewed", 100), ("signed upgraded cancelled renewed", 900)],
        *[("signed paused renewed", 0), ("signed paused renewed resumed", 100), ("signed paused signed", 100)],
        *[("signed paused upgraded resumed", 900), ("signed paused cancelled renewed", 100)],
        *[("signed cancelled paused renewed", 100), ("upgraded signed", 100), ("paused signed", 100)],
        *[("cancelled signed", 100), ("signed upgraded signed", 100), ("signed resumed", 100)],
    ],
)
def test_what_a_contract_becomes(story: str, mrr_minor: int) -> None:
    assert worth(told(story), LAST_DAY) == mrr_minor


FIXED = {"term": {"end": "2024-03-01", "auto_renew": False}}
RENEWING = {"term": {"end": "2024-03-01"}}


def test_a_fixed_term_ends_on_its_day() -> None:
    contract = told("signed", **FIXED)
    assert [worth(contract, day) for day in (MARCH - 1, MARCH, LAST_DAY)] == [100, 0, 0]
    assert contract is not None
    assert (contract.cause_on(MARCH - 1), contract.cause_on(MARCH)) == (NO_CAUSE, EXPIRED)
    assert sorted(contract.turns()) == [MARCH]
    assert worth(told("signed", **RENEWING), LAST_DAY) == 100


@pytest.mark.parametrize(
    ("kind", "when", "mrr_minor", "cause"),
    [
        ("renewed", "2024-02-28", 100, NO_CAUSE),
        ("renewed", "2024-03-01", 100, NO_CAUSE),
        ("renewed", "2024-03-02", 100, NO_CAUSE),
        ("upgraded", "2024-02-29", 0, EXPIRED),
        ("upgraded", "2024-03-02", 0, EXPIRED),
        ("cancelled", "2024-02-29", 0, ("price", "involuntary")),
        ("cancelled", "2024-03-01", 0, ("price", "involuntary")),
        ("cancelled", "2024-03-02", 0, EXPIRED),
        ("paused", "2024-03-02", 0, EXPIRED),
        ("signed", "2024-03-02", 100, NO_CAUSE),
    ],
)
def test_what_comes_around_the_end_of_a_fixed_term(
    kind: str, when: str, mrr_minor: int, cause: tuple[str, str]
) -> None:
    signed = told("signed", **FIXED)
    found = fact_of(event_from(fact(kind, "a1", when, **SAID.get(kind, {}))), 9, DEFAULT_RULES)
    assert found is not None
    contract = after_fact(signed, found)
    assert contract is not None
    assert (worth(contract, LAST_DAY), contract.cause_on(LAST_DAY)) == (mrr_minor, cause)


def test_a_renewal_of_the_same_day_reopens_what_an_earlier_end_closed() -> None:
    """Agreed on 1 January until the December before: closed at once, so the pause finds nothing to pause."""
    over = {"term": {"start": "2023-01-01", "end": "2023-12-01", "auto_renew": False}}
    assert worth(told("signed", **over), LAST_DAY) == 0
    assert worth(told("signed paused renewed", **over), LAST_DAY) == 100
    assert worth(told("signed upgraded renewed", **over), LAST_DAY) == 100


def test_a_trial_counts_nothing_until_it_ends() -> None:
    contract = told("signed", trial_end="2024-03-01")
    assert [worth(contract, day) for day in (JANUARY, MARCH - 1, MARCH)] == [0, 0, 100]
    assert contract is not None
    assert (sorted(contract.turns()), contract.cause_on(JANUARY)) == ([MARCH], NO_CAUSE)
    assert worth(told("signed signed", trial_end="2024-03-01"), JANUARY + 1) == 100


def test_the_days_on_which_it_turns_by_itself() -> None:
    ramp = [line(1, until="2024-03-01"), line(2, line_id="l2", **{"from": "2024-04-01"})]
    contract = told("signed", lines=ramp)
    assert contract is not None
    assert sorted(contract.turns()) == [MARCH, APRIL]
    assert [worth(contract, day) for day in (MARCH - 1, MARCH, APRIL)] == [1, 0, 2]
    for story in ("signed paused", "signed cancelled"):
        still = told(story, lines=ramp)
        assert still is not None
        assert sorted(still.turns()) == []
    steady = told("signed")
    assert steady is not None
    assert sorted(steady.turns()) == []
    assert FIRST_DAY not in contract.turns()


def test_why_it_stopped() -> None:
    stories = {"signed paused": PAUSED, "signed": NO_CAUSE, "signed cancelled": ("price", "involuntary")}
    for story, cause in stories.items():
        contract = told(story)
        assert contract is not None
        assert contract.cause_on(LAST_DAY) == cause


def test_what_its_revenue_can_be_grouped_by() -> None:
    contract = told("signed", owner="kim", channel="direct", **RENEWING)
    assert contract is not None
    assert contract.labels == (("channel", "direct"), ("owner", "kim"), ("term_months", "2"))
    renewed = told("signed renewed", owner="kim", **RENEWING)
    assert renewed is not None
    assert renewed.labels == (("owner", "kim"),)
