"""The catalogue: the whole vocabulary as JSON Schema, generated from the structs that decode it."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from events.vocabulary import BOOK_SUBJECT, EVENT_TYPES, Event

Schema = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
COMBINED: Final = "events.schema.json"
"""The name of the document that holds every event."""
_REF: Final = "#/$defs/{name}"

_ENVELOPE: Final[dict[str, Schema]] = {
    "specversion": {"description": "The version of CloudEvents."},
    "id": {"description": "With `source` the name of the event for ever: send it again and nothing changes."},
    "source": {"description": "Where the event comes from, a URI reference such as `/billing`."},
    "type": {"description": "What happened, and in which version of its data."},
    "subject": {"description": f"The account id; `{BOOK_SUBJECT}` for an event that belongs to no account."},
    "time": {"description": "When it happened: RFC 3339 with an offset."},
    "datacontenttype": {"type": "string", "description": "`application/json`, also where it is absent."},
    "recordedtime": {
        "type": "string",
        "description": "When another system recorded it (RFC 3339): for histories loaded as recorded.",
    },
    "data": {},
}
"""What is said of the attributes all events share, in the order they are shown in."""


def schema_documents() -> dict[str, Schema]:
    """File name -> JSON Schema: one document per event type and `events.schema.json` with all of them."""
    documents = {f"{name}.schema.json": event_schema(name) for name in EVENT_TYPES}
    return {**documents, COMBINED: combined_schema()}


def event_schema(name: str) -> Schema:
    """The JSON Schema of one event type: envelope and data, with its example."""
    components = schema_components([EVENT_TYPES[name]], _REF)
    own = components.pop(EVENT_TYPES[name].__name__)
    return {
        "$schema": DIALECT,
        "$id": f"urn:revledger:schema:{name}",
        **own,
        "title": name,
        "examples": [EXAMPLES[name]],
        "$defs": components,
    }


def combined_schema() -> Schema:
    """The JSON Schema of any event of the vocabulary."""
    return {
        "$schema": DIALECT,
        "$id": "urn:revledger:schema:events",
        "title": "revledger events",
        "description": "Any event that may enter the books: a CloudEvent 1.0 in structured mode.",
        "type": "object",
        "oneOf": [{"$ref": _REF.format(name=kind.__name__)} for kind in EVENT_TYPES.values()],
        "examples": [EXAMPLES[name] for name in EVENT_TYPES],
        "$defs": schema_components(EVENT_TYPES.values(), _REF),
    }


def schema_components(kinds: Iterable[type[Event]], ref_template: str) -> dict[str, Schema]:
    """Struct name -> schema, of event structs and all they consist of; refs as `ref_template` with {name}."""
    events = list(kinds)
    _, components = msgspec.json.schema_components(events, ref_template=ref_template)
    enveloped = {kind.__name__: _with_envelope(components[kind.__name__]) for kind in events}
    return {name: enveloped.get(name, schema) for name, schema in components.items()}


def _with_envelope(schema: Mapping[str, Any]) -> Schema:
    """The schema of an event with its attributes described and in their usual order, open to extensions."""
    known = schema["properties"]
    properties = {name: {**known.get(name, {}), **said} for name, said in _ENVELOPE.items()}
    required = [name for name in _ENVELOPE if name in schema["required"]]
    return {**schema, "properties": properties, "required": required, "additionalProperties": True}


def _example(name: str, event_id: str, time: str, data: Schema, subject: str = "acct-1001") -> Schema:
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": "/billing",
        "type": name,
        "subject": subject,
        "time": time,
        "datacontenttype": "application/json",
        "data": data,
    }


_SEATS: Final[Schema] = {
    "line_id": "seats",
    "plan": "team",
    "product": "workspace",
    "amount_minor": 4900,
    "quantity": 25,
    "discounts": [{"percent": "10", "until": "2024-08-01", "label": "launch"}],
}
_SUPPORT: Final[Schema] = {"line_id": "support", "plan": "gold", "amount_minor": 600_000, "interval": "year"}

EXAMPLES: Final[dict[str, Schema]] = {
    example["type"]: example
    for example in (
        _example(
            "revledger.contract.signed.v1",
            "evt-0001",
            "2024-01-24T09:30:00Z",
            {
                "contract_id": "ctr-77",
                "effective_at": "2024-02-01",
                "currency": "USD",
                "lines": [_SEATS, _SUPPORT],
                "term": {"start": "2024-02-01", "end": "2025-02-01", "auto_renew": True},
                "trial_end": "2024-02-15",
                "owner": "rep-12",
                "campaign": "spring-webinar",
                "channel": "partner",
                "attributes": {"segment": "mid-market", "industry": "logistics", "size": 120, "vip": True},
            },
        ),
        _example(
            "revledger.contract.upgraded.v1",
            "evt-0002",
            "2024-05-20T14:05:00Z",
            {
                "contract_id": "ctr-77",
                "effective_at": "2024-06-01",
                "lines": [{**_SEATS, "quantity": 40}, _SUPPORT],
            },
        ),
        _example(
            "revledger.contract.downgraded.v1",
            "evt-0003",
            "2024-09-17T08:00:00+02:00",
            {"contract_id": "ctr-77", "effective_at": "2024-10-01", "lines": [{**_SEATS, "quantity": 32}]},
        ),
        _example(
            "revledger.contract.paused.v1",
            "evt-0004",
            "2024-11-04T10:00:00Z",
            {"contract_id": "ctr-77", "effective_at": "2024-11-15"},
        ),
        _example(
            "revledger.contract.resumed.v1",
            "evt-0005",
            "2024-12-10T10:00:00Z",
            {"contract_id": "ctr-77", "effective_at": "2024-12-15"},
        ),
        _example(
            "revledger.contract.renewed.v1",
            "evt-0006",
            "2025-01-08T16:45:00Z",
            {
                "contract_id": "ctr-77",
                "effective_at": "2025-02-01",
                "term": {"start": "2025-02-01", "end": "2026-02-01", "auto_renew": False},
                "lines": [{"line_id": "seats", "plan": "team", "amount_minor": 5200, "quantity": 32}],
            },
        ),
        _example(
            "revledger.account.changed.v1",
            "evt-0007",
            "2025-03-03T09:00:00Z",
            {"effective_at": "2025-03-01", "attributes": {"segment": "enterprise", "industry": None}},
        ),
        _example(
            "revledger.survey.answered.v1",
            "evt-0008",
            "2025-04-11T12:20:31.250Z",
            {
                "survey": "nps",
                "score": 4,
                "scale_max": 10,
                "resolved_first_contact": False,
                "touchpoint": "support",
                "respondent": "user-5",
                "comment": "Invoices are hard to read.",
                "tags": ["billing", "usability"],
            },
        ),
        _example(
            "revledger.cost.recorded.v1",
            "evt-0009",
            "2025-05-02T07:00:00Z",
            {
                "kind": "acquisition",
                "amount_minor": 1_250_000,
                "currency": "USD",
                "from": "2025-04-01",
                "until": "2025-05-01",
                "category": "advertising",
                "campaign": "spring-webinar",
                "owner": "rep-12",
                "segment": "mid-market",
            },
            BOOK_SUBJECT,
        ),
        _example(
            "revledger.payment.failed.v1",
            "evt-0010",
            "2025-06-01T03:10:00Z",
            {
                "contract_id": "ctr-77",
                "amount_minor": 166_400,
                "currency": "USD",
                "attempt": 1,
                "reason": "card_expired",
            },
        ),
        _example(
            "revledger.payment.recovered.v1",
            "evt-0011",
            "2025-06-04T03:10:00Z",
            {
                "contract_id": "ctr-77",
                "amount_minor": 166_400,
                "currency": "USD",
                "attempt": 2,
                "reason": "card_updated",
            },
        ),
        _example(
            "revledger.rate.published.v1",
            "evt-0012",
            "2025-06-30T15:00:00Z",
            {"base": "EUR", "quote": "USD", "rate": "1.0850", "effective_at": "2025-06-30"},
            BOOK_SUBJECT,
        ),
        _example(
            "revledger.contract.cancelled.v1",
            "evt-0013",
            "2025-07-21T11:00:00Z",
            {
                "contract_id": "ctr-77",
                "effective_at": "2025-09-01",
                "reason": "price",
                "reason_text": "Moved to a cheaper tool.",
                "initiative": "voluntary",
            },
        ),
        _example(
            "revledger.event.retracted.v1",
            "evt-0014",
            "2025-07-28T09:15:00Z",
            {"source": "/billing", "id": "evt-0013", "reason": "Notice was given for another contract."},
        ),
    )
}
"""Wire name -> one realistic event; in this order they tell the story of one account."""
