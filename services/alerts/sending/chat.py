"""Chat: alerts to Slack, Teams and the hundred other services that the library apprise knows, by a URL."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from projections.alerts import Message
from services.alerts.rules.sinks import SecretMissing, Sink, secrets_of
from services.alerts.sending.attempts import SinkAway
from services.alerts.sending.letters import Letter, letter_of

INSTALL: Final = "the package apprise is not installed: `pip install 'revledger[alerts]'`"
_TYPES: Final = {"info": "info", "warning": "warning", "critical": "failure"}
"""Severity -> what apprise calls it."""


class Chat:
    """Sends each message to one service; a thread of its own, so that one that hangs holds up nobody else."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"chat {sink.name}")
        self._turn = asyncio.Lock()

    async def send(self, message: Message, now_seconds: int) -> None:  # noqa: ARG002 - the letter has the alert's time
        """Sends a message; raises as `sending.Sender` says."""
        letter, loop = letter_of(message), asyncio.get_running_loop()
        async with self._turn:
            try:
                async with asyncio.timeout(self._sink.timeout_seconds * 2):
                    await loop.run_in_executor(self._thread, _sent, self._sink, letter)
            except TimeoutError as error:
                raise SinkAway(f"no answer within {self._sink.timeout_seconds * 2} s") from error

    async def close(self) -> None:
        """Lets the thread end, when it does."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def problem_of_url(sink: Sink) -> str:
    """What is wrong with the library or the URL of a sink; empty if nothing is. Raises SecretMissing."""
    if find_spec("apprise") is None:
        return INSTALL
    service = _service(sink)
    if not service.verify_certificate:
        return "its URL says verify=no, so anybody could answer for the service: leave that out"
    return ""


def _sent(sink: Sink, letter: Letter) -> None:
    """Returns once the service has taken a letter; raises SinkAway, SecretMissing."""
    if find_spec("apprise") is None:
        raise SinkAway(INSTALL)
    everybody = import_module("apprise").Apprise()
    everybody.add(_service(sink))
    result = everybody.notify(
        title=letter.title, body=letter.text, notify_type=_TYPES[letter.severity], body_format="text"
    )
    if not result:
        said = "; ".join(" ".join(entry.message.split()) for entry in result.logs())
        raise SinkAway(said or "the service did not take it")


def _service(sink: Sink) -> Any:
    """The service that the URL of a sink is of; raises SecretMissing where it is of none."""
    apprise = import_module("apprise")
    (url,) = secrets_of(sink)
    asset = apprise.AppriseAsset(app_id="revledger", app_desc="revledger", async_mode=False)
    service = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    if service is None:
        scheme = url.partition("://")[0] if "://" in url else ""
        begins = f"begins with {scheme[:20]}://" if scheme else "has no ://"
        raise SecretMissing(
            f"apprise knows no service by a URL that {begins} and goes on so: write it as"
            " https://appriseit.com/services/ says for yours"
        )
    service.socket_connect_timeout = service.socket_read_timeout = float(sink.timeout_seconds)
    if "overflow=" not in url:
        service.overflow_mode = apprise.OverflowMode.TRUNCATE
    return service
