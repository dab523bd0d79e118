"""Rates: which one is in force on a day, in either direction, and never a made-up one."""

from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest

from events.envelope import event_of
from projections.rates import RETRACTED, Kept, NoRate, Rates, kept_of, rates_key
from tests.model.days import Event
from tests.services.books import raw_of


def told(name: str, base: str, quote: str, rate: str, time: str, effective_at: str | None = None) -> Event:
    """A rate that is published."""
    data = {"base": base, "quote": quote, "rate": rate}
    data |= {} if effective_at is None else {"effective_at": effective_at}
    kind = "revledger.rate.published.v1"
    return {"id": name, "source": "/fx", "type": kind, "subject": "~book", "time": time, "data": data}


def retracted(name: str) -> Event:
    """One that is taken back."""
    data = {"source": "/fx", "id": name, "reason": "typo"}
    kind = "revledger.event.retracted.v1"
    return {
        "id": f"no-{name}", "source": "/fx", "type": kind, "subject": "~book",
        "time": "2024-01-01T00:00:00Z", "data": data,
    }


def rates(*events: Event, zone: ZoneInfo | None = None) -> Rates:
    """The rates of some events, in the order they arrive."""
    kept: Kept = {}
    for seq, event in enumerate(events):
        for key, fields in kept_of(event_of(raw_of(event)), seq).items():
            kept.setdefault(key, {}).update(fields)
    return Rates(kept, zone)


FIRST = told("1", "EUR", "USD", "1.10", "2024-01-05T10:00:00Z")
DAY = 19_727
"""2024-01-05."""


def test_a_rate_holds_from_its_day_until_the_next() -> None:
    found = rates(FIRST, told("2", "EUR", "USD", "1.2", "2024-01-01T00:00:00Z", "2024-01-08"))
    assert [found.in_force("EUR", "USD", DAY + days).rate for days in (0, 2, 3, 1000)] == ["1.10", "1.10", "1.2", "1.2"]
    assert found.changes("EUR", "USD", DAY - 9, DAY + 9) == [DAY, DAY + 3]
    assert found.changes("USD", "EUR", DAY - 1, DAY + 4) == [DAY, DAY + 3]
    assert found.changes("EUR", "USD", DAY, DAY + 3) == []
    with pytest.raises(NoRate) as missing:
        found.in_force("EUR", "USD", DAY - 1)
    assert (missing.value.base, missing.value.quote, missing.value.day, missing.value.first) == (
        *("EUR", "USD", DAY - 1, DAY),
    )


def test_of_one_day_the_direct_one_then_the_latest_then_the_last_to_arrive() -> None:
    turned = told("2", "USD", "EUR", "0.9", "2024-01-05T12:00:00Z")
    assert rates(FIRST, turned).in_force("EUR", "USD", DAY).rate == "1.10"
    assert rates(FIRST, turned).in_force("USD", "EUR", DAY).rate == "0.9"
    later, same = (told(name, "EUR", "USD", f"1.{name}", "2024-01-05T11:00:00Z") for name in ("3", "4"))
    assert rates(later, FIRST).in_force("EUR", "USD", DAY).rate == "1.3"
    assert rates(later, same).in_force("EUR", "USD", DAY).rate == "1.4"
    assert rates(same, later).in_force("EUR", "USD", DAY).rate == "1.3"
    newer = told("5", "USD", "EUR", "0.8", "2024-01-06T00:00:00Z")
    assert rates(FIRST, newer).in_force("EUR", "USD", DAY + 1).rate == "0.8"


def test_factors_are_exact_and_of_minor_units() -> None:
    """A yen has no cents: 150 yen a dollar make 1.5 yen of a cent, and two thirds of a cent of a yen."""
    rate = rates(told("1", "USD", "JPY", "150", "2024-01-05T00:00:00Z")).in_force("JPY", "USD", DAY)
    assert rate.factor("USD") == Fraction(3, 2)
    assert rate.factor("JPY") == Fraction(2, 3)
    dinar = rates(told("1", "KWD", "USD", "3.25", "2024-01-05T00:00:00Z")).in_force("KWD", "USD", DAY)
    assert dinar.factor("KWD") == Fraction(13, 40)


def test_a_retracted_rate_does_not_hold_whenever_that_was_said() -> None:
    for events in ((FIRST, retracted("1")), (retracted("1"), FIRST)):
        with pytest.raises(NoRate) as missing:
            rates(*events).in_force("EUR", "USD", DAY)
        assert missing.value.first is None


def test_rates_are_not_chained() -> None:
    found = rates(FIRST, told("2", "USD", "JPY", "150", "2024-01-01T00:00:00Z"))
    with pytest.raises(NoRate):
        found.in_force("EUR", "JPY", DAY)


def test_days_are_those_of_the_zone() -> None:
    late = told("1", "EUR", "USD", "1.1", "2024-01-05T23:30:00Z")
    berlin = rates(late, zone=ZoneInfo("Europe/Berlin"))
    assert berlin.in_force("EUR", "USD", DAY + 1).since == DAY + 1
    with pytest.raises(NoRate):
        berlin.in_force("EUR", "USD", DAY)
    assert rates(late).in_force("EUR", "USD", DAY).since == DAY


def test_views_keep_rates_and_retractions_and_nothing_else_of_the_book() -> None:
    assert list(kept_of(event_of(raw_of(FIRST)), 3)) == [rates_key("USD", "EUR")] == ["rates:EUR:USD"]
    assert kept_of(event_of(raw_of(retracted("1"))), 3) == {RETRACTED: {"/fx\n1": b"3"}}
    cost = {"kind": "retention", "amount_minor": 1, "currency": "USD", "from": "2024-01-01", "until": "2024-02-01"}
    other = {**FIRST, "type": "revledger.cost.recorded.v1", "data": cost}
    assert kept_of(event_of(raw_of(other)), 3) == {}
