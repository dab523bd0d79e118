"""Attempts: what every kind of sink promises to make of one, and how it may fail."""

import json
import logging
from typing import Final, Protocol

from projections.alerts import Message
from services.alerts.told import told_of

_log: Final = logging.getLogger("revledger.alerts")


class SinkError(Exception):
    """A message did not arrive; the message of the error says why."""


class NotTaken(SinkError):
    """The sink is there and does not want this message; others it may take."""


class SinkAway(SinkError):
    """The sink takes nothing now; `after_seconds` is when to come again, if it said so."""

    def __init__(self, reason: str, after_seconds: int | None = None) -> None:
        super().__init__(reason)
        self.after_seconds = after_seconds


class Disabled(SinkError):
    """The sink wants nothing any more."""


class Sender(Protocol):
    """Sends messages to one sink."""

    async def send(self, message: Message, now_seconds: int) -> None:
        """Returns once the message has arrived.

        Raises:
            NotTaken, SinkAway, Disabled: it has not, or that is not known.
            SecretMissing: what it is to be signed with is not there.
        """
        ...

    async def close(self) -> None:
        """Lets go of everything."""
        ...


class LogSender:
    """Writes messages to the log of the process."""

    async def send(self, message: Message, now_seconds: int) -> None:  # noqa: ARG002 - a log has its own clock
        """Logs what a message says, in a line; a log in JSON has all of it beside that, as `alert`."""
        told = told_of(message.body)
        whole = {"type": told.type, "subject": told.subject, **json.loads(message.body)["data"]}
        extra = {"alert": whole}
        _log.warning("alert %s: %s%s (%s)", told.data.rule, told.prefix, told.data.summary, message.id, extra=extra)

    async def close(self) -> None:
        """Holds nothing open."""
