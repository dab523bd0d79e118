"""Renewals: terms that end soon, the answers given, and which of them a rule tells of."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest

from events.days import text_of_day
from events.notes import noted, noted_after, notes_in_force
from projections.alerts import Position
from projections.renewals import Renewal, alert_of_renewal, renewals_of, stake_of_renewal
from projections.rules import Rule
from tests.model.days import Event, day_of
from tests.model.notation import fact, line
from tests.projections.folding import bookings_of, projected
from tests.services.alerts.desk import survey
from tests.services.books import raw_of

TODAY = day_of("2024-06-01")
ENDS = {"start": "2023-07-01", "end": "2024-07-01"}
RULE = Rule(name="r", on="renewal", within_days=30, score_at_least=7)


def signed(**term: object) -> Event:
    """A contract of the account a with a term, at 100 a month."""
    return fact("signed", "a1", "2023-07-01", lines=[line(10_000)], term={**ENDS, **term}, owner="kim")


def ending(days: int, *history: Event) -> list[Renewal]:
    """What ends within so many days of June 1, 2024."""
    notes = notes_in_force(noted_after(None, [note for event in history if (note := noted(raw_of(event), None))]))
    items = list(projected([bookings_of(history)]).record("a").items())
    found, whole = renewals_of([("a", items, notes)], ["USD", "EUR"], TODAY, days)
    assert whole["EUR"] == 0
    return found


@pytest.mark.parametrize(("days", "found"), [(30, ["2024-07-01"]), (29, [])])
def test_a_term_ends_within_some_days(days: int, found: list[str]) -> None:
    assert [text_of_day(one.end) for one in ending(days, signed())] == found


@pytest.mark.parametrize(
    ("more", "count"),
    [
        ([], 1),
        ([fact("cancelled", "a1", "2024-05-01", effective_at="2024-07-01")], 0),
        ([fact("cancelled", "a1", "2024-05-01", effective_at="2024-06-15")], 0),
        ([fact("renewed", "a1", "2024-05-01", effective_at="2024-07-01", term={"end": "2025-07-01"})], 0),
        ([fact("renewed", "a1", "2024-06-01", term={"end": "2025-07-01"})], 0),
    ],
)
def test_what_somebody_has_given_notice_of_or_renewed_is_left_out(more: Sequence[Event], count: int) -> None:
    assert len(ending(30, signed(), *more)) == count


def test_a_term_that_does_not_renew_itself_is_told_with_its_end() -> None:
    (one,) = ending(30, signed(auto_renew=False))
    assert (one.renews, one.level, one.plans, one.label("owner")) == (False, 12 * 10_000 * 10_000, ("plan",), "kim")
    gone = fact("cancelled", "a1", "2024-05-01", effective_at="2024-06-15")
    assert ending(30, signed(auto_renew=False), gone) == []


@pytest.mark.parametrize(
    ("answers", "is_told"),
    [
        ([], True),
        ([("2024-05-01", 6, {})], True),
        ([("2024-05-01", 7, {})], False),
        ([("2024-05-01", 7, {}), ("2024-05-02", 6, {"respondent": "cfo"})], True),
        ([("2024-05-02", 7, {"respondent": "cfo"}), ("2024-05-01", 6, {})], False),
        ([("2024-06-02", 9, {})], True),
        ([("2024-05-01", 5, {"survey": "csat"})], True),
    ],
)
def test_the_last_answer_by_the_end_of_the_day_counts(
    answers: list[tuple[str, int, dict[str, Any]]], is_told: bool
) -> None:
    (one,) = ending(30, signed(), *(survey("a", time, score, **said) for time, score, said in answers))
    assert (stake_of_renewal(RULE, one, TODAY, one.level) is not None) == is_told


@pytest.mark.parametrize(
    ("said", "is_told"),
    [
        ({}, True),
        ({"score_at_least": None}, True),
        ({"within_days": 29}, False),
        ({"mrr_at_least": Fraction(100)}, True),
        ({"mrr_at_least": Fraction(10_001, 100)}, False),
        ({"mrr_at_least": Fraction(101), "share_at_least": Fraction(1, 4)}, True),
        ({"share_at_least": Fraction(26, 100)}, False),
        ({"currency": "EUR"}, False),
        ({"where": (("owner", "kim"), ("plan", "plan"), ("account", "a"))}, True),
        ({"where": (("owner", "lee"),)}, False),
    ],
)
def test_a_rule_asks_for_amounts_and_labels(said: dict[str, Any], is_told: bool) -> None:
    (one,) = ending(30, signed())
    rule = Rule(**{"name": "r", "on": "renewal", "within_days": 30, "score_at_least": 7, **said})
    assert (stake_of_renewal(rule, one, TODAY, 4 * one.level) is not None) == is_told


def test_an_alert_has_an_id_by_contract_and_term() -> None:
    (one,) = ending(30, signed(), survey("a", "2024-05-01", 3, respondent="cfo"))
    stake = stake_of_renewal(RULE, one, TODAY, 2 * one.level)
    assert stake is not None
    alert = alert_of_renewal("books", RULE, one, stake, Position(0, 5), TODAY, 0)
    later = alert_of_renewal("books", RULE, one, stake, Position(0, 9), TODAY + 1, 1)
    assert alert.id == later.id
    assert alert.id != alert_of_renewal("others", RULE, one, stake, Position(0, 5), TODAY, 0).id
    assert (alert.mrr_minor, alert.share, alert.effective, alert.renews) == (10_000, "0.50000000", "2024-07-01", True)
    assert [(answer.score, answer.respondent) for answer in alert.scores] == [(3, "cfo")]
    assert (alert.owner, alert.contracts) == ("kim", ("a1",))
