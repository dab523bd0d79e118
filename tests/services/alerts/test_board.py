"""The board: who looks after an alert, what was given up, and requests that are taken over once, whatever is lost."""

import asyncio
from unittest.mock import patch

import pytest
from msgspec.structs import replace

from services.alerts.board import Board, Escalation
from services.alerts.outbox import HELD
from services.alerts.requests import Request, Requests
from services.views.memory import memory_views
from services.views.port import Fenced
from tests.model.notation import fact
from tests.services.alerts.desk import ONLY, Clock, Desk, desk_of, rule, stopped_clock, two_accounts
from tests.services.running import asynchronous

SINKS = "".join(f'[[sink]]\nname = "{name}"\nkind = "log"\n' for name in ("log", "boss"))
RULES = ONLY + rule("gone", "churn", escalate_after='"30m"', escalate_to='["boss"]') + SINKS
HALF_AN_HOUR = 1_800_000_000


async def desk_with_two(clock: Clock) -> Desk:
    """A desk where two accounts have left."""
    desk = await desk_of(clock, RULES, *two_accounts())
    await desk.book(fact("cancelled", "a1", "2024-06-01"), fact("cancelled", "b1", "2024-06-01"))
    return desk


def escalations(desk: Desk) -> list[tuple[str, int]]:
    """Of whom it will be told that nobody has acknowledged it, and when."""
    return sorted((one.id, one.due) for one in desk.alerter.outbox.of_sink("boss"))


def id_of(desk: Desk, account: str) -> str:
    """The id of the alert about an account."""
    return next(str(one["id"]) for one in desk.waiting() if one["subject"] == account)


@asynchronous
async def test_what_nobody_acknowledges_is_escalated_and_what_somebody_does_is_not() -> None:
    with stopped_clock() as clock:
        desk = await desk_with_two(clock)
        first, second = id_of(desk, "a"), id_of(desk, "b")
        due = clock.now() + HALF_AN_HOUR
        assert escalations(desk) == sorted([(f"{first}.escalated", due), (f"{second}.escalated", due)])
        shown = await desk.board.acknowledge(first, "kim")
        assert shown is not None
        assert (shown.state, shown.document()["acknowledged"]["by"]) == ("acknowledged", "kim")
        assert await desk.answer()
        assert escalations(desk) == [(f"{second}.escalated", due)]
        assert len(desk.waiting()) == 2, "what fired is sent in any case"
        desk.alerter = desk.another()
        await desk.alerter.start()
        assert escalations(desk) == [(f"{second}.escalated", due)]
        assert [(one.subject, one.state) for one in await desk.board.alerts()] in (
            [("a", "acknowledged"), ("b", "fired")],
            [("b", "fired"), ("a", "acknowledged")],
        )


@asynchronous
async def test_when_and_to_whom_it_goes_is_shown_and_that_it_has() -> None:
    with stopped_clock() as clock:
        desk = await desk_with_two(clock)
        first, second = id_of(desk, "a"), id_of(desk, "b")

        async def shown(alert_id: str) -> list[Escalation]:
            found = await desk.board.alert(alert_id)
            assert found is not None
            return [*found.escalations]

        due = Escalation("boss", "2024-06-01T00:30:00Z")
        assert (await shown(first), await shown(second)) == ([due], [due])
        await desk.board.acknowledge(first, "kim")
        assert await shown(first) == [], "also before the alerter knows"
        (going,) = [one for one in desk.alerter.outbox.of_sink("boss") if one.id == f"{second}.escalated"]
        desk.alerter.outbox.failed(going, going.due, "503")
        await desk.alerter.save()
        assert await shown(second) == [replace(due, error="503")]
        (tried,) = [one for one in desk.alerter.outbox.of_sink("boss") if one.id == going.id]
        desk.alerter.outbox.sent(tried)
        await desk.alerter.save()
        assert [(one.sink, one.is_told) for one in await shown(second)] == [("boss", True)]
        await desk.board.acknowledge(second, "kim")
        assert len(await shown(second)) == 1, "it was told all the same"


@asynchronous
async def test_whoever_was_first_stays() -> None:
    with stopped_clock() as clock:
        desk = await desk_with_two(clock)
        first = id_of(desk, "a")
        await desk.board.acknowledge(first, "kim")
        await desk.answer()
        again = await desk.board.acknowledge(first, "lee")
        assert again is not None
        assert again.acknowledged is not None
        assert again.acknowledged.by == "kim"
        assert await desk.board.acknowledge("alr_none", "kim") is None


@asynchronous
async def test_requests_are_taken_over_once_also_by_whoever_comes_after() -> None:
    with stopped_clock() as clock:
        desk = await desk_with_two(clock)
        outbox, first = desk.alerter.outbox, id_of(desk, "a")
        for one in outbox.of_sink("log"):
            outbox.given_up(one, "it answered 400")
        await desk.alerter.save()
        assert len(await desk.board.alerts(is_given_up=True)) == 2
        await desk.board.resend(first, "kim")
        assert await desk.answer()
        assert [(one.id, one.attempts, one.due) for one in outbox.of_sink("log")] == [(first, 0, clock.now())]
        assert [one.id for one in await desk.board.alerts(is_given_up=True)] != [first]
        outbox.given_up(outbox.of_sink("log")[0], "it answered 400 again")
        await desk.alerter.save()
        assert await desk.answer()
        desk.alerter = desk.another()
        await desk.alerter.start()
        assert await desk.answer()
        assert desk.alerter.outbox.of_sink("log") == [], "an old request sends nothing a second time"
        assert len(await desk.board.alerts(is_given_up=True)) == 2


@asynchronous
async def test_views_that_are_lost_do_not_lose_who_looks_after_what() -> None:
    with stopped_clock() as clock:
        desk = await desk_with_two(clock)
        first = id_of(desk, "a")
        await desk.board.acknowledge(first, "kim")
        await desk.answer()
        await desk.views.clear(0)
        desk.requests = Requests(memory_views())
        desk.board = Board(desk.views, desk.requests, (0,))
        await desk.alerter.look()
        await desk.alerter.catch_up()
        found = await desk.board.alert(first)
        assert found is not None
        assert found.state == "acknowledged"
        assert len(escalations(desk)) == 1


@asynchronous
async def test_what_is_held_is_escalated_so_long_after_it_goes() -> None:
    with stopped_clock() as clock:
        desk = await desk_of(clock, RULES, *two_accounts())
        desk.alerter.stale = "the input has stalled"
        await desk.book(fact("cancelled", "a1", "2024-06-01"))
        assert [due for _, due in escalations(desk)] == [HELD]
        clock.text = "2024-06-01T05:00:00Z"
        desk.alerter.outbox.release(clock.now())
        assert [due for _, due in escalations(desk)] == [clock.now() + HALF_AN_HOUR]


@asynchronous
async def test_a_commit_that_is_fenced_loses_no_request() -> None:
    with stopped_clock() as clock:
        desk = await desk_with_two(clock)
        await desk.board.acknowledge(id_of(desk, "a"), "kim")
        newer = desk.another()
        await newer.start()
        with pytest.raises(Fenced):
            await desk.answer()
        desk.alerter = newer
        assert await desk.answer()
        assert len(escalations(desk)) == 1


@asynchronous
async def test_many_ask_at_once_and_the_oldest_go() -> None:
    requests = Requests(memory_views())
    with patch("services.alerts.requests.KEPT_MAX", 5):
        await asyncio.gather(*(requests.put(0, Request(f"r{n}", "acknowledge", "x", "kim", n)) for n in range(8)))
        kept = [one.id for one in await requests.of(0)]
        assert len(kept) == 5
        await requests.put(0, Request("r9", "acknowledge", "x", "kim", 9))
        assert [one.id for one in await requests.of(0)] == [*kept[1:], "r9"]
