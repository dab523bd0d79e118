"""Letters: what a message says to somebody who reads it, as a title and as text."""

import json
from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

from projections.alerts import Message
from projections.bundles import GROUPED
from services.alerts.told import PREFIXES

IDS_IN_LINE: Final = 3
_LINES: Final = (
    *("account", "contracts", "plans", "owner", "currency", "mrr_minor", "arr_minor", "share", "account_mrr_minor"),
    *("effective", "reason", "initiative", "rule", "severity", "explain", "id"),
)
"""What of an alert is told, in this order, where it is there."""


class Letter(Struct, frozen=True):
    """A message for people: a line, and more lines; `severity` as the rule says."""

    title: str
    text: str
    severity: str


def letter_of(message: Message) -> Letter:
    """What a message says."""
    event = json.loads(message.body)
    data = event["data"]
    title = f"{PREFIXES.get(event['type'], '')}{data['summary']}{_rule_told(data)}"
    told = _of_many(data) if event["type"] == GROUPED else _of_one(data)
    return Letter(title, "\n".join([title, "", *told, f"time: {event['time']}", ""]), data["severity"])


def _rule_told(data: dict[str, Any]) -> str:
    """The name of a rule where there may be several on one thing: not if it is called as that is."""
    name = str(data["rule"])
    return "" if name.replace("-", "_") == data["kind"] else f" [{name}]"


def _of_one(data: dict[str, Any]) -> Iterator[str]:
    for name in _LINES:
        if name in data:
            yield f"{name}: {_text(data[name])}"
    for name, value in data.get("attributes", {}).items():
        yield f"{name}: {value}"
    for one in data.get("scores", []):
        yield f"{one['survey']}: {one['score']} on {one['time'][:10]}"
    yield f"ledger: {' '.join(f'{name} {value}' for name, value in data['position'].items())}"


def _of_many(data: dict[str, Any]) -> Iterator[str]:
    """The largest of several alerts, and the ids of all."""
    for one in data["largest"]:
        yield one["summary"]
        yield f"  {one['id']}  {one.get('explain', '')}".rstrip()
    rest = data["count"] - len(data["largest"])
    if rest:
        yield f"and {rest:,} more"
    yield ""
    for name, value in data.get("group", {}).items():
        yield f"{name}: {value or 'none'}"
    yield f"rule: {data['rule']}"
    yield f"severity: {data['severity']}"
    yield "ids:"
    for start in range(0, len(data["ids"]), IDS_IN_LINE):
        yield "  " + " ".join(data["ids"][start : start + IDS_IN_LINE])


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
