"""Replaying alerts: the same as live, of any part of the ledger, and nothing is sent."""

from events.block import Genesis
from events.policy import Policy
from services.alerts.replaying import Replay, Replayed
from services.alerts.rules.rulebook import rulebook_of_toml
from tests.model.days import Event, moment
from tests.model.notation import fact, line
from tests.services.alerts.desk import ONLY, Clock, Desk, rule, stopped_clock, survey, two_accounts
from tests.services.running import asynchronous

RULES = ONLY + "".join(
    [
        rule("gone", "churn"),
        rule("less", "contraction", share_at_least='"5%"'),
        rule("notice", "notice"),
        rule("low", "score", score_at_most=6, mrr_at_least=500, cool_down='"2d"'),
        rule("fell", "score", fall_at_least=3),
    ]
)
HISTORY: list[tuple[str, list[Event]]] = [
    ("2024-06-01T00:00:00Z", two_accounts()),
    ("2024-06-02T00:00:00Z", [survey("a", "2024-06-01", 9), survey("b", "2024-06-01", 2)]),
    ("2024-06-03T00:00:00Z", [survey("a", "2024-06-02", 4), fact("signed", "c1", "2024-06-03", lines=[line(5_000)])]),
    ("2024-06-04T00:00:00Z", [survey("a", "2024-06-04", 3)]),
    ("2024-06-05T00:00:00Z", [fact("downgraded", "a1", "2024-06-05", lines=[line(80_000)])]),
    ("2024-06-06T00:00:00Z", [survey("a", "2024-06-06", 1), fact("cancelled", "c1", "2024-06-05")]),
    ("2024-06-08T00:00:00Z", [fact("cancelled", "a1", "2024-06-08", effective_at="2024-09-01", reason="price")]),
    ("2024-06-09T00:00:00Z", [fact("cancelled", "b1", "2024-01-15")]),
]


async def desk_with_history(clock: Clock, rules: str = RULES) -> Desk:
    """A desk that has seen it all happen."""
    desk = await Desk(clock, rules).start()
    for at, events in HISTORY:
        await desk.book(*events, at=at)
    return desk


async def replayed(desk: Desk, rules: str, start: str, until: str) -> tuple[list[Replayed], int]:
    """What would have fired, and how much was history."""
    genesis = Genesis(1, Policy())
    span = (moment(f"{start}T00:00:00Z"), moment(f"{until}T00:00:00Z"))
    replay = Replay(desk.books.ledger, genesis, rulebook_of_toml(rules), span)
    return [one async for one in replay.run()], replay.late


@asynchronous
async def test_a_replay_finds_what_was_found_live() -> None:
    with stopped_clock() as clock:
        desk = await desk_with_history(clock)
        live = [(one["id"], one["data"]["summary"]) for one in desk.waiting()]
        found, late = await replayed(desk, RULES, "2024-06-01", "2024-07-01")
        assert sorted(live) == sorted((one.alert.id, one.alert.summary) for one in found)
        assert [one.alert.rule for one in found] == ["low", "fell", "less", "low", "gone", "notice"]
        assert late == 1


@asynchronous
async def test_a_part_of_it_knows_what_was_before() -> None:
    with stopped_clock() as clock:
        desk = await desk_with_history(clock)
        found, _ = await replayed(desk, RULES, "2024-06-03", "2024-06-06")
        assert [one.alert.rule for one in found] == ["low", "fell", "less"]


@asynchronous
async def test_figures_are_looked_at_as_days_end_and_come_back() -> None:
    rules = ONLY + rule("low", "figure", figure='"mrr_minor"', below=1_000)
    rules += rule("stalled", "input_stalled", after='"2d"')
    with stopped_clock() as clock:
        desk = await desk_with_history(clock)
        more = fact("signed", "d1", "2024-06-12", lines=[line(50_000)])
        await desk.book(more, at="2024-06-12T12:00:00Z")
        found, _ = await replayed(desk, rules, "2024-06-01", "2024-06-14")
        told = [(one.alert.rule, one.is_over, one.alert.recorded_at) for one in found]
        assert told == [
            ("low", False, moment("2024-06-06T00:00:00Z")),
            ("stalled", False, moment("2024-06-11T00:00:00Z")),
            ("low", True, moment("2024-06-13T00:00:00Z")),
        ]
        assert found[0].alert.summary == "mrr_minor is 950.00 USD, below 1,000"


@asynchronous
async def test_what_stalled_before_or_was_never_heard_of_is_not_told_again() -> None:
    """Before the first event nothing stalls, and a stall is told of once: when it begins to be one."""
    with stopped_clock() as clock:
        desk = await desk_with_history(clock)
        rules = ONLY + rule("stalled", "input_stalled", after='"2d"')
        for span in (("2024-05-01", "2024-05-20"), ("2024-06-20", "2024-06-30")):
            assert await replayed(desk, rules, *span) == ([], 0)
        found, _ = await replayed(desk, rules, "2024-06-10", "2024-06-30")
        assert [one.alert.recorded_at for one in found] == [moment("2024-06-11T00:00:00Z")]
