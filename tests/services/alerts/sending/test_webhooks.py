"""Webhooks: signed as the specification says, and every answer taken for what it means."""

import asyncio

import pytest

from projections.alerts import Message
from services.alerts.rules.sinks import SecretMissing, Sink, keys_of_webhook
from services.alerts.sending.attempts import Disabled, NotTaken, SinkAway, SinkError
from services.alerts.sending.webhooks import Webhook, signature
from tests.services.alerts.receiver import SECRET, receiver

BODY = b'{"test": 2432232314}'
MESSAGE = Message("msg_p5jXN8AQM9LWM0D4loKWxJek", BODY)


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEW_SECRET", "whsec_" + "QUJD" * 12)
    monkeypatch.setenv("OLD_SECRET", SECRET)


def sink(url: str = "http://localhost/", *secrets: str) -> Sink:
    """A webhook that signs with the old secret, unless others are named."""
    return Sink(name="crm", kind="webhook", url=url, secret_env=secrets or ("OLD_SECRET",), timeout_seconds=10)


def test_the_signature_is_that_of_the_specification() -> None:
    """The example that the reference implementations test themselves with."""
    keys = keys_of_webhook(sink())
    signed = signature(keys, MESSAGE.id, 1_614_265_330, BODY)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_while_a_secret_is_replaced_there_are_two_signatures() -> None:
    with receiver() as hook:
        asyncio.run(Webhook(sink(hook.url, "NEW_SECRET", "OLD_SECRET")).send(MESSAGE, 1_614_265_330))
    (got,) = hook.got
    new, old = got.headers["webhook-signature"].split(" ")
    assert old == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert new.startswith("v1,")
    assert new != old
    assert (got.headers["webhook-id"], got.headers["webhook-timestamp"]) == (MESSAGE.id, "1614265330")
    assert got.headers["content-type"] == "application/cloudevents+json"
    assert got.body == BODY


ERRORS: list[tuple[int, type[SinkError]]] = [
    *((status, SinkAway) for status in (301, 302, 307, 308, 401, 404, 408, 429, 500, 502, 503)),
    *((status, NotTaken) for status in (400, 409, 413, 422)),
    (410, Disabled),
]


@pytest.mark.parametrize(("status", "error"), ERRORS)
def test_answers_that_are_no(status: int, error: type[SinkError]) -> None:
    with receiver(status) as hook:
        hook.headers = {"location": hook.url + "/elsewhere", "retry-after": "9"}
        with pytest.raises(error, match=str(status)) as raised:
            asyncio.run(Webhook(sink(hook.url)).send(MESSAGE, 1))
    assert len(hook.got) == 1, "no redirect is followed"
    if isinstance(raised.value, SinkAway) and status >= 400:
        assert raised.value.after_seconds == 9


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_answers_that_are_yes(status: int) -> None:
    with receiver(status) as hook:
        asyncio.run(Webhook(sink(hook.url)).send(MESSAGE, 1))


def test_a_secret_that_is_gone_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OLD_SECRET")
    with receiver() as hook, pytest.raises(SecretMissing, match="OLD_SECRET"):
        asyncio.run(Webhook(sink(hook.url)).send(MESSAGE, 1))
    assert hook.got == []
