"""What is pinned: the example of every event type, and events with whatever else the wire may hold."""

from typing import Any, Final

import msgspec

from events.catalogue import EXAMPLES


def _event(name: str, event_id: str, time: str, data: dict[str, Any], **extensions: Any) -> bytes:
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": "https://billing.example/eu",
        "type": name,
        "subject": "acct-2002",
        "time": time,
        **extensions,
        "data": data,
    }
    return msgspec.json.encode(event)


def _signed(name: str, lines: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"contract_id": name, "currency": "EUR", "lines": lines, **more}


AS_TYPED: Final = rb"""
{ "type" : "revledger.contract.signed.v1", "specversion" : "1.0",
  "data" : { "lines" : [ { "plan" : "caf\u00e9 \ud83d\ude80", "line_id" : "a/1", "amount_minor" : 19900 } ],
             "currency" : "KRW", "contract_id" : "\uacc4\uc57d-1", "owner" : null, "term" : {} },
  "time" : "2024-02-28T23:59:59.999999-09:30", "subject" : "acct-3003",
  "traceparent" : "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "sequence" : 7, "sampled" : true,
  "source" : "urn:example:till", "id" : "\u2116 1" }
"""
"""Written by hand: spaces, escapes, any order, attributes of extensions, null for absent."""

_EVERY_LINE: Final[list[dict[str, Any]]] = [
    {
        "line_id": "ramp-1",
        "plan": "growth",
        "product": "suite",
        "kind": "recurring",
        "amount_minor": 99_900,
        "quantity": 3,
        "interval": "month",
        "interval_count": 3,
        "discounts": [
            {"amount_minor": 4_900, "from": "2024-04-01", "until": "2024-07-01", "label": "pilot"},
            {"percent": "33.333"},
        ],
        "from": "2024-04-01",
        "until": "2025-04-01T00:00:00Z",
    },
    {"line_id": "ramp-2", "plan": "growth", "amount_minor": 119_900, "quantity": 3, "from": "2025-04-01"},
    {"line_id": "care", "plan": "care", "amount_minor": 777, "interval": "week", "interval_count": 2},
    {"line_id": "set-up", "plan": "set-up", "amount_minor": 500_000, "kind": "one_time"},
    {"line_id": "calls", "plan": "calls", "amount_minor": 2, "kind": "usage", "interval": "day"},
]

_MORE: Final[dict[str, bytes]] = {
    "revledger.contract.cancelled.v1-before-its-contract": _event(
        "revledger.contract.cancelled.v1", "2-1", "2024-06-30T10:00:00Z", {"contract_id": "c-1"}
    ),
    "revledger.contract.signed.v1-least": _event(
        "revledger.contract.signed.v1",
        "2-2",
        "2024-03-01T10:00:00Z",
        _signed("c-1", [{"line_id": "1", "plan": "solo", "amount_minor": 900}]),
    ),
    "revledger.contract.signed.v1-everything": _event(
        "revledger.contract.signed.v1",
        "2-3",
        "2024-03-15T10:00:00Z",
        _signed(
            "c-2",
            _EVERY_LINE,
            effective_at="2024-04-01T09:00:00+09:00",
            term={"start": "2024-04-01", "end": "2026-04-01", "auto_renew": False},
            attributes={"segment": "smb", "size": 12, "nonprofit": False},
        ),
        recordedtime="2024-03-15T10:00:01.5Z",
    ),
    "revledger.contract.upgraded.v1-late": _event(
        "revledger.contract.upgraded.v1",
        "2-4",
        "2024-05-01T10:00:00Z",
        {"contract_id": "c-1", "lines": [{"line_id": "1", "plan": "duo", "amount_minor": 1_500}]},
    ),
    "revledger.event.retracted.v1-before-its-event": _event(
        "revledger.event.retracted.v1",
        "2-5",
        "2024-07-01T10:00:00Z",
        {"source": "https://billing.example/eu", "id": "2-6", "reason": "sent twice under two ids"},
    ),
    "revledger.contract.renewed.v1-retracted-already": _event(
        "revledger.contract.renewed.v1", "2-6", "2024-06-29T10:00:00Z", {"contract_id": "c-1"}
    ),
    "revledger.contract.signed.v1-as-typed": AS_TYPED,
}

SAMPLES: Final[dict[str, bytes]] = {
    **{name: msgspec.json.encode(example) for name, example in EXAMPLES.items()},
    **_MORE,
}
"""Name of the pin -> structured-mode bytes; the name is the type, and `-` and words beyond the first.

Those of one subject are booked one after the other. What is pinned already does not follow a change here.
"""
