"""Memory: the alerts of one partition that are kept, who looks after them, and what was asked about them."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from events.days import text_of_moment
from events.facts import key_of
from projections.alerts import RESOLVED, Message, retold
from services.alerts.requests import Acknowledgement, Request
from services.alerts.told import Told, told_of
from services.views.port import Field, Value

ALERTS: Final = "alerts"
ACKNOWLEDGED: Final = "acknowledged"
ASKED: Final = "asked"
MEMORY_KEYS: Final = (ALERTS, ACKNOWLEDGED, ASKED)
"""Keys of the views: alerts and their acknowledgements by id, requests that were taken over by their own."""
OPEN: Final = "open"
"""Key of the states that last: name -> the id of the alert that told of it."""
ALERTS_MAX: Final = 5_000
"""How many alerts are kept to be shown; the oldest go first."""

Changes = dict[str, dict[Field, Value | None]]


class Memory:
    """What the views hold of alerts that were told; whoever changes it has committed that before."""

    def __init__(self) -> None:
        self._alerts: OrderedDict[str, bytes] = OrderedDict()
        self._acknowledged: dict[str, bytes] = {}
        self._asked: set[str] = set()
        self._events: dict[str, list[str]] = {}

    def __contains__(self, alert_id: str) -> bool:
        return alert_id in self._alerts

    def load(
        self, alerts: Iterable[bytes], acknowledged: Mapping[bytes, bytes], asked: Iterable[bytes]
    ) -> list[Told]:
        """Begins with what the views hold; the alerts among it, the oldest first."""
        self._alerts, self._events = OrderedDict(), {}
        told = sorted(((told_of(body), body) for body in alerts), key=lambda one: (one[0].moment, one[0].id))
        for one, body in told:
            self._note(one.id, body)
        self._acknowledged = {alert.decode(): data for alert, data in acknowledged.items()}
        self._asked = {one.decode() for one in asked}
        return [one for one, _ in told]

    def fired(self, bodies: Mapping[str, bytes]) -> Changes:
        """What is written for new alerts: the oldest make room."""
        surplus = len(self._alerts) + len(bodies) - ALERTS_MAX
        gone: dict[Field, Value | None] = dict.fromkeys(list(self._alerts)[:surplus] if surplus > 0 else [])
        unattended: dict[Field, Value | None] = {one: None for one in gone if one in self._acknowledged}
        return {ALERTS: gone | dict(bodies.items()), ACKNOWLEDGED: unattended}

    def answered(self, requests: Sequence[Request]) -> Changes:
        """What is written for requests; empty where all of them were taken over before."""
        new = [one for one in requests if one.id not in self._asked]
        if not new:
            return {}
        asked: dict[Field, Value | None] = dict.fromkeys(self._asked - {one.id for one in requests})
        asked.update({one.id: one.what for one in new})
        attended: dict[Field, Value | None] = {}
        for one in new:
            if one.what == "acknowledge" and one.alert in self._alerts and one.alert not in self._acknowledged:
                attended.setdefault(one.alert, msgspec.json.encode(Acknowledgement(text_of_moment(one.at), one.by)))
        return {ASKED: asked, ACKNOWLEDGED: attended}

    def is_new(self, request: Request) -> bool:
        """Whether a request was not taken over yet."""
        return request.id not in self._asked

    def apply(self, changes: Mapping[str, Mapping[Field, Value | None]]) -> None:
        """Takes over what the views have now."""
        for alert_id, body in changes.get(ALERTS, {}).items():
            self._alerts.pop(str(alert_id), None)
            if isinstance(body, bytes):
                self._note(str(alert_id), body)
        for alert_id, data in changes.get(ACKNOWLEDGED, {}).items():
            self._acknowledged.pop(str(alert_id), None)
            if isinstance(data, bytes):
                self._acknowledged[str(alert_id)] = data
        for request_id, what in changes.get(ASKED, {}).items():
            self._asked.discard(str(request_id))
            if what is not None:
                self._asked.add(str(request_id))

    def everything(self) -> Changes:
        """All of it, for views that have lost it."""
        return {
            ALERTS: dict(self._alerts.items()),
            ACKNOWLEDGED: dict(self._acknowledged.items()),
            ASKED: dict.fromkeys(self._asked, b"1"),
        }

    def of_events(self, keys: Iterable[str]) -> list[str]:
        """The alerts behind which some events are."""
        return [alert_id for key in keys for alert_id in self._events.get(key, ())]

    def resolution(self, alert_id: str) -> list[tuple[str, Message]]:
        """The message that what an alert told of is over, with its rule."""
        body = self._alerts.get(alert_id)
        return [] if body is None else [(told_of(body).data.rule, retold(body, RESOLVED))]

    def _note(self, alert_id: str, body: bytes) -> None:
        """Keeps an alert, with what later ones are held against."""
        self._alerts[alert_id] = body
        event = told_of(body).data.event
        if event is not None:
            self._events.setdefault(key_of(event.source, event.id), []).append(alert_id)
