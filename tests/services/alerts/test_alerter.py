"""The alerter: what fires is in the outbox with the position, once, whatever is lost and whoever comes after."""

import asyncio
import json
from typing import Any
from unittest.mock import patch

import pytest

from projections.alerts import RESOLVED, message_of
from services.alerts.alerter import FIGURES, Alerter
from services.alerts.firing.foreseeing import foreseen
from services.alerts.firing.reviewing import reviewed
from services.alerts.outbox import HELD
from services.alerts.sending.attempts import LogSender
from services.logs import JsonLines
from services.views.memory import memory_views
from services.views.port import Fenced, ViewsUnavailable
from tests.model.days import day_of
from tests.model.notation import fact, line, retracted
from tests.services.alerts.desk import ONLY, Desk, desk_of, rule, stopped_clock, survey, two_accounts
from tests.services.running import asynchronous
from tests.wire.alerted import FIGURE

CHURN = ONLY + rule("gone", "churn")
ESCALATION = {"escalate_after": '"1h"', "escalate_to": '["boss"]'}
SINKS = "".join(f'[[sink]]\nname = "{name}"\nkind = "log"\n' for name in ("crm", "boss"))
LEAVES = fact("cancelled", "a1", "2024-06-01")


async def desk_with_churn(clock: Any, rules: str = CHURN) -> Desk:
    """A desk where one account has just left."""
    desk = await desk_of(clock, rules, *two_accounts())
    await desk.book(LEAVES)
    return desk


@asynchronous
async def test_what_fires_waits_to_be_sent_and_is_there_for_whoever_comes_after() -> None:
    with stopped_clock() as clock:
        desk = await desk_with_churn(clock)
        (event,) = desk.waiting()
        assert (event["type"], event["subject"]) == ("revledger.alert.fired.v1", "a")
        after = desk.another()
        await after.start()
        await after.catch_up()
        assert desk.waiting(after) == [event]


@asynchronous
async def test_the_same_is_found_again_under_the_same_id() -> None:
    """As after a crash before the commit."""
    with stopped_clock() as clock:
        desk = await desk_with_churn(clock)
        again = Desk(clock, CHURN, desk.books)
        await again.alerter.start()
        await again.alerter.catch_up()
        assert again.waiting() == desk.waiting()


async def ids_of_ledger(clock: Any, begun: str) -> dict[str, str]:
    """The ids by rule of the same happenings, of a ledger that began at a moment."""
    rules = CHURN + rule("stalled", "input_stalled", after='"6h"') + rule("ends", "renewal", within='"30d"')
    rules += rule("low", "figure", figure='"mrr_minor"', below=1_000) + rule("odd", "unusual", mrr_at_least=1)
    ends = fact("signed", "c1", "2023-07-01", lines=[line(10_000)], term={"end": "2024-06-10"})
    clock.text = begun
    desk = await desk_of(clock, rules, *two_accounts(), ends)
    await desk.book(LEAVES, at="2024-06-01T06:00:00Z")
    clock.text = "2024-06-01T13:00:00Z"
    await desk.watch.look()
    asked = (desk.books.reports, desk.state.rulebook.rules, day_of("2024-06-01"), clock.now())
    seen = [*(await reviewed(*asked)).beyond.values(), *(await foreseen(*asked)).beyond.values()]
    return {alert.rule: alert.id for alert in seen} | {one["data"]["rule"]: one["id"] for one in desk.waiting()}


@asynchronous
async def test_no_alert_of_one_ledger_has_the_id_of_anothers() -> None:
    """As of staging and production, where a receiver of both drops repeats."""
    with stopped_clock() as clock:
        first, same, other = [await ids_of_ledger(clock, f"2024-06-01T00:00:00.{part}Z") for part in ("1", "1", "2")]
        assert first == same
        assert first.keys() == other.keys() == {"gone", "stalled", "ends", "low", "odd"}
        assert not set(first.values()) & set(other.values())


@asynchronous
async def test_what_was_sent_is_not_sent_again() -> None:
    with stopped_clock() as clock:
        desk = await desk_with_churn(clock)
        (one,) = desk.alerter.outbox.of_sink("log")
        desk.alerter.outbox.sent(one)
        await desk.alerter.save()
        after = desk.another()
        await after.start()
        await after.catch_up()
        assert desk.waiting(after) == []


@asynchronous
async def test_a_book_that_is_looked_at_for_the_first_time_fires_nothing_of_its_past() -> None:
    with stopped_clock() as clock:
        desk = await desk_with_churn(clock)
        clock.text = "2024-06-01T02:00:00Z"
        late = Desk(clock, CHURN, desk.books)
        await late.alerter.start()
        await late.alerter.catch_up()
        assert late.waiting() == []
        await late.book(fact("cancelled", "b1", "2024-06-01T01:30:00Z"), at="2024-06-01T02:00:00Z")
        assert [one["subject"] for one in late.waiting()] == ["b"]


@asynchronous
async def test_views_that_lose_everything_meanwhile_send_nothing_again_and_lose_no_message() -> None:
    with stopped_clock() as clock:
        desk = await desk_with_churn(clock)
        (first,) = desk.alerter.outbox.of_sink("log")
        desk.alerter.outbox.sent(first)
        await desk.alerter.save()
        await desk.book(fact("cancelled", "b1", "2024-06-01T01:00:00Z"))
        unsent = desk.waiting()
        await desk.views.clear(0)
        await desk.alerter.look()
        await desk.alerter.catch_up()
        assert desk.waiting() == unsent
        after = desk.another()
        await after.start()
        await after.catch_up()
        assert desk.waiting(after) == unsent


@asynchronous
async def test_a_process_that_dies_before_lost_views_are_complete_leaves_word_of_what_was_dealt_with() -> None:
    with stopped_clock() as clock, patch("services.alerts.memory.ALERTS_MAX", 1):
        desk = await desk_with_churn(clock)
        await desk.book(fact("cancelled", "b1", "2024-06-01T01:00:00Z"))
        for one in desk.alerter.outbox.of_sink("log"):
            desk.alerter.outbox.sent(one)
        await desk.alerter.save()
        await desk.views.clear(0)
        await desk.alerter.look()
        await desk.alerter.catch_up(2)
        after = desk.another()
        await after.start()
        await after.catch_up()
        assert desk.waiting(after) == []


@asynchronous
async def test_answers_given_before_a_loss_are_known_after_it() -> None:
    with stopped_clock() as clock:
        desk = await desk_of(
            clock, ONLY + rule("fell", "score", fall_at_least=3), *two_accounts(), survey("a", "2024-06-01", 9)
        )
        await desk.views.clear(0)
        await desk.alerter.look()
        await desk.book(survey("a", "2024-06-01T01:00:00Z", 5))
        assert desk.told() == [("fell", "a gave 5 of 10 after 9 (nps); it pays 900.00 USD a month, 90.00% of all")]


class FailingViews:
    """Views in memory whose next commits fail, before or after they have stored."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.fails: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def commit(self, *arguments: Any) -> None:
        fails = self.fails.pop(0) if self.fails else ""
        if fails != "before":
            await self.inner.commit(*arguments)
        if fails:
            raise ViewsUnavailable("The views are away.", "Try again.")


@pytest.mark.parametrize("fails", ["before", "after"])
@asynchronous
async def test_a_commit_without_an_answer_is_neither_lost_nor_done_twice(fails: str) -> None:
    with stopped_clock() as clock:
        views = FailingViews(memory_views())
        desk = await Desk(clock, CHURN, views=views).start()
        await desk.book(*two_accounts())
        views.fails = [fails]
        with pytest.raises(ViewsUnavailable):
            await desk.book(LEAVES)
        await desk.alerter.catch_up()
        assert [one["subject"] for one in desk.waiting()] == ["a"]


@pytest.mark.parametrize("fails", ["before", "after"])
@asynchronous
async def test_what_was_sent_is_written_down_in_the_end(fails: str) -> None:
    with stopped_clock() as clock:
        views = FailingViews(memory_views())
        desk = await Desk(clock, CHURN, views=views).start()
        await desk.book(*two_accounts())
        await desk.book(LEAVES)
        desk.alerter.outbox.sent(desk.alerter.outbox.of_sink("log")[0])
        views.fails = [fails]
        with pytest.raises(ViewsUnavailable):
            await desk.alerter.save()
        await desk.alerter.catch_up()
        await desk.alerter.save()
        after = desk.another()
        await after.start()
        assert desk.waiting(after) == desk.waiting() == []


@asynchronous
async def test_an_older_alerter_is_fenced() -> None:
    with stopped_clock() as clock:
        desk = await desk_with_churn(clock)
        newer = desk.another()
        await newer.start()
        desk.alerter.outbox.sent(desk.alerter.outbox.of_sink("log")[0])
        with pytest.raises(Fenced):
            await desk.alerter.save()


@asynchronous
async def test_what_happened_long_before_it_was_recorded_is_history() -> None:
    with stopped_clock() as clock:
        desk = await desk_of(clock, CHURN, *two_accounts())
        await desk.book(fact("cancelled", "a1", "2024-04-01"), fact("cancelled", "b1", "2024-05-20"))
        assert [one["subject"] for one in desk.waiting()] == ["b"]


@asynchronous
async def test_a_rule_cools_down_for_each_account() -> None:
    with stopped_clock() as clock:
        desk = await desk_of(
            clock, ONLY + rule("low", "score", score_at_most=6, cool_down='"2d"'), *two_accounts()
        )
        await desk.book(survey("a", "2024-06-01", 3), survey("b", "2024-06-01", 3))
        await desk.book(survey("a", "2024-06-02", 2), at="2024-06-02T12:00:00Z")
        await desk.book(survey("a", "2024-06-04", 1), at="2024-06-04T12:00:00Z")
        assert sorted((one["subject"], one["data"]["scores"][0]["score"]) for one in desk.waiting()) == [
            ("a", 1),
            ("a", 3),
            ("b", 3),
        ]


@asynchronous
async def test_while_data_is_stale_alerts_are_held_and_withdrawn_by_a_retraction() -> None:
    with stopped_clock() as clock:
        desk = await desk_of(clock, CHURN, *two_accounts())
        desk.alerter.stale = "the input has stalled"
        leaves = fact("cancelled", "b1", "2024-06-01")
        await desk.book(LEAVES, leaves)
        assert {one.due for one in desk.alerter.outbox.of_sink("log")} == {HELD}
        await desk.book(retracted(LEAVES, "2024-06-01T01:00:00Z"))
        desk.alerter.stale = ""
        assert desk.alerter.outbox.release(clock.now()) == 1
        assert [one["subject"] for one in desk.waiting()] == ["b"]


@asynchronous
async def test_blocks_of_a_backlog_are_held_until_its_end() -> None:
    """An alerter that was away for a day: what it finds may have been taken back since."""
    with stopped_clock() as clock:
        desk = await desk_of(clock, CHURN + rule("behind", "lag", after='"2m"'), *two_accounts())
        await desk.books.book([LEAVES], at=clock.now())
        clock.text = "2024-06-02T00:00:00Z"
        await desk.books.book([fact("signed", "c1", "2024-06-01", lines=[line(100)])], at=clock.now())
        await desk.alerter.catch_up(3)
        assert [one.due for one in desk.alerter.outbox.of_sink("log")] == [HELD]
        await desk.alerter.catch_up()
        await desk.watch.look()
        assert [one.due for one in desk.alerter.outbox.of_sink("log")] == [clock.now()]


@asynchronous
async def test_what_is_so_when_alerts_begin_is_taken_for_granted_and_told_when_it_is_over() -> None:
    with stopped_clock() as clock:
        desk = await desk_of(clock, CHURN, *two_accounts())
        assert not desk.alerter.reviewed
        await desk.alerter.note({"low|USD": FIGURE})
        assert (desk.waiting(), desk.alerter.reviewed) == ([], {FIGURES})
        after = desk.another()
        await after.start()
        assert (after.reviewed, [*after.open]) == ({FIGURES}, ["low|USD"])
        await after.tell({"low|USD": FIGURE})
        assert desk.waiting(after) == []
        await after.tell({}, ["low|USD"])
        await after.tell({"low|USD": FIGURE})
        assert [one["type"].split(".")[2] for one in desk.waiting(after)] == ["fired"]


@asynchronous
async def test_whoever_it_was_escalated_to_hears_when_it_is_over_whoever_comes_after() -> None:
    rules = ONLY + rule("net-retention", "figure", figure='"nrr"', below=1, window='"30d"', **ESCALATION)
    with stopped_clock() as clock:
        desk = await desk_of(clock, rules + SINKS, *two_accounts())
        await desk.alerter.tell({"low|USD": FIGURE})
        (escalation,) = desk.alerter.outbox.of_sink("boss")
        desk.alerter.outbox.sent(escalation)
        await desk.alerter.save()
        after = desk.another()
        await after.start()
        await after.tell({}, ["low|USD"])
        over = f"{FIGURE.id}.resolved"
        assert [one.id for one in after.outbox.of_sink("boss")] == [over]
        assert [one.id for one in after.outbox.of_sink("crm")] == [FIGURE.id, over]
        assert after.outbox.escalated_to(FIGURE.id) == []


@asynchronous
async def test_whoever_it_was_not_escalated_to_does_not_hear_that_it_is_over() -> None:
    rules = ONLY + rule("net-retention", "figure", figure='"nrr"', below=1, window='"30d"', **ESCALATION)
    with stopped_clock() as clock:
        desk = await desk_of(clock, rules + SINKS, *two_accounts())
        await desk.alerter.tell({"low|USD": FIGURE})
        await desk.alerter.tell({}, ["low|USD"])
        assert desk.alerter.outbox.of_sink("boss") == []


@asynchronous
async def test_a_line_of_the_log_says_what_happened(caplog: pytest.LogCaptureFixture) -> None:
    await LogSender().send(message_of(FIGURE), 0)
    await LogSender().send(message_of(FIGURE, RESOLVED), 0)
    assert caplog.messages == [
        f"alert {FIGURE.rule}: {FIGURE.summary} ({FIGURE.id})",
        f"alert {FIGURE.rule}: over: {FIGURE.summary} ({FIGURE.id}.resolved)",
    ]
    line = json.loads(JsonLines().format(caplog.records[1]))
    assert (line["level"], line["message"]) == ("WARNING", caplog.messages[1])
    assert (line["alert"]["type"], line["alert"]["subject"]) == (RESOLVED, "~book")
    assert line["alert"]["figure"]["figure"] == "nrr"


@asynchronous
async def test_what_comes_soon_after_a_commit_is_read_and_committed_together() -> None:
    sleep, heard, go = asyncio.sleep, asyncio.Event(), asyncio.Event()

    async def waits(seconds: float) -> None:
        if seconds > 1_800:
            heard.set()
            await go.wait()
        await sleep(0)

    with (
        stopped_clock() as clock,
        patch("asyncio.sleep", waits),
        patch.object(Alerter, "gather_seconds", 3_600.0),
    ):
        desk = await desk_of(clock, CHURN, *two_accounts())
        running = asyncio.create_task(desk.alerter.run())
        with patch.object(desk.views, "commit", wraps=desk.views.commit) as commit:
            await desk.books.book([LEAVES])
            await desk.alerter.reached(desk.books.projector.position.next_height - 1)
            await desk.books.book([survey("a", "2024-06-01", 3)])
            await heard.wait()
            await desk.books.book([fact("cancelled", "b1", "2024-06-01")])
            go.set()
            await desk.alerter.reached(desk.books.projector.position.next_height - 1)
        running.cancel()
        assert commit.call_count == 2
        assert [one for one, _ in desk.told()] == ["gone", "gone"]
