"""Delivering: every message arrives or is given up and kept, and no sink waits for another."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace

from projections.alerts import Message, message_of
from services import clock
from services.alerts.outbox import Batch, Outbox, outgoing
from services.alerts.rules.sinks import Sink
from services.alerts.sending import delivering
from services.alerts.sending.delivering import Line
from services.alerts.sending.webhooks import Webhook
from services.metrics import Metrics
from services.tasks import cancelled
from tests.services.alerts.receiver import SECRET, Receiver, receiver
from tests.services.running import asynchronous
from tests.wire.alerted import CHURN


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", SECRET)
    monkeypatch.setattr(delivering, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(delivering, "PAUSE_SECONDS_MAX", 0.05)


def sink(hook: Receiver, name: str = "crm", retries: Sequence[int] = (0, 0, 0)) -> Sink:
    """A sink that is tried again at once."""
    return Sink(
        name=name, kind="webhook", url=hook.url, secret_env=("SECRET",), timeout_seconds=2, retries=tuple(retries)
    )


@asynccontextmanager
async def lines(outbox: Outbox, *sinks: Sink) -> AsyncIterator[list[Line]]:
    """A line for each sink meanwhile."""
    made = [Line(one, Webhook(one), outbox, Metrics(), random.Random(1)) for one in sinks]
    tasks = [asyncio.create_task(one.run()) for one in made]
    try:
        yield made
    finally:
        await cancelled(tasks)


def put(outbox: Outbox, *ids: str, sinks: Sequence[str] = ("crm",)) -> None:
    """Messages for some sinks."""
    for one in ids:
        outbox.put(outgoing(Message(one, b"{}"), sinks, clock.now()))


async def emptied(outbox: Outbox, *sinks: str) -> None:
    """Waits until nothing waits for some sinks."""
    while any(outbox.of_sink(name) for name in sinks):  # noqa: ASYNC110 - what a test looks at
        await asyncio.sleep(0.01)


@asynchronous
async def test_messages_arrive_once() -> None:
    outbox = Outbox()
    with receiver() as hook:
        async with lines(outbox, sink(hook)):
            put(outbox, *(f"m{number}" for number in range(50)))
            await emptied(outbox, "crm")
        assert sorted(hook.ids()) == sorted(f"m{number}" for number in range(50))
    assert outbox.dead() == []


@asynchronous
async def test_what_fails_is_tried_again_and_then_given_up_and_kept() -> None:
    outbox = Outbox()
    with receiver() as hook:
        hook.answers = [500, 503, 204, 500, 500, 500, 500]
        async with lines(outbox, sink(hook)):
            put(outbox, "m1")
            await emptied(outbox, "crm")
            put(outbox, "m2")
            await emptied(outbox, "crm")
        assert hook.ids() == ["m1"] * 3 + ["m2"] * 4
    (dead,) = outbox.dead()
    assert (dead.id, dead.attempts, dead.error) == ("m2", 4, "it answered 500")


@asynchronous
async def test_an_error_nobody_foresaw_is_a_failed_attempt_and_no_end_of_the_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outbox = Outbox()
    nowhere = replace(sink(Receiver()), url="http://crm..example/hook")
    async with lines(outbox, nowhere), asyncio.timeout(20):
        put(outbox, "m1")
        await emptied(outbox, "crm")
        put(outbox, "m2")
        await emptied(outbox, "crm")
    assert [(one.id, one.attempts) for one in outbox.dead()] == [("m1", 4), ("m2", 4)]
    assert "UnicodeError" in outbox.dead()[0].error
    assert caplog.records[0].exc_info, "the log says where it came from"


@asynchronous
async def test_what_one_sink_does_is_nothing_to_another() -> None:
    outbox = Outbox()
    with receiver(0) as hangs, receiver() as works:
        async with lines(outbox, sink(hangs, "hangs"), sink(works, "works")):
            put(outbox, *(f"m{number}" for number in range(30)), sinks=("hangs", "works"))
            async with asyncio.timeout(1.9):  # the sink that hangs is given up after 2 s at the earliest
                await emptied(outbox, "works")
        assert len(works.got) == 30
    assert len(outbox.of_sink("hangs")) == 30


@asynchronous
async def test_a_sink_that_is_gone_gets_nothing_more() -> None:
    outbox = Outbox()
    with receiver(410) as hook:
        async with lines(outbox, sink(hook)) as (line,):
            put(outbox, "m1")
            await emptied(outbox, "crm")
            put(outbox, "m2")
            await emptied(outbox, "crm")
            assert "410" in line.disabled
        assert hook.ids() == ["m1"]
    assert [one.id for one in outbox.dead()] == ["m1", "m2"]


@asynchronous
async def test_a_sink_that_is_away_is_left_alone_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivering, "PAUSE_SECONDS_MAX", 3_600)
    outbox = Outbox()
    with receiver(500) as hook:
        async with lines(outbox, sink(hook, retries=[3_600])):
            put(outbox, *(f"m{number}" for number in range(20)))
            await asyncio.to_thread(hook.until, delivering.AT_ONCE)
            await asyncio.sleep(0.2)
        assert len(hook.got) == delivering.AT_ONCE


@asynchronous
async def test_a_message_that_is_not_wanted_holds_up_no_other() -> None:
    outbox = Outbox()
    with receiver() as hook:
        hook.answers = [422]
        async with lines(outbox, sink(hook, retries=[3_600])):
            put(outbox, "m1")
            await asyncio.to_thread(hook.until, 1)
            put(outbox, "m2")
            await asyncio.to_thread(hook.until, 2)
    assert [(one.id, one.attempts) for one in outbox.of_sink("crm")] == [("m1", 1)]


@asynchronous
async def test_messages_that_go_together_arrive_and_fail_as_one() -> None:
    outbox = Outbox()
    body = message_of(CHURN).body
    alerts = [one for number in range(40) for one in outgoing(Message(f"alr_{number:02}", body), ["crm"], clock.now())]
    batch = Batch("churn|fired", (), 0)
    with receiver() as hook:
        hook.answers = [500, 204]
        async with lines(outbox, sink(hook)):
            outbox.put([*(replace(one, batch=batch) for one in alerts[:30]), *alerts[30:32]])
            await emptied(outbox, "crm")
            hook.answers = [422] * 9
            outbox.put(replace(one, batch=batch) for one in alerts[32:])
            await emptied(outbox, "crm")
    first = [one for one in hook.got[:-4] if one.id.startswith("grp_")]
    assert len(hook.got) == 2 + 2 + 4
    assert (len({one.id for one in first}), first[-1].event["data"]["count"]) == (1, 30)
    assert sorted(one.id for one in outbox.dead()) == [one.id for one in alerts[32:]], "they are given up each"
