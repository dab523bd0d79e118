"""A year with planted incidents: what should be told is told, in time, and nothing else is."""

from collections.abc import Sequence

import pytest

from events.block import Genesis
from events.policy import Policy
from projections.alerts import Alert
from projections.unusual import Day, unusual
from services.alerts.replaying import Replay
from services.alerts.rules.rulebook import rulebook_of_toml
from services.writer import Submitted
from tests.model.days import day_of, moment
from tests.services.alerts.desk import ONLY, rule
from tests.services.alerts.year import START, Incident, Year
from tests.services.books import MemoryBooks, raw_of
from tests.services.running import asynchronous

RULES = ONLY + "".join(
    [
        rule("stalled", "input_stalled", after='"2d"'),
        rule("gone", "churn", share_at_least='"1%"'),
        rule("notice", "notice", share_at_least='"1%"'),
        rule("unhappy", "score", score_at_most=6, share_at_least='"1%"'),
        rule("storm", "figure", figure='"gross_mrr_churn_rate"', above='"3%"', window='"7d"', cool_down='"7d"'),
        rule("leak", "figure", figure='"gross_mrr_churn_rate"', above='"6%"', window='"30d"', cool_down='"7d"'),
    ]
)


async def books_of_year(year: Year) -> MemoryBooks:
    """The books of a year, each event recorded when it happened."""
    books = await MemoryBooks().start()
    for at, event in year.events:
        (outcome,) = await books.writer.write([Submitted(raw_of(event), at)])
        assert outcome.status == "accepted", outcome
    return books


async def alerts_of(year: Year) -> list[Alert]:
    """What the rules tell of a year."""
    books = await books_of_year(year)
    first = day_of(START.date().isoformat())
    span = (moment("2024-01-01T00:00:00Z"), (first + 365) * 86_400_000_000)
    replay = Replay(books.ledger, Genesis(1, Policy()), rulebook_of_toml(RULES), span)
    return [one.alert async for one in replay.run() if not one.is_over]


def explained(alert: Alert, incidents: Sequence[Incident]) -> Incident | None:
    """The incident that an alert tells of; one of a day is told with the day's end."""
    day = (alert.recorded_at - 1) // 86_400_000_000 - day_of(START.date().isoformat())
    for one in incidents:
        is_whom = alert.account in ("", one.account)
        if alert.rule in one.rules and is_whom and one.first_day <= day <= one.last_day:
            return one
    return None


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
@asynchronous
async def test_what_is_planted_is_told_and_nothing_else(seed: int) -> None:
    year = Year(seed).built()
    alerts = await alerts_of(year)
    found = {one.name: one for alert in alerts if (one := explained(alert, year.incidents)) is not None}
    false = [(alert.rule, alert.summary) for alert in alerts if explained(alert, year.incidents) is None]
    assert false == [], "precision"
    known_before = {"notice that came true"}
    assert found.keys() | known_before == {one.name for one in year.incidents}, "recall"


@pytest.mark.slow
@asynchronous
async def test_days_of_storms_and_of_large_losses_are_unusual_and_no_others() -> None:
    year, first = Year(3).built(), day_of(START.date().isoformat())
    books = await books_of_year(year)
    await books.projector.catch_up()
    answer = await books.bridge(start="2023-12-02", until="2024-12-31", every="day", currency="USD")
    days = [Day(day_of(row["from"]), -row["annual_e4"]["churn"], row["annual_e4"]["opening"]) for row in answer["rows"]]
    large = [(place, now) for place, now in enumerate(days) if now.amount * 200 >= now.opening > 0]
    found = {now.day - first for place, now in large if unusual(days[:place], now, 3)}
    planted = {one.name: one.first_day for one in year.incidents}
    told = {planted["storm"], planted["gone"], planted["notice that came true"]}
    assert told <= found <= {*told, planted["storm"] + 1}
