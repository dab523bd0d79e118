"""Webhooks after the Standard Webhooks specification 1.0: signed, with an id by which a receiver drops repeats."""

import hmac
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from events.envelope import STRUCTURED
from projections.alerts import Message
from services.alerts.rules.sinks import Sink, keys_of_webhook
from services.alerts.sending.attempts import Disabled, NotTaken, SinkAway
from services.alerts.sending.posting import PostFailed, Reply, post

AGENT: Final = "revledger"
_OF_MESSAGE: Final = range(400, 500)
_OF_SINK: Final = frozenset({401, 403, 404, 405, 408, 425, 429})
"""Among them, the ones that tell of the place and not of the message."""
GONE: Final = 410


class Webhook:
    """Posts messages to one URL."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    async def send(self, message: Message, now_seconds: int) -> None:
        """Sends a message; raises as `sending.Sender` says."""
        keys = keys_of_webhook(self._sink)
        headers = {
            "content-type": STRUCTURED,
            "user-agent": AGENT,
            "webhook-id": message.id,
            "webhook-timestamp": str(now_seconds),
            "webhook-signature": signature(keys, message.id, now_seconds, message.body),
        }
        try:
            reply = await post(self._sink.url, headers, message.body, self._sink.timeout_seconds)
        except PostFailed as error:
            raise SinkAway(str(error)) from error
        _require_taken(reply)

    async def close(self) -> None:
        """Holds nothing open."""


def signature(keys: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """The signatures of a message by each key, as the header has them; several while a secret is replaced."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return " ".join("v1," + b64encode(hmac.new(key, signed, sha256).digest()).decode() for key in keys)


def _require_taken(reply: Reply) -> None:
    if 200 <= reply.status < 300:
        return
    said = f"it answered {reply.status}{f': {reply.text}' if reply.text else ''}"
    if reply.status == GONE:
        raise Disabled(f"{said}; it wants no more messages")
    if 300 <= reply.status < 400:
        raise SinkAway(f"it answered {reply.status}, a redirect, and none is followed: name the place itself")
    if reply.status in _OF_MESSAGE and reply.status not in _OF_SINK:
        raise NotTaken(said)
    raise SinkAway(said, reply.retry_after)
