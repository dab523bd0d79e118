"""Stated: what is kept of events about contracts, the same however they are spelt, and nothing of all others."""

import json

from events.catalogue import EXAMPLES
from events.notes import noted_after
from events.policy import DEFAULT_RULES, Policy
from events.stated import RETRACTION, STATED_TYPES, facts_in_force, spans_of, stated, takes_off
from events.vocabulary import EVENT_TYPES
from services.policies import rules_of
from tests.model.days import Event, day_of
from tests.model.notation import changed, fact, line, retracted
from tests.services.books import raw_of

HALF = [{"percent": "50"}]
SIGNED = fact("signed", "a1", "2024-01-02T20:00:00Z", lines=[line(1000, discounts=HALF)], owner="kim")


def facts_of(*events: Event) -> list[object]:
    """The facts that are kept of some events."""
    notes = [stated(raw_of(event), seq) for seq, event in enumerate(events)]
    return list(facts_in_force(noted_after(None, [one for one in notes if one]), DEFAULT_RULES))


def test_an_event_of_every_type() -> None:
    """Something is kept of every type that a level depends on, and of no other."""
    for name, event in EXAMPLES.items():
        note = stated(json.dumps(event).encode(), 1)
        assert bool(note) == (event["type"] in (*STATED_TYPES, RETRACTION)), name
    assert set(STATED_TYPES) < set(EVENT_TYPES)


def test_no_free_text_and_no_price_without_a_discount_is_kept() -> None:
    why = fact("cancelled", "a1", "2024-02-01", reason="price", reason_text="what she said")
    assert b"she" not in stated(raw_of(why), 2)
    assert b"price" not in stated(raw_of(why), 2)
    plain = fact("signed", "a1", "2024-01-02", lines=[line(1000, plan="gold")])
    assert b"gold" not in stated(raw_of(plain), 1)
    lowered = fact("signed", "a1", "2024-01-02", lines=[line(9, plan="gold", discounts=HALF)])
    assert b"gold" in stated(raw_of(lowered), 1)


def test_a_discount_is_found_however_it_is_spelt() -> None:
    raw = raw_of(SIGNED)
    spelt = raw.replace(b'"discounts"', b'"\\u0064iscounts"').replace(b"r.contract", b"r\\u002econtract")
    assert spelt != raw
    assert takes_off(raw, None)
    assert takes_off(spelt, None)
    assert stated(spelt, 7)
    notes = [noted_after(None, [stated(one, 7)]) for one in (raw, spelt)]
    assert facts_in_force(notes[0], DEFAULT_RULES) == facts_in_force(notes[1], DEFAULT_RULES) != []


def test_what_takes_nothing_off_is_no_discount() -> None:
    for discounts in ([], [{"percent": "0"}], [{"amount_minor": 0}]):
        assert not takes_off(raw_of(fact("signed", "a1", "2024-01-02", lines=[line(1000, discounts=discounts)])), None)
    assert not takes_off(raw_of(fact("cancelled", "a1", "2024-01-02", reason="discounts \\")), None)
    assert not takes_off(raw_of(fact("renewed", "a1", "2024-01-02", lines=None)), None)
    assert takes_off(raw_of(fact("renewed", "a1", "2024-01-02", lines=[line(5, discounts=HALF)])), None)


def test_facts_are_in_order_and_none_without_a_discount() -> None:
    plain = fact("signed", "a1", "2024-01-02", lines=[line(1000)])
    assert facts_of(plain, fact("cancelled", "a1", "2024-03-01")) == []
    early = changed("a", "2024-01-01", seats=1)
    kinds = [getattr(one, "kind", None) for one in facts_of(fact("cancelled", "a1", "2024-03-01"), SIGNED, early)]
    assert kinds == ["changed", "signed", "cancelled"]
    assert facts_of(SIGNED, retracted(SIGNED, "2024-01-03")) == []


def test_a_day_is_that_of_the_zone() -> None:
    notes = noted_after(None, [stated(raw_of(SIGNED), 1)])
    for zone, day in (("UTC", "2024-01-02"), ("Asia/Seoul", "2024-01-03")):
        ((start, _, level),) = spans_of(facts_in_force(notes, rules_of(Policy(zone=zone))))
        assert start == day_of(day)
        assert [(cell.labels, amount) for cell, amount in level.items()] == [((("owner", "kim"),), 500 * 120_000)]


def test_what_is_kept_says_under_each_policy_what_that_makes_of_it() -> None:
    """A pause counts or not, and so does a notice: the notes are the same, also after the policy has changed."""
    told = [SIGNED, fact("paused", "a1", "2024-02-01"), fact("resumed", "a1", "2024-03-01")]
    told.append(fact("cancelled", "a1", "2024-04-01", effective_at="2024-06-01"))
    notes = noted_after(None, [stated(raw_of(event), seq) for seq, event in enumerate(told)])
    for policy, kinds in (
        (Policy(), ["signed", "paused", "resumed", "cancelled"]),
        (Policy(paused="full"), ["signed", "cancelled"]),
        (Policy(churn="notice"), ["signed", "paused", "resumed", "noticed", "cancelled"]),
    ):
        assert [one.kind for one in facts_in_force(notes, rules_of(policy))] == kinds
