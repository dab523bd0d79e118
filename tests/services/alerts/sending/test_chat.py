"""Chat: letters that arrive through apprise at real servers, and what is wrong with a URL said without showing it."""

import asyncio
import random
from importlib.util import find_spec
from typing import Any

import pytest
from msgspec.structs import replace

from projections.alerts import Message, message_of
from services import clock
from services.alerts.outbox import Batch, Outbox, outgoing
from services.alerts.rules.rulebook import RulebookError, rulebook_of_toml
from services.alerts.rules.sinks import Sink
from services.alerts.sending import chat, delivering
from services.alerts.sending.attempts import SinkAway
from services.alerts.sending.chat import INSTALL, Chat
from services.alerts.sending.delivering import Line
from services.metrics import Metrics
from services.tasks import cancelled
from tests.servers.needs import skip_or_fail
from tests.services.alerts.receiver import receiver
from tests.services.alerts.sending.test_mail import post
from tests.services.running import asynchronous
from tests.wire.alerted import CHURN, FIGURE, OTHER


@pytest.fixture(autouse=True)
def _library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivering, "LOOK_SECONDS", 0.01)
    if find_spec("apprise") is None:
        skip_or_fail("apprise", "run `make install`")


def sink(name: str, monkeypatch: pytest.MonkeyPatch, url: str, **said: Any) -> Sink:
    """A sink whose URL is in the environment."""
    monkeypatch.setenv(f"{name.upper()}_URL", url)
    given: dict[str, Any] = {"timeout_seconds": 2, "retries": (0, 0)} | said
    return Sink(name=name, kind="apprise", secret_env=(f"{name.upper()}_URL",), **given)


def to_hook(url: str) -> str:
    """The URL of a receiver as apprise has it."""
    return url.replace("http://", "json://us:token-of-mine@", 1)


@asynchronous
async def test_a_letter_arrives_by_http_and_a_no_is_one() -> None:
    with receiver() as hook, pytest.MonkeyPatch.context() as patch:
        team = Chat(sink("team", patch, to_hook(hook.url)))
        await team.send(message_of(CHURN), 0)
        hook.answers = [500]
        with pytest.raises(SinkAway, match="error=500") as caught:
            await team.send(message_of(FIGURE), 0)
        await team.close()
    first = hook.got[0].event
    assert (first["title"], first["type"]) == (CHURN.summary, "failure")
    assert f"explain: {CHURN.explain}\n" in first["message"]
    assert hook.got[1].event["type"] == "warning"
    assert "token-of-mine" not in str(caught.value)


@asynchronous
async def test_a_letter_arrives_by_mail() -> None:
    async with post() as server:
        with pytest.MonkeyPatch.context() as patch:
            url = f"mailto://127.0.0.1:{server.port}?from=r@x.example&to=a@x.example&mode=insecure&format=text"
            mail = Chat(sink("mail", patch, url))
            await mail.send(message_of(CHURN), 0)
            server.answers["RCPT"] = "550 who"
            with pytest.raises(SinkAway):
                await mail.send(message_of(FIGURE), 0)
            await mail.close()
    (got,) = server.mails
    assert (got["Subject"], "a@x.example" in got["To"]) == (CHURN.summary, True)
    assert "owner: kim" in got.get_content()


@asynchronous
async def test_one_that_hangs_delays_no_other_and_many_alerts_are_one_letter() -> None:
    outbox = Outbox()
    with receiver(0) as hangs, receiver() as works, pytest.MonkeyPatch.context() as patch:
        sinks = [sink("hangs", patch, to_hook(hangs.url)), sink("works", patch, to_hook(works.url))]
        lines = [Line(one, Chat(one), outbox, Metrics(), random.Random(1)) for one in sinks]
        tasks = [asyncio.create_task(one.run()) for one in lines]
        batch = Batch("churn|fired", (), 0)
        for one in (CHURN, OTHER):
            going = outgoing(message_of(one), ["hangs", "works"], clock.now())
            outbox.put(replace(each, batch=batch) for each in going)
        async with asyncio.timeout(20):
            while outbox.of_sink("works"):  # noqa: ASYNC110 - what a test looks at
                await asyncio.sleep(0.01)
        assert len(outbox.of_sink("hangs")) == 2
        hangs.released.set()
        await cancelled(tasks)
    (letter,) = works.got
    assert letter.event["title"] == "2 accounts have left: 1,176.00 USD of MRR"
    assert CHURN.id in letter.event["message"]


@asynchronous
async def test_no_answer_and_nobody_there_are_said() -> None:
    with receiver(0) as hook, pytest.MonkeyPatch.context() as patch:
        waits = Chat(sink("team", patch, to_hook(hook.url), timeout_seconds=1))
        with pytest.raises(SinkAway, match="onnection"):
            await waits.send(message_of(CHURN), 0)
        url = to_hook(hook.url)
        hook.released.set()
    with pytest.MonkeyPatch.context() as patch:
        gone = Chat(sink("team", patch, url))
        with pytest.raises(SinkAway, match="onnection"):
            await gone.send(Message(CHURN.id, message_of(CHURN).body), 0)
        await waits.close()
        await gone.close()


HEAD = "[[sink]]\nname = 'team'\nkind = 'apprise'\n"
NAMED = HEAD + "secret_env = 'TEAM_URL'\n"


@pytest.mark.parametrize(
    ("text", "url", "wrong"),
    [
        (HEAD, "", "name the one variable with its URL"),
        (HEAD + "secret_env = ['TEAM_URL', 'OTHER_URL']", "json://x", "name the one variable with its URL"),
        (NAMED + "url = 'json://x'", "json://x", "url means nothing for a sink of kind apprise"),
        (NAMED, "", "line 4: sink 'team': the variable TEAM_URL is not set"),
        (NAMED, "slak://token-of-mine/x", "line 4: sink 'team': .*knows no service by a URL .* begins with slak:"),
        (NAMED, "slack://token-of-mine", "begins with slack://"),
        (NAMED, "token-of-mine", "has no ://"),
        (NAMED, "jsons://token-of-mine@h.example?verify=no", "anybody could answer for the service"),
    ],
)
def test_what_is_wrong_is_said(monkeypatch: pytest.MonkeyPatch, text: str, url: str, wrong: str) -> None:
    monkeypatch.setenv("TEAM_URL", url)
    with pytest.raises(RulebookError, match=wrong) as caught:
        rulebook_of_toml(text)
    assert "token-of-mine" not in str(caught.value)
    assert len(caught.value.problems) == 1


def test_a_library_that_is_missing_is_said_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_URL", "json://h.example")
    assert rulebook_of_toml(NAMED).sinks[0].groups_seconds == 300
    monkeypatch.setattr(chat, "find_spec", lambda _name: None)
    with pytest.raises(RulebookError, match="is not installed") as caught:
        rulebook_of_toml(NAMED)
    assert INSTALL in str(caught.value)
