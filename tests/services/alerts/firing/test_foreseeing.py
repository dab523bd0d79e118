"""Foreseeing: what is told of dates that come, once each, and what a replay tells of it."""

from typing import Any

from events.block import Genesis
from events.policy import Policy
from services.alerts.alerter import DATES
from services.alerts.firing.foreseeing import foreseen, past_dates
from services.alerts.replaying import Replay
from services.alerts.rules.rulebook import rulebook_of_toml
from tests.model.days import day_of, moment
from tests.model.notation import fact, line
from tests.services.alerts.desk import ONLY, Clock, Desk, desk_of, rule, stopped_clock, survey, two_accounts
from tests.services.running import asynchronous

RULES = ONLY + rule("ends", "renewal", within='"30d"', score_at_least=7, mrr_at_least=50)
SUMMARY = "c1 of c renews itself on 2024-07-01: 100.00 USD of MRR, 9.09% of all; "


def ending() -> Any:
    """A contract of the account c whose term ends on July 1."""
    return fact("signed", "c1", "2023-07-01", lines=[line(10_000)], term={"end": "2024-07-01"})


async def look(desk: Desk, today: str) -> None:
    """Looks at the dates as on a day, and tells what there is."""
    desk.clock.text = f"{today}T12:00:00Z"
    found = await foreseen(desk.books.reports, desk.state.rulebook.rules, day_of(today), desk.clock.now())
    if DATES in desk.alerter.reviewed:
        await desk.alerter.tell(found.beyond, past=past_dates(desk.alerter.open, day_of(today)))
    else:
        await desk.alerter.note(found.beyond, DATES)


async def desk_with_term(clock: Clock) -> Desk:
    """A desk that has looked at its dates before there was any."""
    desk = await desk_of(clock, RULES, *two_accounts())
    await look(desk, "2024-06-01")
    await desk.book(ending())
    return desk


@asynchronous
async def test_a_term_is_told_once_whatever_is_answered_and_whoever_comes_after() -> None:
    with stopped_clock() as clock:
        desk = await desk_with_term(clock)
        await look(desk, "2024-06-02")
        assert desk.told() == [("ends", SUMMARY + "there is no score")]
        await desk.book(survey("c", "2024-06-03", 9), at="2024-06-03T12:00:00Z")
        await look(desk, "2024-06-03")
        await desk.book(survey("c", "2024-06-04", 2), at="2024-06-04T12:00:00Z")
        await look(desk, "2024-06-04")
        desk.alerter = desk.another()
        await desk.alerter.start()
        await look(desk, "2024-06-05")
        assert len(desk.told()) == 1
        assert desk.waiting()[0]["data"]["explain"] == (
            "revledger report renewals --on 2024-06-02 --currency USD --where account=c"
        )


@asynchronous
async def test_a_state_is_forgotten_without_a_word_when_its_date_is_over() -> None:
    with stopped_clock() as clock:
        desk = await desk_with_term(clock)
        await look(desk, "2024-06-02")
        assert [*desk.alerter.open] == ["@ends|USD|c|c1|2024-07-01"]
        await look(desk, "2024-07-03")
        assert len(desk.alerter.open) == 1
        await look(desk, "2024-07-04")
        assert (len(desk.alerter.open), len(desk.told())) == (0, 1)


@asynchronous
async def test_what_ends_soon_when_alerts_begin_is_taken_for_granted() -> None:
    with stopped_clock() as clock:
        desk = await desk_of(clock, RULES, ending())
        await look(desk, "2024-06-02")
        await look(desk, "2024-06-03")
        assert (desk.told(), len(desk.alerter.open)) == ([], 1)


@asynchronous
async def test_the_last_score_is_told() -> None:
    with stopped_clock() as clock:
        desk = await desk_with_term(clock)
        await desk.book(survey("c", "2024-06-02", 5), survey("c", "2024-06-02T01:00:00Z", 1, survey="csat"))
        await look(desk, "2024-06-02")
        assert desk.told() == [("ends", SUMMARY + "the last score is 5 of 10 (nps)")]


@asynchronous
async def test_a_day_on_which_more_is_lost_than_on_others_of_its_kind_is_told_once() -> None:
    rules = ONLY + rule("storm", "unusual", share_at_least='"5%"') + rule("by", "unusual", mrr_at_least=1, by='"owner"')
    signed = [
        fact("signed", f"{name}1", "2024-01-01", lines=[line(10_000)], owner="kim" if name < "m" else "lee")
        for name in "abcdefghijklmnopqrst"
    ]
    with stopped_clock() as clock:
        desk = await desk_of(clock, rules, *signed)
        await look(desk, "2024-06-04")
        await desk.book(fact("cancelled", "a1", "2024-06-05"), at="2024-06-05T09:00:00Z")
        await look(desk, "2024-06-05")
        usual = "; of 21 Wednesdays before half had up to 0.00, 0.00 is still usual"
        small = ("by", f"unusual churn of owner kim on 2024-06-05: 100.00 USD of MRR, 8.33% of all{usual}")
        large = ("storm", f"unusual churn on 2024-06-05: 100.00 USD of MRR, 5.00% of all{usual}")
        assert desk.told() == [small, large]
        await desk.book(fact("cancelled", "b1", "2024-06-05"), at="2024-06-05T10:00:00Z")
        await look(desk, "2024-06-05")
        await look(desk, "2024-06-06")
        assert len(desk.told()) == 2
        assert desk.waiting()[0]["data"]["explain"].startswith(
            "revledger explain churn --from 2024-06-05 --until 2024-06-06 --currency USD"
        )


@asynchronous
async def test_a_replay_tells_it_once_on_the_first_day() -> None:
    with stopped_clock() as clock:
        desk = await desk_of(clock, RULES, *two_accounts())
        await desk.book(ending(), at="2024-06-03T09:00:00Z")
        await desk.book(survey("b", "2024-06-20", 9), at="2024-06-20T12:00:00Z")
        span = (moment("2024-06-01T00:00:00Z"), moment("2024-07-10T00:00:00Z"))
        replay = Replay(desk.books.ledger, Genesis(1, Policy()), rulebook_of_toml(RULES), span)
        found = [(one.alert.recorded_at, one.is_over) async for one in replay.run()]
        assert found == [(moment("2024-06-04T00:00:00Z"), False)]
