"""Windows: few messages to people, none late, and the same ones whoever comes after a crash."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.alerts import Message, message_of
from services.alerts.outbox import HELD, Outgoing, outgoing
from services.alerts.rules.routing import State
from services.alerts.rules.rulebook import RulebookError, rulebook_of_toml
from services.alerts.sending.bundling import batches_of
from services.alerts.sending.windows import WINDOWS, Grouping, Windows
from tests.model.days import Event
from tests.model.notation import fact, line
from tests.services.alerts.desk import ONLY, Desk, desk_of, rule, stopped_clock
from tests.services.running import asynchronous
from tests.wire.alerted import CHURN

SPAN = 300
MICROS = SPAN * 1_000_000
PLAIN = Grouping(SPAN)
MAIL = '[[sink]]\nname = "mail"\nkind = "mail"\nhost = "h.example"\nfrom = "r@x.example"\nto = ["a@x.example"]\n'
LOG = '[[sink]]\nname = "log"\nkind = "log"\n'


def placed(windows: Windows, moments: list[int], now: int, grouping: Grouping = PLAIN) -> list[Outgoing]:
    """Messages that could go at some moments, with when they go; what that leads to is taken over."""
    body = message_of(CHURN).body
    going = [("r", one) for at in moments for one in outgoing(Message(f"alr_{at}", body), ["mail"], at)]
    found, changes = windows.placed(going, lambda _sink, _rule: grouping, now)
    windows.apply(changes)
    return found


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60), st.integers(0, 60))
def test_messages_are_few_and_none_is_late(minutes: list[int], crash: int) -> None:
    windows, found = Windows(), []
    for number, minute in enumerate(sorted(minutes)):
        at = minute * 60_000_000
        if number == crash:
            held = windows.everything()[WINDOWS]
            windows = Windows()
            windows.load({str(k).encode(): v for k, v in held.items() if isinstance(v, bytes)})
        (one,) = placed(windows, [at], at)
        assert at <= one.due <= at + MICROS, "it waits no longer than is said"
        found.append((at, one.due))
    times = sorted({due for _, due in found})
    assert all(later - earlier >= MICROS for earlier, later in pairwise(times))
    for number, (at, due) in enumerate(found):
        if all(at - earlier > MICROS for _, earlier in found[:number] if earlier <= at):
            assert due == at, "nothing went a while before, so it goes at once"


def test_what_is_over_is_forgotten() -> None:
    windows = Windows()
    placed(windows, [0], 0)
    placed(windows, [MICROS - 1], MICROS - 1)
    assert len(windows.everything()[WINDOWS]) == 1
    placed(windows, [], 2 * MICROS - 1)
    assert len(windows.everything()[WINDOWS]) == 1
    placed(windows, [], 2 * MICROS)
    assert windows.everything()[WINDOWS] == {}


def test_what_is_silenced_goes_together_when_that_ends_and_holds_up_nothing() -> None:
    windows = Windows()
    ends = 10 * MICROS
    assert {one.due for at in range(3) for one in placed(windows, [ends], at)} == {ends}
    assert [one.due for one in placed(windows, [5], 5)] == [5], "as where the silence was taken out of the file"


def test_labels_and_kinds_are_apart_and_what_is_held_goes_as_one() -> None:
    windows = Windows()
    grouping = Grouping(SPAN, ("segment",))
    first, held, other = (*placed(windows, [0], 0, grouping), *placed(windows, [HELD, HELD], 0, grouping)[:2])
    assert (first.due, held.due, held.batch) == (0, HELD, other.batch)
    assert first.batch is not None
    assert first.batch.labels == (("segment", "smb"),)
    assert len(batches_of([first, held, other])) == 2
    assert placed(windows, [7], 7, Grouping())[0].batch is None


def of(kind: str, name: str, time: str, **said: Any) -> Event:
    """A contract event of an account of its own."""
    return fact(kind, f"{name}-1", time, **said) | {"subject": name}


def storm(count: int) -> list[tuple[int, list[Event]]]:
    """Second of a minute -> the accounts that leave in it."""
    names = [f"a{number:03}" for number in range(count)]
    each = count // 60
    return [
        (second, [of("cancelled", name, "2024-06-01") for name in names[second * each : (second + 1) * each]])
        for second in range(60)
    ]


@asynchronous
async def test_a_storm_of_300_losses_in_a_minute_is_two_mails_and_nothing_of_it_is_lost() -> None:
    signed = [of("signed", f"a{n:03}", "2024-01-01", lines=[line(1_000 + n)]) for n in range(300)]
    with stopped_clock() as clock:
        desk: Desk = await desk_of(clock, ONLY + rule("gone", "churn") + MAIL + LOG, *signed)
        for second, events in storm(300):
            if second == 30:  # another process goes on
                desk.alerter = desk.another()
                await desk.alerter.start()
            await desk.book(*events, at=f"2024-06-01T00:00:{second:02}Z")
        outbox = desk.alerter.outbox
        mails = batches_of(outbox.of_sink("mail"))
        assert [len(one) for one in mails] == [5, 295]
        assert mails[1][0].due - mails[0][0].due == MICROS
        assert len({one.id for mail in mails for one in mail}) == 300
        assert len(batches_of(outbox.of_sink("log"))) == 300


@asynchronous
async def test_a_storm_while_data_is_stale_is_one_mail_when_it_is_not_any_more() -> None:
    signed = [of("signed", f"a{n:03}", "2024-01-01", lines=[line(1_000)]) for n in range(60)]
    with stopped_clock() as clock:
        desk = await desk_of(clock, ONLY + rule("gone", "churn") + MAIL, *signed)
        desk.alerter.stale = "the input has stalled"
        for second, events in storm(60):
            await desk.book(*events, at=f"2024-06-01T00:00:{second:02}Z")
        desk.alerter.outbox.release(clock.now())
        assert [len(one) for one in batches_of(desk.alerter.outbox.of_sink("mail"))] == [60]


@pytest.mark.parametrize(
    ("text", "grouping"),
    [
        (rule("r", "churn") + MAIL, Grouping(300)),
        (rule("r", "churn") + LOG.replace("log", "mail", 1), Grouping()),
        (rule("r", "churn") + MAIL + 'group_within = "no"\n', Grouping()),
        (rule("r", "churn", group_within='"1h"', group_by='["owner"]') + MAIL, Grouping(3_600, ("owner",))),
        (rule("r", "churn", group_within='"no"') + MAIL, Grouping()),
        (rule("r", "churn", group_within='"1h"') + LOG.replace("log", "mail", 1), Grouping()),
        (
            rule("r", "churn") + LOG.replace("log", "mail", 1) + 'group_within = "1m"\ngroup_by = "segment"\n',
            Grouping(60, ("segment",)),
        ),
    ],
)
def test_a_sink_says_whether_and_a_rule_how(text: str, grouping: Grouping) -> None:
    found = State(rulebook_of_toml(ONLY + text)).grouping("mail", "r")
    assert found.seconds == grouping.seconds
    assert not found.seconds or found == grouping


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (rule("r", "churn", group_by='["segmnt"]'), "rule 'r': no account is labelled 'segmnt': did you mean segment"),
        (MAIL + 'group_by = ["segmnt"]', "sink 'mail': no account is labelled 'segmnt': did you mean segment"),
        (rule("r", "churn", group_within="5"), 'write a number above 0 and its unit, such as "90s"'),
    ],
)
def test_what_is_wrong_is_said(text: str, said: str) -> None:
    with pytest.raises(RulebookError) as caught:
        rulebook_of_toml(ONLY + text, ["segment"])
    assert said in str(caught.value)
    assert len(caught.value.problems) == 1
