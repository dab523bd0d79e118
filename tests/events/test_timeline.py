"""An account on every day: its level, cell by cell, and the days on which it turns by itself."""

import pytest

from events.contracts import NO_CAUSE
from events.days import LAST_DAY
from events.facts import Fact, fact_of
from events.policy import DEFAULT_RULES
from events.timeline import NOTHING, Cell, Standing, after
from tests.events.booked import event_from
from tests.model.days import Event, day_of
from tests.model.notation import changed, fact, line

MARCH = day_of("2024-03-01")


def told_fact(said: Event, seq: int = 9) -> Fact:
    """The fact of an event."""
    found = fact_of(event_from(said), seq, DEFAULT_RULES)
    assert found is not None
    return found


def told(*said: Event) -> Standing:
    """An account after events in order."""
    standing = NOTHING
    for seq, one in enumerate(said):
        standing = after(standing, told_fact(one, seq))
    return standing


def worth(standing: Standing, day: int) -> dict[str, int]:
    """Monthly minor units by contract and line."""
    level = standing.level_on(day)
    return {f"{cell.contract} {cell.line}": value // 120_000 for cell, value in level.items()}


RAMP = [line(100, until="2024-03-01"), line(300, line_id="l2", **{"from": "2024-03-01"})]
SIGNED = fact("signed", "a1", "2024-01-01", lines=RAMP)
SECOND = fact("signed", "a2", "2024-01-02", lines=[line(7)], currency="EUR", owner="kim")


def test_nothing_is_worth_nothing() -> None:
    assert NOTHING.level_on(0) == {}
    assert NOTHING.turns_between(-(10**6), LAST_DAY) == []
    assert NOTHING.cause_on("a1", 0) == NO_CAUSE


def test_the_level_follows_the_turns() -> None:
    standing = told(SIGNED, SECOND)
    assert worth(standing, MARCH - 1) == {"a1 l1": 100, "a2 l1": 7}
    assert worth(standing, MARCH) == worth(standing, LAST_DAY) == {"a1 l2": 300, "a2 l1": 7}
    assert standing.settled == standing.level_on(LAST_DAY)
    assert standing.turns == (MARCH,)


@pytest.mark.parametrize(("start", "until", "found"), [(-1, 1, [MARCH]), (0, 1, []), (-1, 0, []), (-9, 9, [MARCH])])
def test_turns_lie_strictly_between(start: int, until: int, found: list[int]) -> None:
    assert told(SIGNED).turns_between(MARCH + start, MARCH + until) == found


def test_a_cell_says_all_that_revenue_can_be_broken_down_by() -> None:
    standing = told(SECOND, changed("a", "2024-01-03", segment="smb", vip=True))
    labels = (("owner", "kim"), ("segment", "smb"), ("vip", "true"))
    assert list(standing.settled) == [Cell("EUR", "a2", "l1", "plan", "", labels)]


def test_attributes_merge_and_null_removes() -> None:
    changes = [changed("a", "2024-01-03", segment="smb", region="emea"), changed("a", "2024-01-04", segment=None)]
    assert told(SECOND, *changes).attributes == (("region", "emea"),)
    signing = fact("signed", "a1", "2024-01-05", lines=[line(1)], attributes={"segment": "big"})
    assert told(*changes, signing).attributes == (("region", "emea"), ("segment", "big"))


def test_attributes_wait_for_no_contract() -> None:
    standing = told(changed("a", "2024-01-01", segment="smb"), SECOND)
    assert [cell.labels for cell in standing.settled] == [(("owner", "kim"), ("segment", "smb"))]


def test_a_fact_leaves_the_standing_before_it_alone() -> None:
    before = told(SIGNED)
    kept = dict(before.contracts), before.level_on(MARCH), before.turns
    after(before, told_fact(fact("cancelled", "a1", "2024-02-01")))
    assert (dict(before.contracts), before.level_on(MARCH), before.turns) == kept


def test_a_payment_and_an_unsigned_contract_change_nothing() -> None:
    payment = fact("failed", "a1", "2024-01-03") | {"type": "revledger.payment.failed.v1"}
    standing = told(SIGNED)
    for said in (payment, fact("cancelled", "a9", "2024-01-03")):
        assert after(standing, told_fact(said)) is standing


def test_lines_worth_nothing_have_no_cell() -> None:
    assert told(fact("signed", "a1", "2024-01-01", lines=[line(0), line(1, line_id="l2", kind="usage")])).settled == {}


def test_why_a_contract_is_worth_nothing() -> None:
    standing = told(SIGNED, fact("cancelled", "a1", "2024-02-01", reason="price"))
    assert standing.cause_on("a1", MARCH) == ("price", "")
    assert standing.cause_on("a9", MARCH) == NO_CAUSE
