"""The board: the alerts that fired, as people see them, and what they may ask about each."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

import msgspec
from msgspec import Struct

from events.days import text_of_moment
from projections.rules import LASTING
from services import clock
from services.alerts.memory import ACKNOWLEDGED, ALERTS, OPEN
from services.alerts.outbox import (
    DEAD,
    ESCALATED_TO,
    ESCALATION,
    HELD,
    OUTBOX,
    Outgoing,
    alert_of,
    outgoing_of_bytes,
)
from services.alerts.requests import ACKNOWLEDGEMENT, Acknowledgement, Request, Requests
from services.views.port import Views

BY_MAX: Final = 100
"""The longest name of somebody who acknowledges, in characters."""


class Given(Struct, frozen=True):
    """That an alert was given up for a sink: `what` is the message's part of its id, if it is a later one."""

    sink: str
    error: str
    attempts: int
    what: str = ""


class Escalation(Struct, frozen=True, omit_defaults=True):
    """Whom an alert that nobody acknowledges goes to, and when, in RFC 3339; `is_told`: it has gone there.

    Without `at` it goes so many seconds after the alert, which is held back. `error`: why the last attempt failed.
    """

    sink: str
    at: str = ""
    after_seconds: int = 0
    is_told: bool = False
    error: str = ""


class Shown(Struct, frozen=True, omit_defaults=True):
    """One alert as it is shown; `is_over` where it told of something that lasted and does not any more."""

    time: str
    subject: str
    data: dict[str, Any]
    acknowledged: Acknowledgement | None = None
    given_up: Sequence[Given] = ()
    escalations: Sequence[Escalation] = ()
    is_over: bool = False
    partition: int = 0

    @property
    def id(self) -> str:
        """The id of the alert."""
        return str(self.data["id"])

    @property
    def state(self) -> str:
        """In a word."""
        return "over" if self.is_over else "acknowledged" if self.acknowledged else "fired"

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        row: dict[str, Any] = {"time": self.time, "state": self.state, "subject": self.subject, **self.data}
        if self.acknowledged is not None:
            row["acknowledged"] = msgspec.to_builtins(self.acknowledged)
        if self.given_up:
            row["given_up"] = [msgspec.to_builtins(one) for one in self.given_up]
        if self.escalations:
            row["escalations"] = [msgspec.to_builtins(one) for one in self.escalations]
        return row


class _Event(Struct):
    time: str
    subject: str
    data: dict[str, Any]


_EVENT: Final = msgspec.json.Decoder(_Event)


class Board:
    """Reads what the alerters have written down, and writes requests; every call raises ViewsUnavailable."""

    def __init__(self, views: Views, requests: Requests, partitions: Sequence[int]) -> None:
        self._views = views
        self._requests = requests
        self._partitions = partitions

    async def alerts(self, *, is_given_up: bool = False) -> list[Shown]:
        """The alerts that are kept, the newest first; or those of them that were given up for a sink."""
        found = [one for partition in self._partitions for one in await self._of(partition)]
        found.sort(key=lambda one: (one.time[:19], one.time, one.id), reverse=True)
        return [one for one in found if one.given_up] if is_given_up else found

    async def alert(self, alert_id: str) -> Shown | None:
        """One of them."""
        return next((one for one in await self.alerts() if one.id == alert_id), None)

    async def acknowledge(self, alert_id: str, by: str) -> Shown | None:
        """Notes that somebody looks after an alert, and gives it; who was first stays. None: there is no such."""
        found = await self.alert(alert_id)
        if found is None or found.acknowledged is not None:
            return found
        await self._ask(found, "acknowledge", by)
        return await self.alert(alert_id)

    async def resend(self, alert_id: str, by: str) -> Shown | None:
        """Has what was given up of an alert sent again, and gives it as it was. None: there is no such."""
        found = await self.alert(alert_id)
        if found is not None and found.given_up:
            await self._ask(found, "resend", by)
        return found

    async def _ask(self, shown: Shown, what: Any, by: str) -> None:
        await self._requests.put(shown.partition, Request(uuid4().hex, what, shown.id, by[:BY_MAX], clock.now()))

    async def _of(self, partition: int) -> list[Shown]:
        keys = (ALERTS, ACKNOWLEDGED, DEAD, OPEN, OUTBOX, ESCALATED_TO)
        alerts, attended, dead, lasting, waiting, told = await self._views.read_many(partition, keys)
        known = {alert.decode(): ACKNOWLEDGEMENT.decode(data) for alert, data in attended.items()}
        for request in await self._requests.of(partition):
            if request.what == "acknowledge":
                known.setdefault(request.alert, Acknowledgement(text_of_moment(request.at), request.by))
        lost = [outgoing_of_bytes(data) for data in dead.values()]
        escalations = _escalations(waiting, told, known)
        still = {alert.decode() for alert in lasting.values()}
        found: list[Shown] = []
        bodies = {alert_of(one.id): one.body for one in lost} | {alert.decode(): one for alert, one in alerts.items()}
        for name, body in bodies.items():
            event = _EVENT.decode(body)
            is_over = event.data["kind"] in LASTING and name not in still
            given = tuple(_given(one) for one in lost if alert_of(one.id) == name)
            said = (known.get(name), given, escalations.get(name, ()), is_over, partition)
            found.append(Shown(event.time, event.subject, event.data, *said))
        return found


def _escalations(
    waiting: Mapping[bytes, bytes], told: Mapping[bytes, bytes], known: Collection[str]
) -> dict[str, list[Escalation]]:
    """To whom alerts are escalated, or will be, by the alert's id; not what is acknowledged, and has not gone yet."""
    ending = ESCALATION.encode()
    found: dict[str, list[Escalation]] = {}
    for fields, is_told in ((told, True), (waiting, False)):
        for one in [outgoing_of_bytes(data) for field, data in fields.items() if field.endswith(ending)]:
            alert_id = alert_of(one.id)
            if is_told or one.attempts or alert_id not in known:
                at, after = (text_of_moment(one.due), 0) if one.due != HELD else ("", one.after // 1_000_000)
                found.setdefault(alert_id, []).append(Escalation(one.sink, at, after, is_told, one.error))
    return {name: sorted(some, key=lambda one: one.sink) for name, some in found.items()}


def _given(one: Outgoing) -> Given:
    return Given(one.sink, one.error, one.attempts, one.id.partition(".")[2])
