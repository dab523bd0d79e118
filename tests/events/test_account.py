"""One account: what is a repetition, what a conflict, what waits, and how it is kept and forgets."""

import json
from copy import deepcopy
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.account import Account, AccountState, Booking, Duplicate, book, content_digest
from events.envelope import event_of, json_of_event
from events.facts import fact_of
from events.money import VALUE_MAX
from events.policy import DEFAULT_RULES
from events.refusals import Refused
from tests.effort import examples
from tests.events.booked import Booked, event_from, posted_sums
from tests.model.books import facts_in_force
from tests.model.days import Event
from tests.model.histories import arrival_orders, histories
from tests.model.notation import changed, fact, line, retracted

SHORTER = settings(max_examples=examples(60), deadline=None)
ENCODER = msgspec.msgpack.Encoder()
DECODER = msgspec.msgpack.Decoder(AccountState)

SIGNED = fact("signed", "a1", "2024-01-01", lines=[line(100)], attributes={"segment": "smb", "seats": 5})
ABROAD = fact("signed", "a1", "2024-02-01", lines=[line(100)], currency="KRW")


def snapshot(account: Account) -> tuple[bytes, object, dict[str, int]]:
    """All there is to an account, as a value."""
    return ENCODER.encode(account.state()), account.frontier, dict(account.unsigned)


def kept(account: Account) -> Account:
    """The account after a round trip through the bytes of its state."""
    return Account(account.name, DECODER.decode(ENCODER.encode(account.state())))


def waiting(history: list[Event]) -> int:
    """How many facts and retractions of one account wait for a contract or an event; counted from scratch."""
    arrived = {(said["source"], said["id"]) for said in history}
    first = {(said["source"], said["id"]): said for said in reversed(history)}
    named = {
        (said["data"]["source"], said["data"]["id"])
        for said in first.values()
        if said["type"] == "revledger.event.retracted.v1"
    }
    facts = facts_in_force(history)
    signed = {said["data"]["contract_id"] for said in facts if said["type"] == "revledger.contract.signed.v1"}
    about = [said for said in facts if "contract_id" in said["data"]]
    unsigned = [said for said in about if said["data"]["contract_id"] not in signed]
    return len(unsigned) + len(named - arrived)


# ---------------------------------------------------------------- laws


@SHORTER
@given(st.data())
def test_what_is_unmatched_is_what_waits(data: st.DataObject) -> None:
    """At every prefix of every order of arrival, account by account."""
    history = data.draw(histories())
    arrived = data.draw(arrival_orders(history))
    booked = Booked()
    for count, said in enumerate(arrived, 1):
        booked.book(said)
        name = said["subject"]
        own = [other for other in arrived[:count] if other["subject"] == name]
        assert booked.unmatched[name] == waiting(own)


@SHORTER
@given(st.data())
def test_repetitions_are_duplicates_of_the_first(data: st.DataObject) -> None:
    """They name its entry, and change nothing."""
    booked = Booked(first_seq=7)
    seqs: dict[tuple[str, str], int] = {}
    for said in data.draw(arrival_orders(data.draw(histories()))):
        key = said["source"], said["id"]
        before = snapshot(booked.account(said["subject"])) if key in seqs else None
        booking = booked.book(said)
        assert booking.seq == seqs.setdefault(key, booking.seq)
        assert isinstance(booking, Duplicate) == (before is not None)
        assert before is None or snapshot(booked.account(said["subject"])) == before


@SHORTER
@given(st.data())
def test_forgetting_is_as_if_it_had_never_been_booked(data: st.DataObject) -> None:
    """And booking the same again gives the same bytes."""
    arrived = data.draw(arrival_orders(data.draw(histories())))
    cut = data.draw(st.integers(0, len(arrived)))
    booked, never = Booked(), Booked()
    booked.book_all(arrived[:cut])
    never.book_all(arrived[:cut])
    first_seq = booked.next_seq
    once = booked.book_all(arrived[cut:])
    for name, account in booked.accounts.items():
        account.forget_from(first_seq)
        assert snapshot(account) == snapshot(never.account(name))
    booked.next_seq = first_seq
    assert ENCODER.encode(booked.book_all(arrived[cut:])) == ENCODER.encode(once)


@SHORTER
@given(st.data())
def test_a_kept_account_goes_on_as_it_was(data: st.DataObject) -> None:
    """Through the bytes of its state, at any place of any order of arrival."""
    arrived = data.draw(arrival_orders(data.draw(histories())))
    cut = data.draw(st.integers(0, len(arrived)))
    booked = Booked()
    booked.book_all(arrived[:cut])
    resumed = Booked(first_seq=booked.next_seq)
    resumed.accounts = {name: kept(account) for name, account in booked.accounts.items()}
    for name, account in booked.accounts.items():
        assert snapshot(resumed.account(name)) == snapshot(account)
    assert ENCODER.encode(resumed.book_all(arrived[cut:])) == ENCODER.encode(booked.book_all(arrived[cut:]))


@SHORTER
@given(histories())
def test_a_booking_survives_its_bytes(history: list[Event]) -> None:
    """Every posting fits into msgpack and comes back the same."""
    decoder = msgspec.msgpack.Decoder(Booking)
    for booking in Booked().book_all(history):
        if isinstance(booking, Booking):
            assert decoder.decode(ENCODER.encode(booking)) == booking


def test_the_state_that_was_taken_may_grow_but_not_shrink() -> None:
    """Forgetting leaves a state that was taken before as it was."""
    booked = Booked()
    booked.book(SIGNED)
    state = booked.account("a").state()
    before = ENCODER.encode(state)
    booked.account("a").forget_from(0)
    assert ENCODER.encode(state) == before
    assert snapshot(booked.account("a")) == snapshot(Account("a"))


# ---------------------------------------------------------------- same or not


def respelt(said: Event, **changes: Any) -> bytes:
    """The event with some of it said in another way."""
    whole = {"specversion": "1.0", **deepcopy(said)}
    data = whole["data"] | changes.pop("data", {})
    return json.dumps({**whole, **changes, "data": data}).encode()


def backwards(value: Any) -> Any:
    """The same JSON with the keys of every object in the opposite order."""
    if isinstance(value, dict):
        return {name: backwards(value[name]) for name in reversed(value)}
    return [backwards(one) for one in value] if isinstance(value, list) else value


NOT_SAID: dict[str, Any] = {"product": None, "from": None, "until": None}
DEFAULTS: dict[str, Any] = {"kind": "recurring", "quantity": 1, "interval_count": 1, "discounts": []}
SAME = {
    "itself": respelt(SIGNED),
    "other white space": json.dumps(json.loads(respelt(SIGNED)), indent=3).encode() + b"\n",
    "keys in another order": json.dumps(backwards(json.loads(respelt(SIGNED)))).encode(),
    "escaped": respelt(SIGNED).replace(b"plan", b"pl\\u0061n"),
    "another offset": respelt(SIGNED, time="2024-01-01T09:00:00.000+09:00"),
    "defaults of the data": respelt(
        SIGNED, data=dict.fromkeys(("effective_at", "term", "trial_end", "owner", "campaign", "channel"))
    ),
    "defaults of a line": respelt(SIGNED, data={"lines": [line(100, **DEFAULTS, **NOT_SAID)]}),
    "extension attributes": respelt(SIGNED, traceparent="00-1", datacontenttype="application/json"),
    "as we write it": json_of_event(event_from(SIGNED)),
}
OTHER = {
    "type": respelt(SIGNED | {"type": "revledger.contract.resumed.v1", "data": {"contract_id": "a1"}}),
    "time": respelt(SIGNED, time="2024-01-01T00:00:00.000001Z"),
    "amount": respelt(SIGNED, data={"lines": [line(101)]}),
    "an attribute more": respelt(SIGNED, data={"attributes": {"segment": "smb", "seats": 5, "vip": True}}),
    "a number for a truth": respelt(SIGNED, data={"attributes": {"segment": "smb", "seats": True}}),
    "a text for a number": respelt(SIGNED, data={"attributes": {"segment": "smb", "seats": "5"}}),
}


@pytest.mark.parametrize("raw", SAME.values(), ids=SAME.keys())
def test_the_same_in_other_words_is_a_duplicate(raw: bytes) -> None:
    account = Account("a")
    book(account, event_from(SIGNED), 41, DEFAULT_RULES)
    assert book(account, event_of(raw), 42, DEFAULT_RULES) == Duplicate(41)


@pytest.mark.parametrize("raw", OTHER.values(), ids=OTHER.keys())
def test_other_content_is_a_conflict_and_changes_nothing(raw: bytes) -> None:
    account = Account("a")
    book(account, event_from(SIGNED), 41, DEFAULT_RULES)
    before = snapshot(account)
    with pytest.raises(Refused, match="entry 41") as refused:
        book(account, event_of(raw), 42, DEFAULT_RULES)
    assert (refused.value.code, refused.value.field) == ("id_conflict", "id")
    assert snapshot(account) == before


def test_a_digest_covers_who_it_is_about() -> None:
    other = event_of(respelt(SIGNED, subject="b"))
    assert content_digest(other) != content_digest(event_from(SIGNED))


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize("waits", [0, 2])
def test_a_contract_keeps_its_currency(waits: int) -> None:
    """The refused signing changes nothing, and may come once the first one is retracted."""
    booked = Booked()
    booked.book_all(fact("paused", "a2", f"2024-01-0{day + 1}") for day in range(waits))
    booked.book(SIGNED)
    before = snapshot(booked.account("a"))
    with pytest.raises(Refused) as refused:
        booked.book(ABROAD)
    assert (refused.value.code, refused.value.field) == ("currency_changed", "data.currency")
    assert "USD" in refused.value.message
    assert "KRW" in refused.value.message
    assert snapshot(booked.account("a")) == before
    booked.book(retracted(SIGNED, "2024-03-01"))
    assert isinstance(booked.book(ABROAD), Booking)
    assert booked.unmatched["a"] == waits


def test_the_attributes_of_an_account_are_bounded() -> None:
    """Every posting carries all of them; what would be too many changes nothing, and removing some helps."""
    booked = Booked()
    for part in range(2):
        booked.book(changed("a", f"2024-01-0{part + 1}", **{f"n{part}_{n}": "x" for n in range(50)}))
    before = snapshot(booked.account("a"))
    with pytest.raises(Refused, match="101 attributes") as refused:
        booked.book(changed("a", "2024-01-03", one_more="x"))
    assert refused.value.code == "too_many_attributes"
    assert snapshot(booked.account("a")) == before
    booked.book(changed("a", "2024-01-04", n0_0=None))
    assert isinstance(booked.book(changed("a", "2024-01-05", one_more="x")), Booking)


def test_a_contract_keeps_its_currency_whichever_signing_came_first() -> None:
    booked = Booked()
    booked.book(ABROAD)
    with pytest.raises(Refused, match="KRW"):
        booked.book(SIGNED)


def test_a_bad_fact_changes_nothing() -> None:
    booked = Booked()
    booked.book(fact("paused", "a1", "2024-01-01"))
    before = snapshot(booked.account("a"))
    for bad in ({"lines": [line(1), line(1)]}, {"currency": "ABC"}, {"term": {"end": "2023-02-29"}}):
        with pytest.raises(Refused):
            booked.book(fact("signed", "a1", "2024-01-02", **({"lines": [line(1)]} | bad)))
    assert snapshot(booked.account("a")) == before
    assert booked.next_seq == 2


# ---------------------------------------------------------------- retractions


def test_a_retraction_that_comes_first_takes_its_event_as_it_arrives() -> None:
    booked = Booked()
    first = booked.book(retracted(SIGNED, "2024-01-05"))
    second = booked.book(SIGNED)
    assert isinstance(first, Booking)
    assert isinstance(second, Booking)
    assert (first.unmatched, second.unmatched) == (1, -1)
    assert second.postings == []
    assert booked.account("a").facts_in_force() == []


def test_retracting_a_retraction_brings_nothing_back() -> None:
    booked = Booked()
    first = retracted(SIGNED, "2024-01-05")
    second = retracted(first, "2024-01-06")
    booked.book_all([SIGNED, first, second])
    assert booked.account("a").facts_in_force() == []
    assert booked.unmatched == {"a": 0}
    assert sum(one.amount for one in booked.postings["a"]) == 0


def test_two_retractions_of_one_event_wait_once() -> None:
    booked = Booked()
    again = retracted(SIGNED, "2024-01-06") | {"id": "another"}
    booked.book_all([retracted(SIGNED, "2024-01-05"), again])
    assert booked.unmatched == {"a": 1}
    booked.book(SIGNED)
    assert booked.unmatched == {"a": 0}


def test_without_its_signing_a_fact_waits_again() -> None:
    booked = Booked()
    upgrade = fact("upgraded", "a1", "2024-02-01", lines=[line(200)])
    payment = fact("failed", "a1", "2024-02-02") | {"type": "revledger.payment.failed.v1"}
    booked.book_all([SIGNED, upgrade, payment])
    assert booked.unmatched == {"a": 0}
    booked.book(retracted(SIGNED, "2024-03-01"))
    assert booked.unmatched == {"a": 2}
    booked.book(retracted(upgrade, "2024-03-02"))
    assert booked.unmatched == {"a": 1}
    booked.book(SIGNED | {"id": "again"})
    assert booked.unmatched == {"a": 0}


def test_an_event_that_moves_nothing_can_be_retracted() -> None:
    booked = Booked()
    survey = fact("answered", "a1", "2024-01-01") | {
        "type": "revledger.survey.answered.v1",
        "data": {"survey": "nps", "score": 3},
    }
    bookings = booked.book_all([survey, retracted(survey, "2024-01-02"), changed("a", "2024-01-03", vip=True)])
    assert [one.postings for one in bookings if isinstance(one, Booking)] == [[], [], []]
    assert booked.unmatched == {"a": 0}


# ---------------------------------------------------------------- extremes


def test_the_largest_amounts_fit_into_the_bytes_of_a_posting() -> None:
    """A term ends on the day its renewal is agreed; then all that is taken back: twice the largest value."""
    most = VALUE_MAX // 120_000
    booked = Booked()
    terms = {"end": "2024-03-01", "auto_renew": False}, {"end": "2024-05-11"}
    story = [
        fact("signed", "a1", "2024-01-01", lines=[line(most)], term=terms[0]),
        fact("renewed", "a1", "2024-03-01", effective_at="2024-03-11", term=terms[1]),
    ]
    undone = [retracted(one, f"2024-06-0{day}") for day, one in enumerate(story, 1)]
    bookings = booked.book_all([*story, *undone])
    decoder = msgspec.msgpack.Decoder(list[Booking])
    assert decoder.decode(ENCODER.encode(bookings)) == bookings
    assert max(abs(one.amount) for one in booked.postings["a"]) == 2 * most * 120_000
    assert posted_sums("a", booked.postings["a"], ahead=True) == {}
    with pytest.raises(Refused, match="trillion"):
        fact_of(event_from(fact("signed", "a1", "2024-05-01", lines=[line(most + 1)])), 0, DEFAULT_RULES)


def test_the_first_and_the_last_day_can_be_booked() -> None:
    booked = Booked()
    booked.book_all(
        [
            fact("signed", "a1", "2024-01-01", effective_at="0001-01-01", lines=[line(100)]),
            fact("signed", "a2", "2024-01-01", lines=[line(100, **{"from": "9999-12-31"})]),
            fact("cancelled", "a1", "2024-01-02", effective_at="9999-12-31"),
        ]
    )
    falls = [one for one in booked.postings["a"] if one.movement == "churn"]
    assert falls == []
