"""What each event says to the books: one fact, or none; its days, terms, sellers and attributes."""

from collections.abc import Callable
from datetime import timedelta, timezone
from typing import Any

import pytest

from events.days import DAY_MICROSECONDS, FIRST_DAY
from events.facts import NEVER, Fact, fact_of, key_of
from events.policy import DEFAULT_RULES, Rules
from events.vocabulary import BOOK_SUBJECT, EVENT_TYPES, OWN_TYPES
from tests.events.booked import event_from
from tests.model.days import Event, day_of
from tests.model.notation import changed, fact, line

SEOUL = timezone(timedelta(hours=9))
TIME = "2024-03-05T16:30:00Z"
DAY = day_of("2024-03-05")
MOMENT = DAY * DAY_MICROSECONDS + (16 * 60 + 30) * 60_000_000


def of(kind: str, **said: Any) -> Fact:
    """The fact of a contract event."""
    found = fact_of(event_from(fact(kind, "a1", TIME, **said)), 7, DEFAULT_RULES)
    assert found is not None
    return found


def other(name: str, subject: str = "a", /, **data: Any) -> Event:
    """An event that is not about a contract's life."""
    return fact("x", "a1", TIME) | {"type": f"revledger.{name}.v1", "subject": subject, "data": data}


@pytest.mark.parametrize(
    ("kind", "said", "expected"),
    [
        ("signed", {"lines": [line(1)]}, "signed"),
        ("upgraded", {"lines": [line(1)]}, "amended"),
        ("downgraded", {"lines": [line(1)]}, "amended"),
        ("renewed", {}, "renewed"),
        ("cancelled", {}, "cancelled"),
        ("paused", {}, "paused"),
        ("resumed", {}, "resumed"),
    ],
)
def test_a_contract_event_is_a_fact_about_its_contract(kind: str, said: dict[str, Any], expected: str) -> None:
    """On the day of its time, unless it names another."""
    found = of(kind, **said)
    assert (found.kind, found.contract_id, found.seq) == (expected, "a1", 7)
    assert (found.day, found.moment, found.moment_day) == (DAY, MOMENT, DAY)
    assert found.order == (DAY, MOMENT, 7)
    later = of(kind, **said, effective_at="2024-06-01")
    assert (later.day, later.moment_day) == (day_of("2024-06-01"), DAY)


def test_days_are_those_of_the_reporting_zone() -> None:
    event = event_from(fact("paused", "a1", TIME))
    found = fact_of(event, 7, Rules(zone=SEOUL))
    assert found is not None
    assert (found.day, found.moment, found.moment_day) == (DAY + 1, MOMENT, DAY + 1)


def test_a_signing_in_full() -> None:
    found = of(
        "signed",
        lines=[line(100, product="desk"), line(5, line_id="l2", kind="usage")],
        currency="KRW",
        term={"start": "2024-03-01", "end": "2025-03-01", "auto_renew": False},
        trial_end="2024-04-01",
        owner="kim",
        channel="partner",
        campaign="spring",
        attributes={"segment": "smb", "vip": True, "seats": 50, "empty": ""},
    )
    assert found.lines is not None
    assert [(one.line_id, one.plan, one.product) for one in found.lines] == [("l1", "plan", "desk")]
    assert found.currency == "KRW"
    assert (found.expires, found.term_months) == (day_of("2025-03-01"), 12)
    assert found.trial_end == day_of("2024-04-01")
    assert found.seller == (("campaign", "spring"), ("channel", "partner"), ("owner", "kim"))
    assert dict(found.attributes) == {"segment": "smb", "vip": "true", "seats": "50", "empty": ""}


def test_a_signing_in_short() -> None:
    found = of("signed", lines=[line(100)])
    assert (found.expires, found.term_months, found.trial_end) == (NEVER, 0, FIRST_DAY)
    assert (found.seller, found.attributes, found.reason, found.initiative) == ((), (), "", "")


@pytest.mark.parametrize(
    ("term", "expires", "months"),
    [
        ({}, NEVER, 0),
        ({"auto_renew": False}, NEVER, 0),
        ({"start": "2024-01-01"}, NEVER, 0),
        ({"end": "2024-06-05"}, NEVER, 3),
        ({"end": "2024-06-05", "auto_renew": False}, day_of("2024-06-05"), 3),
        ({"end": "2024-06-04", "auto_renew": False}, day_of("2024-06-04"), 2),
        ({"start": "2024-06-05", "end": "2024-06-05", "auto_renew": False}, day_of("2024-06-05"), 0),
        ({"start": "2023-01-01", "end": "2024-01-01", "auto_renew": False}, day_of("2024-01-01"), 12),
    ],
)
def test_terms(term: dict[str, Any], expires: int, months: int) -> None:
    """A term starts on the effective day, unless it names another; only one that does not renew itself expires."""
    for found in (of("signed", lines=[line(1)], term=term), of("renewed", term=term)):
        assert (found.expires, found.term_months) == (expires, months)


def test_a_renewal_without_lines_keeps_them() -> None:
    assert of("renewed").lines is None
    assert of("renewed", lines=[line(1, kind="usage")]).lines == ()


def test_a_cancellation_says_why() -> None:
    found = of("cancelled", reason="price", initiative="involuntary", reason_text="Too much!")
    assert (found.reason, found.initiative) == ("price", "involuntary")
    assert (of("cancelled").reason, of("cancelled").initiative) == ("", "")


def test_an_account_changes() -> None:
    event = event_from(changed("a", TIME, segment=None, vip=False))
    found = fact_of(event, 7, DEFAULT_RULES)
    assert found is not None
    assert (found.kind, found.contract_id) == ("changed", "")
    assert dict(found.attributes) == {"segment": None, "vip": "false"}


@pytest.mark.parametrize("name", ["payment.failed", "payment.recovered"])
def test_a_payment_is_a_fact_that_moves_nothing(name: str) -> None:
    found = fact_of(event_from(other(name, contract_id="a1", currency="USD", amount_minor=5)), 7, DEFAULT_RULES)
    assert found is not None
    assert (found.kind, found.contract_id, found.lines) == ("noted", "a1", None)


SILENT: dict[str, Callable[[], Event]] = {
    "survey": lambda: other("survey.answered", survey="nps", score=10),
    "another scale": lambda: other("survey.answered", survey="nps", score=90, scale_max=100),
    "no scale": lambda: other("survey.answered", survey="ces", score=900),
    "cost": lambda: other(
        "cost.recorded",
        **{"kind": "retention", "amount_minor": 5, "currency": "USD", "from": "2024-01-01", "until": "2024-01-01"},
    ),
    "rate": lambda: other("rate.published", BOOK_SUBJECT, base="USD", quote="KRW", rate="1300"),
    "retraction": lambda: other("event.retracted", source="/a", id="1", reason="wrong"),
}


@pytest.mark.parametrize("said", SILENT.values(), ids=SILENT.keys())
def test_the_rest_says_nothing_about_revenue(said: Callable[[], Event]) -> None:
    assert fact_of(event_from(said()), 7, DEFAULT_RULES) is None


def test_every_event_of_the_vocabulary_has_a_reducer() -> None:
    from events.facts import REDUCERS

    assert set(REDUCERS) == {*EVENT_TYPES.values(), *OWN_TYPES.values()}


def test_a_key_names_one_event() -> None:
    assert key_of("/a", "1\n2") != key_of("/a\n1", "2\n")
    assert key_of("/a", "1") == "/a\n1"
