"""Watching: what is stale is told once and first, what was held back goes when it is over."""

from typing import Any

from msgspec.structs import replace

from events.block import Genesis
from services.alerts.firing.watching import Watch
from services.alerts.outbox import HELD
from services.alerts.replaying import Replay
from services.alerts.rules.rulebook import rulebook_of_toml
from services.writer import Submitted
from tests.model.days import moment
from tests.model.notation import fact
from tests.services.alerts.desk import ONLY, Desk, desk_of, rule, stopped_clock, two_accounts
from tests.services.books import POLICY, raw_of
from tests.services.eras import Eras
from tests.services.running import asynchronous

STALLED = ONLY + rule("stalled", "input_stalled", after='"6h"') + rule("gone", "churn")
BEHIND = ONLY + rule("views", "projection_behind", after='"1m"') + rule("alerts", "lag", after='"2m"')


def kinds(desk: Desk) -> list[tuple[str, str]]:
    """Type and rule of what waits."""
    return sorted((one["type"].split(".")[2], one["data"]["rule"]) for one in desk.waiting())


async def looked(desk: Desk, clock: Any, at: str) -> list[tuple[str, str]]:
    """What waits after a look at a moment."""
    clock.text = at
    await desk.watch.look()
    return kinds(desk)


@asynchronous
async def test_an_input_that_stalls_is_told_once_and_its_end_too() -> None:
    with stopped_clock() as clock:
        desk = await desk_of(clock, STALLED, *two_accounts())
        assert await looked(desk, clock, "2024-06-01T06:00:00Z") == []
        assert await looked(desk, clock, "2024-06-01T06:00:01Z") == [("fired", "stalled")]
        assert await looked(desk, clock, "2024-06-01T07:00:00Z") == [("fired", "stalled")]
        assert desk.waiting()[0]["data"]["summary"] == (
            "no event has come to partition 0 for 6 h; the last was recorded at 2024-06-01T00:00:00Z"
        )
        after = desk.another()
        await after.start()
        assert after.open.keys() == desk.alerter.open.keys() == {"~stalled"}
        clock.text = "2024-06-01T08:00:00Z"
        await desk.alerter.start()
        await desk.book(fact("cancelled", "b1", "2024-06-01"), at=clock.text)
        assert [one.due == HELD for one in desk.alerter.outbox.of_sink("log")] == [False, True]
        told = [("fired", "gone"), ("fired", "stalled"), ("resolved", "stalled")]
        assert await looked(desk, clock, clock.text) == told
        assert not any(one.due == HELD for one in desk.alerter.outbox.of_sink("log"))


@asynchronous
async def test_an_adoption_is_no_input() -> None:
    """Neither live nor in a replay, which tells when the stall began."""
    with stopped_clock() as clock:
        desk = await desk_of(clock, STALLED, *two_accounts(), fact("paused", "a1", "2024-02-01"))
        clock.text = "2024-06-01T05:00:00Z"
        assert await Eras(POLICY, desk.books.ledger).adopt(replace(POLICY, name="full", paused="full"))
        await desk.books.projector.catch_up()
        await desk.alerter.catch_up()
        assert await looked(desk, clock, "2024-06-01T06:00:01Z") == [("fired", "stalled")]
        span = (moment("2024-06-01T00:00:00Z"), moment("2024-06-02T00:00:00Z"))
        replay = Replay(desk.books.ledger, Genesis(1, POLICY), rulebook_of_toml(STALLED), span)
        assert [one.alert.recorded_at async for one in replay.run()] == [moment("2024-06-01T06:00:00Z")]


@asynchronous
async def test_projections_and_alerts_that_are_behind_are_told() -> None:
    with stopped_clock() as clock:
        desk = await desk_of(clock, BEHIND, *two_accounts())
        await desk.books.writer.write([Submitted(raw_of(fact("cancelled", "b1", "2024-06-01")), clock.now())])
        assert await looked(desk, clock, "2024-06-01T00:01:01Z") == [("fired", "views")]
        assert await looked(desk, clock, "2024-06-01T00:02:01Z") == [("fired", "alerts"), ("fired", "views")]
        assert "projections of partition 0 are 2 min behind" in desk.alerter.stale
        await desk.books.projector.catch_up()
        await desk.alerter.catch_up()
        assert len(await looked(desk, clock, "2024-06-01T00:02:02Z")) == 4
        assert desk.alerter.stale == ""


@asynchronous
async def test_a_process_that_starts_behind_has_time_to_catch_up() -> None:
    with stopped_clock() as clock:
        desk = await desk_of(clock, BEHIND, *two_accounts())
        await desk.books.writer.write([Submitted(raw_of(fact("cancelled", "b1", "2024-06-01")), clock.now())])
        clock.text = "2024-06-03T00:00:00Z"
        desk.watch = Watch(desk.books.ledger, desk.books.views, desk.alerter, desk.state, 0)
        assert await looked(desk, clock, "2024-06-03T00:00:30Z") == []
        assert "projections of partition 0" in desk.alerter.stale, "what it finds meanwhile is held back"
        assert await looked(desk, clock, "2024-06-03T00:01:01Z") == [("fired", "views")]


@asynchronous
async def test_without_such_rules_nothing_is_stale() -> None:
    with stopped_clock() as clock:
        desk = await desk_of(clock, ONLY + rule("gone", "churn"), *two_accounts())
        assert await looked(desk, clock, "2025-06-01T00:00:00Z") == []
