"""The outbox: what is still to be sent to which sink, what could not be, and whom it was escalated to, in views."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from events.facts import Pairs
from projections.alerts import Message
from projections.rules import LASTING
from services.alerts.told import told_of
from services.views.port import Field, Value

OUTBOX: Final = "outbox"
"""Key of the view of what is to be sent, by sink and id of the message."""
DEAD: Final = "dead"
"""Key of the view of what was given up, likewise."""
REACHED: Final = "reached"
"""Key of the view of the sinks that were told that nobody had acknowledged something that lasts, likewise."""
ESCALATED_TO: Final = "escalated"
"""Key of the view of all sinks that were told so, also of what is never over; `due` is when."""
DEAD_MAX: Final = 1_000
"""How many given up are kept, and how many of each of those; the oldest go first."""
OUTBOX_KEYS: Final = (OUTBOX, DEAD, REACHED, ESCALATED_TO)
ESCALATION: Final = ".escalated"
"""What the id of a message ends with that nobody has acknowledged an alert."""
HELD: Final = 2**62
"""When a message is due that is held back: never, until it is released."""
_ENCODE: Final = msgspec.msgpack.Encoder().encode


class Batch(Struct, frozen=True, array_like=True):
    """What messages to a sink have in common that go as one: what they are about, their labels, when they are due."""

    name: str
    labels: Pairs
    due: int


class Outgoing(Struct, frozen=True, array_like=True):
    """A message on its way to one sink; `due` in microseconds, `error` why the last attempt failed.

    `after`, in microseconds: it is due so long after the others that were held back with it. `batch`: what it goes
    together with; None: by itself.
    """

    sink: str
    id: str
    body: bytes
    due: int
    attempts: int = 0
    error: str = ""
    after: int = 0
    batch: Batch | None = None


_OUTGOING: Final = msgspec.msgpack.Decoder(Outgoing)


class Outbox:
    """What is to be sent, in memory; every change is remembered until `saved` says that the views have it."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], Outgoing] = {}
        self._dead: dict[tuple[str, str], Outgoing] = {}
        self._reached: dict[tuple[str, str], Outgoing] = {}
        self._escalated: dict[tuple[str, str], Outgoing] = {}
        held = (self._waiting, self._dead, self._reached, self._escalated)
        self._kept = dict(zip(OUTBOX_KEYS, held, strict=True))
        self._unsaved: dict[tuple[str, tuple[str, str]], Outgoing | None] = {}
        self._changed: dict[str, asyncio.Event] = {}
        self.to_save = asyncio.Event()

    def load(self, views: Mapping[str, Iterable[bytes]]) -> None:
        """Begins with what the views hold by key; what happened since to a message, and was not saved, still holds."""
        for key, held in self._kept.items():
            held.clear()
            held.update({(one.sink, one.id): one for one in map(_OUTGOING.decode, views[key])})
        for (key, name), one in self._unsaved.items():
            self._set(key, name, one)
        self._wake(self._changed)

    def put(self, messages: Iterable[Outgoing]) -> None:
        """Adds messages that the views have by now."""
        sinks = set()
        for one in messages:
            self._waiting[one.sink, one.id] = one
            sinks.add(one.sink)
        self._wake(sinks)

    def of_sink(self, sink: str) -> list[Outgoing]:
        """What waits for a sink, what is due first."""
        return sorted((one for one in self._waiting.values() if one.sink == sink), key=lambda one: (one.due, one.id))

    def sinks(self) -> set[str]:
        """The sinks that something waits for."""
        return {one.sink for one in self._waiting.values()}

    def dead(self) -> list[Outgoing]:
        """What was given up."""
        return list(self._dead.values())

    def release(self, now: int) -> int:
        """Makes what was held back due; how many messages that are."""
        held = [one for one in self._waiting.values() if one.due == HELD]
        for one in held:
            self._change(OUTBOX, one, replace(one, due=now + one.after))
        self._wake({one.sink for one in held})
        return len(held)

    def withdraw(self, ids: Iterable[str]) -> None:
        """Takes back alerts that are held, by their ids; what is on its way goes."""
        gone = set(ids)
        for one in [one for one in self._waiting.values() if one.due == HELD and alert_of(one.id) in gone]:
            self._change(OUTBOX, one, None)

    def cancel(self, message_id: str) -> None:
        """Takes back a message wherever it was to go, unless it was tried already."""
        for one in [one for one in self._waiting.values() if one.id == message_id and not one.attempts]:
            self._change(OUTBOX, one, None)

    def resend(self, alert_id: str, now: int) -> None:
        """Sends what was given up of an alert again."""
        for one in [one for one in self._dead.values() if alert_of(one.id) == alert_id]:
            self._change(DEAD, one, None)
            self._change(OUTBOX, one, replace(one, due=now, attempts=0, error=""))
            self._wake({one.sink})

    def sent(self, one: Outgoing) -> None:
        """A message has arrived; who was told by it that nobody looks after something is to hear when that is over."""
        self._change(OUTBOX, one, None)
        if one.id.endswith(ESCALATION):
            self._change(ESCALATED_TO, one, replace(one, body=b""))
            self._bound(ESCALATED_TO)
            if told_of(one.body).data.kind in LASTING:
                self._change(REACHED, one, replace(one, body=b""))
                self._bound(REACHED)

    def escalated_to(self, alert_id: str) -> list[str]:
        """The sinks that were told, or may have been, that nobody had acknowledged an alert."""
        name = alert_id + ESCALATION
        tried = [one.sink for one in self._waiting.values() if one.id == name and one.attempts]
        return [*tried, *(sink for sink, message_id in self._reached if message_id == name)]

    def settle(self, alert_id: str) -> None:
        """Forgets who was told that nobody had acknowledged an alert: they know by now that it is over."""
        for one in [one for one in self._reached.values() if alert_of(one.id) == alert_id]:
            self._change(REACHED, one, None)

    def failed(self, one: Outgoing, due: int, error: str) -> None:
        """An attempt failed, and the next is due."""
        self._change(OUTBOX, one, replace(one, due=due, attempts=one.attempts + 1, error=error))

    def given_up(self, one: Outgoing, error: str) -> None:
        """A message will not be tried any more."""
        self._change(OUTBOX, one, None)
        self._change(DEAD, one, replace(one, attempts=one.attempts + 1, error=error))
        self._bound(DEAD)

    async def changed(self, sink: str, timeout_seconds: float) -> None:
        """Waits until something new waits for a sink, or for so long."""
        event = self._changed.setdefault(sink, asyncio.Event())
        try:
            async with asyncio.timeout(timeout_seconds):
                await event.wait()
        except TimeoutError:
            return
        event.clear()

    def writes(self) -> dict[str, dict[Field, Value | None]]:
        """What the views do not have yet."""
        found: dict[str, dict[Field, Value | None]] = {}
        for (key, name), one in self._unsaved.items():
            found.setdefault(key, {})[field_of(*name)] = None if one is None else _ENCODE(one)
        return found

    def everything(self) -> dict[str, dict[Field, Value | None]]:
        """All of it, for views that have lost it."""
        return {
            key: {field_of(*name): _ENCODE(one) for name, one in held.items()} for key, held in self._kept.items()
        }

    def saved(self, writes: Mapping[str, Mapping[Field, Value | None]]) -> None:
        """The views have what `writes` said; what changed meanwhile is still to be saved."""
        for (key, name), one in list(self._unsaved.items()):
            value = None if one is None else _ENCODE(one)
            if field_of(*name) in writes.get(key, {}) and writes[key][field_of(*name)] == value:
                del self._unsaved[key, name]

    def _change(self, key: str, one: Outgoing, new: Outgoing | None) -> None:
        name = (one.sink, one.id)
        self._set(key, name, new)
        self._unsaved[key, name] = new
        self.to_save.set()

    def _set(self, key: str, name: tuple[str, str], new: Outgoing | None) -> None:
        held = self._kept[key]
        if new is None:
            held.pop(name, None)
        else:
            held[name] = new

    def _bound(self, key: str) -> None:
        """Lets the oldest go of those that are kept up to a number."""
        while len(self._kept[key]) > DEAD_MAX:
            self._change(key, next(iter(self._kept[key].values())), None)

    def _wake(self, sinks: Iterable[str]) -> None:
        for sink in sinks:
            self._changed.setdefault(sink, asyncio.Event()).set()


def field_of(sink: str, message_id: str) -> str:
    """The field of a message."""
    return f"{sink}|{message_id}"


def written(messages: Iterable[Outgoing]) -> dict[str, dict[Field, Value | None]]:
    """What is written to the views for messages that are to be sent."""
    return {OUTBOX: {field_of(one.sink, one.id): _ENCODE(one) for one in messages}}


def outgoing(message: Message, sinks: Iterable[str], due: int, after: int = 0) -> list[Outgoing]:
    """A message to each of some sinks."""
    return [Outgoing(sink, message.id, message.body, due, after=after) for sink in sinks]


def outgoing_of_bytes(data: bytes) -> Outgoing:
    """A message as the views have it."""
    return _OUTGOING.decode(data)


def alert_of(message_id: str) -> str:
    """The id of the alert that a message is about."""
    return message_id.partition(".")[0]
