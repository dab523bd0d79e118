"""The AsyncAPI 3 document of the Kafka topics: what is sent to them, and what is found in them."""

from typing import Any, Final

from events.catalogue import COMBINED, EXAMPLES
from events.envelope import STRUCTURED
from events.refusals import REASONS
from events.vocabulary import EVENT_TYPES

DOCUMENT: Final = "asyncapi.json"
_BINARY: Final = "application/json"
_TEXT: Final = {"type": "string"}
_NUMBER: Final = {"type": "string", "pattern": "^[0-9]+$"}


def asyncapi_document() -> dict[str, Any]:
    """The document, for topics with the usual prefix."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "revledger",
            "version": "1.0.0",
            "description": "Events in, blocks and refusals out. The topics' prefix is set by REVLEDGER_PREFIX.",
        },
        "defaultContentType": STRUCTURED,
        "channels": {
            "events": _channel(
                "revledger.events",
                "Events to be booked. The key is the account, and its murmur2 hash the partition, as Kafka's Java"
                " client chooses it; events that come elsewhere are sent on.",
                ["structured", "binary"],
            ),
            "ledger": _channel(
                "revledger.ledger",
                "The ledger, written by revledger alone. Of several records with one height the first counts.",
                ["block"],
            ),
            "deadLetters": _channel(
                "revledger.dead-letters", "What was refused, whole, with the reason in its headers.", ["refusal"]
            ),
            "alerts": _channel(
                "revledger.alerts",
                "What rules fired on, and what is over. The key is the account, or ~book; the id is the same however"
                " often an alert is sent.",
                ["alert"],
            ),
        },
        "operations": {
            "publishEvent": _operation("receive", "events", ["structured", "binary"]),
            "followLedger": _operation("send", "ledger", ["block"]),
            "followRefusals": _operation("send", "deadLetters", ["refusal"]),
            "followAlerts": _operation("send", "alerts", ["alert"]),
        },
        "components": {"messages": _messages()},
    }


def _channel(address: str, description: str, messages: list[str]) -> dict[str, Any]:
    found = {name: {"$ref": f"#/components/messages/{name}"} for name in messages}
    return {"address": address, "description": description, "messages": found}


def _operation(action: str, channel: str, messages: list[str]) -> dict[str, Any]:
    named = [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages]
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "messages": named}


def _messages() -> dict[str, Any]:
    key = {"kafka": {"key": {"type": "string", "description": "The account: the subject of the event."}}}
    attributes = {f"ce_{name}": _TEXT for name in ("specversion", "id", "source", "subject", "time")}
    types = {"type": "string", "enum": list(EVENT_TYPES)}
    return {
        "structured": {
            "title": "A CloudEvent in structured mode",
            "contentType": STRUCTURED,
            "payload": {"$ref": COMBINED},
            "bindings": key,
            "examples": [{"name": name, "payload": example} for name, example in EXAMPLES.items()],
        },
        "binary": {
            "title": "A CloudEvent in binary mode",
            "contentType": _BINARY,
            "headers": {
                "type": "object",
                "properties": {**attributes, "ce_type": types},
                "required": [*attributes, "ce_type"],
            },
            "payload": {"type": "object", "description": "The `data` of the event's schema."},
            "bindings": key,
        },
        "block": _block(),
        "refusal": _refusal(),
        "alert": _alert(),
    }


def _block() -> dict[str, Any]:
    """What the ledger's topic holds."""
    return {
        "title": "A block of the ledger",
        "contentType": "application/msgpack",
        "headers": {
            "type": "object",
            "properties": {
                "block": {
                    "type": "string",
                    "format": "binary",
                    "description": "The msgpack array of partition, height, first_seq, entries, recorded_at"
                    " (microseconds), prev_hash and hash.",
                }
            },
            "required": ["block"],
        },
        "payload": {"type": "string", "format": "binary", "description": "The bytes of the block."},
    }


def _alert() -> dict[str, Any]:
    """What the topic of alerts holds."""
    names = ("id", "source", "subject", "time")
    types = [f"revledger.alert.{what}.v1" for what in ("fired", "resolved", "escalated", "grouped")]
    told = ("id", "rule", "kind", "severity", "summary")
    of_one = {"explain": {"type": "string", "description": "Where to look; of one alert."}}
    of_many = {"count": {"type": "integer", "description": "How many there are; of a group."}}
    data = {**dict.fromkeys(told, _TEXT), **of_one, **of_many}
    return {
        "title": "An alert, as a CloudEvent in structured mode",
        "contentType": STRUCTURED,
        "payload": {
            "type": "object",
            "properties": {
                **dict.fromkeys(names, _TEXT),
                "type": {"type": "string", "enum": types},
                "data": {"type": "object", "properties": data, "required": [*told]},
            },
            "required": [*names, "type", "data"],
        },
        "bindings": {"kafka": {"key": {"type": "string", "description": "The subject: the account, or ~book."}}},
    }


def _refusal() -> dict[str, Any]:
    """What the topic of dead letters holds."""
    return {
        "title": "What was refused",
        "contentType": "application/octet-stream",
        "headers": {
            "type": "object",
            "properties": {
                "code": {"type": "string", "enum": list(REASONS)},
                **dict.fromkeys(("message", "field", "source", "topic", "at"), _TEXT),
                **dict.fromkeys(("partition", "offset", "size"), _NUMBER),
            },
            "required": ["code", "message", "at"],
        },
        "payload": {"type": "string", "format": "binary", "description": "The record's value as it came."},
    }
