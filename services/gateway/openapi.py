"""The OpenAPI document of the HTTP service, made from the vocabulary, the catalogue of figures and the problems."""

from typing import Any, Final, get_args

from events.catalogue import EXAMPLES, schema_components
from events.envelope import BATCH, EVENT_BYTES_MAX, STRUCTURED
from events.movements import BRIDGE_MOVEMENTS
from events.refusals import REASONS
from events.vocabulary import EVENT_TYPES
from projections.conversion import Convert
from projections.figures import FIGURES
from projections.parts import EXPLAINED, PARTS
from projections.periods import Every
from projections.tables import LISTS, SALES, TABLES
from services.gateway.answering import PARAMETERS_OF
from services.gateway.openapi_alerts import ALERT_PATHS, ALERT_SCHEMAS
from services.gateway.openapi_forms import separated
from services.gateway.problems import CODES, MEDIA_TYPE, STATUS_OF_REFUSAL
from services.gateway.receiving import EVENTS_MAX
from services.questions import LIMIT, LIMIT_MAX, REPEATED

Json = dict[str, Any]

_CONVERT: Final[Json] = {"enum": list(get_args(Convert))}
_REF: Final = "#/components/schemas/{name}"
_INTEGER: Final[Json] = {"type": "integer"}
_STRING: Final[Json] = {"type": "string"}
_UNREAD: Final[Json] = {"type": "integer", "description": "In the distributed form: events no writer has read yet."}
_DAY: Final[Json] = {"type": "string", "format": "date"}
_WINDOW: Final[Json] = {"from": _DAY, "until": _DAY}
_SPAN: Final[Json] = {"at": _DAY, **_WINDOW}
_GROUP: Final[Json] = {"type": "object", "additionalProperties": {"anyOf": [_STRING, {"type": "null"}]}}
_YES: Final[Json] = {"enum": ["yes", "no"], "default": "yes"}
_LIMIT: Final[Json] = {"type": "integer", "minimum": 0, "maximum": LIMIT_MAX, "default": LIMIT}

_PARAMETERS: Final[dict[str, tuple[str, Json]]] = {
    "from": ("First day of the window; by default twelve months before its end.", _DAY),
    "until": ("First day after the window; by default the month of the newest event is its last.", _DAY),
    "at": ("A day, at its start.", _DAY),
    "on": ("A day, at its end.", _DAY),
    "every": ("The length of a period.", {"enum": list(get_args(Every)), "default": "month"}),
    "currency": ("ISO 4217; may be left out where the books hold one currency.", _STRING),
    "by": ("A row for each value of a name: plan, product, owner, any attribute; see /v1/names.", _STRING),
    "where": ("Only revenue with NAME=VALUE, such as plan=pro; several must all hold.", _STRING),
    "known_at": ("As the books were known at a time, or at a position such as 0:41.", _STRING),
    "figures": (
        "Names of figures; by default all that the day or the window can answer.",
        {"enum": [figure.name for figure in FIGURES]},
    ),
    "compare": ("With the period before, or a year before: `before` of each row.", {"enum": ["previous", "year"]}),
    "between": ("Two moments, the earlier first: times, positions such as 0:41, or now as the later.", _STRING),
    "limit": ("How much is told one by one, the largest first; the rest is told in sum.", _LIMIT),
    "accounts": ("Whether accounts are counted too; without, large ledgers answer much sooner.", _YES),
    "policy": ("Another policy, the text of its TOML: every event is booked again under it.", _STRING),
    "convert": (
        "All currencies in one, by published rates: those in force as each period ends, or as the last one ends.",
        _CONVERT,
    ),
}


def openapi_document(body_bytes_max: int) -> Json:
    """OpenAPI 3.1 of all routes; `body_bytes_max` is the largest body in force."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "revledger",
            "version": "1",
            "summary": "An event-sourced revenue ledger.",
            "description": "Events in, bridges and figures out. Money is whole minor units, ratios are decimal"
            " strings, falls are negative; every answer says in `as_of` which position of the ledger it reflects.",
        },
        "paths": _paths(body_bytes_max),
        "components": {"schemas": _schemas(), "responses": {"Problem": _content(MEDIA_TYPE, "Problem", "A problem.")}},
    }


def _paths(body_bytes_max: int) -> Json:
    asked = [*_parameters("bridge"), *[_parameter(name) for name in ("at", "on", "limit")]]
    bridge = _get("The MRR bridge of each period, or a table of a day or a window.", "Report", (400, 503), asked)
    names = {"enum": ["bridge", *TABLES]}
    bridge["parameters"].insert(0, {"name": "name", "in": "path", "required": True, "schema": names})
    bridge["responses"]["404"] = _PROBLEM
    figures = _get("Figures of a day or a window.", "Figures", (400, 503), _parameters("figures"))
    return {
        "/v1/events": {"post": _post_events(body_bytes_max)},
        "/v1/reports/{name}": {"get": separated(bridge)},
        "/v1/figures": {"get": separated(figures)},
        "/v1/reports/replay": {"get": _get("From the ledger alone.", "Replay", _ASKED, _parameters("replay"))},
        "/v1/restate": {
            "get": _get("What changed between two moments, and why.", "Restatement", _ASKED, _parameters("restate"))
        },
        "/v1/explain/{figure}": {"get": _get_explanation()},
        **ALERT_PATHS,
        "/v1/names": {"get": _get("Currencies, and what revenue can be broken down by.", "Names", (503,))},
        "/v1/status": {"get": _get("Position, lag and counts.", "Status", (503,))},
        "/v1/stream": {"get": _get_stream()},
        "/health/live": {"get": _get("Whether the service still moves; else start it again.", "Health", (503,))},
        "/health/ready": {"get": _get("Whether the service can answer.", "Health", (503,))},
        "/metrics": {"get": _get_text("Measures for Prometheus.", "text/plain")},
        "/openapi.json": {"get": _get_text("This document.", "application/json", {"type": "object"})},
    }


def _get_explanation() -> Json:
    of_figure = {"name": "figure", "in": "path", "required": True, "schema": {"enum": [*EXPLAINED]}}
    summary = "A figure down to its accounts, postings and events."
    return _get(summary, "Explanation", _ASKED, [of_figure, *_parameters("explain")])


def _post_events(body_bytes_max: int) -> Json:
    accepted = {
        "description": "One event, or a batch of which none is refused: it is durable in the ledger.",
        "content": {"application/json": {"schema": {"oneOf": [_ref("Accepted"), _ref("Batch")]}}},
    }
    queued = {
        "description": "In the distributed form: none is refused, and all are durable in Kafka, where a writer books"
        " them. A fact that no writer can book goes to the dead letters.",
        "content": {"application/json": {"schema": {"oneOf": [_ref("Queued"), _ref("Batch")]}}},
    }
    statuses = sorted({status for status, _ in CODES.values() if status not in (404, 405, 500)})
    refused = sorted({*statuses, *STATUS_OF_REFUSAL.values(), 422})
    return {
        "summary": "Books events.",
        "description": "CloudEvents 1.0: one (structured), a batch, or binary mode with ce-* headers. What was sent"
        f" before counts as a duplicate, so sending again is safe. A body has at most {body_bytes_max} bytes, also"
        f" after gzip; an event {EVENT_BYTES_MAX}; a batch {EVENTS_MAX} events. Refused events are kept whole as dead"
        " letters.",
        "parameters": [
            {"name": name, "in": "header", "description": "In binary mode.", "schema": _STRING}
            for name in ("ce-specversion", "ce-id", "ce-source", "ce-type", "ce-subject", "ce-time")
        ]
        + [{"name": "content-encoding", "in": "header", "schema": {"enum": ["gzip", "identity"]}}],
        "requestBody": {"required": True, "content": _request_content()},
        "responses": {
            "200": accepted,
            "202": queued,
            "207": _content("application/json", "Batch", "A batch with refused events; the others are durable."),
            **{str(status): _PROBLEM for status in refused},
        },
    }


def _request_content() -> Json:
    examples = {name: {"value": event} for name, event in EXAMPLES.items()}
    batch = {"two": {"value": list(EXAMPLES.values())[:2]}}
    either: Json = {"anyOf": [_ref("Event"), _ref("EventBatch"), {"description": "`data`, in binary mode."}]}
    return {
        STRUCTURED: {"schema": _ref("Event"), "examples": examples},
        BATCH: {"schema": _ref("EventBatch"), "examples": batch},
        "application/json": {"schema": either},
    }


def _parameters(report: str) -> list[Json]:
    return [_parameter(name) for name in _PARAMETERS if name in PARAMETERS_OF[report]]


def _parameter(name: str) -> Json:
    meaning, schema = _PARAMETERS[name]
    repeated = {"explode": True, "schema": {"type": "array", "items": schema}}
    shape = repeated if name in REPEATED else {"schema": schema}
    return {"name": name, "in": "query", "description": meaning, **shape}


def _get(summary: str, schema: str, problems: tuple[int, ...], parameters: list[Json] | None = None) -> Json:
    return {
        "summary": summary,
        "parameters": parameters or [],
        "responses": {
            "200": _content("application/json", schema, "The answer."),
            **{str(status): _PROBLEM for status in problems},
        },
    }


def _get_text(summary: str, media_type: str, schema: Json = _STRING) -> Json:
    response = {"description": "The text.", "content": {media_type: {"schema": schema}}}
    return {"summary": summary, "responses": {"200": response}}


def _get_stream() -> Json:
    meaning = "Server-sent events `position`, each with an AsOf as data: one now, and one whenever the views moved."
    return _get_text(meaning, "text/event-stream")


def _schemas() -> Json:
    events = schema_components(EVENT_TYPES.values(), _REF)
    own: Json = {
        "Event": {"oneOf": [_ref(kind.__name__) for kind in EVENT_TYPES.values()]},
        "EventBatch": {"type": "array", "items": _ref("Event"), "maxItems": EVENTS_MAX},
        **_acknowledgements(),
        **_answers(),
        **_states(),
        **ALERT_SCHEMAS,
    }
    assert not own.keys() & events.keys(), "a schema of the service has the name of one of the vocabulary"
    return {**own, **events}


def _acknowledgements() -> Json:
    codes = {"enum": [*REASONS, *CODES]}
    refused = {"code": codes, "message": _STRING, "field": _STRING, "dead_letter": _INTEGER}
    return {
        "Problem": _object(
            {"type": _STRING, "title": _STRING, "status": _INTEGER, "detail": _STRING, "code": codes},
            {
                "field": {"type": "string", "description": "What to mend in a refused event."},
                "parameter": {"type": "string", "description": "What to mend in a question."},
                "dead_letter": {"type": "integer", "description": "The number the refused event is kept under."},
            },
        ),
        "Place": _object({"partition": _INTEGER, "height": _INTEGER, "seq": _INTEGER}),
        "Accepted": _object(
            {
                "status": {"enum": ["accepted", "duplicate"]},
                "position": _ref("Place"),
                "unmatched": {"type": "boolean", "description": "It waits for its contract or its target."},
            }
        ),
        "Result": _object(
            {"status": {"enum": ["accepted", "duplicate", "refused", "queued"]}},
            {"position": _ref("Place"), "queued": _ref("QueuedPlace"), **refused},
        ),
        "QueuedPlace": _object({"partition": _INTEGER, "offset": _INTEGER}),
        "Queued": _object({"status": {"enum": ["queued"]}, "queued": _ref("QueuedPlace")}),
        "Batch": _object(
            {
                **dict.fromkeys(("accepted", "duplicates", "refused", "unmatched"), _INTEGER),
                "position": _ref("Position"),
                "results": {"type": "array", "items": _ref("Result")},
            },
            {"queued": {"type": "integer", "description": "In the distributed form: how many wait to be booked."}},
        ),
    }


def _answers() -> Json:
    amounts = _object(dict.fromkeys(("opening", *BRIDGE_MOVEMENTS, "closing"), _INTEGER), {"fx": _INTEGER})
    accounts = dict.fromkeys(("opening", "new", "reactivated", "churned", "transferred", "closing"), _INTEGER)
    row = {"from": _DAY, "until": _DAY, "mrr_minor": amounts, "accounts": _object(accounts)}
    exact = {"group": _GROUP, "annual_e4": amounts}
    values = {
        figure.name: {
            **_or_null(_INTEGER if figure.unit in ("minor", "accounts") else _STRING),
            "description": f"{figure.definition} {figure.formula}",
        }
        for figure in FIGURES
    }
    before = _object({"figures": _object({}, values)}, _SPAN)
    figures = _object({"figures": _object({}, values)}, {**_SPAN, "group": _GROUP, "before": before})
    names = {"type": "array", "items": _STRING}
    return {
        "Report": {"anyOf": [_ref("Bridge"), _ref("Table")]},
        "Table": _table(),
        "Bridge": _report("bridge", _object(row, exact)),
        "Figures": _report("figures", figures),
        "Replay": _report("replay", {"anyOf": [_object(_without_accounts(row), exact), figures]}),
        "Restatement": _report("restate", _restated({**row, "annual_e4": amounts})),
        "Explanation": _report("explain", _explained()),
        "Names": _object(
            {
                "currencies": names,
                "names": {"type": "object", "additionalProperties": names},
                "minor_digits": {"type": "object", "additionalProperties": _INTEGER},
            }
        ),
    }


def _without_accounts(row: Json) -> Json:
    return {name: part for name, part in row.items() if name != "accounts"}


def _restated(bridge_row: Json) -> Json:
    """A row of a restatement: that of a bridge, and the events behind it."""
    changes = {"type": "object", "additionalProperties": _INTEGER}
    more = _object({"events": _INTEGER, "changes": changes, "mrr_minor": changes})
    committed = _object({"annual_e4": _INTEGER, "mrr_minor": _INTEGER})
    events = {"type": "array", "items": _object({**_event_told(), "changes": changes, "mrr_minor": changes})}
    return _object({**bridge_row, "committed": committed, "events": events}, {"group": _GROUP, "more": more})


def _event_told() -> Json:
    moment = {"type": "string", "format": "date-time"}
    texts = dict.fromkeys(("source", "id", "type", "account", "words"), _STRING)
    place = dict.fromkeys(("partition", "height", "seq"), _INTEGER)
    return {**texts, "contract": _or_null(_STRING), "time": moment, "effective": _DAY, "recorded_at": moment, **place}


def _explained() -> Json:
    """A row of an explanation: the figure, its parts, their accounts, their postings."""
    amount = dict.fromkeys(("annual_e4", "mrr_minor"), _INTEGER)
    sums = {"count": _INTEGER, **amount}
    texts = dict.fromkeys(("movement", "contract", "line", "plan"), _STRING)
    posting = _object({"day": _DAY, **texts, **amount, "event": _object(_event_told())})
    ends = {"opening": _object(amount), "closing": _object(amount)}
    more_postings = _object({"postings": _INTEGER, **amount})
    account = _object(
        {"account": _STRING, "postings": {"type": "array", "items": posting}}, {**sums, **ends, "more": more_postings}
    )
    part = _object(
        {"part": {"enum": [*PARTS]}, "meaning": _STRING, "accounts": {"type": "array", "items": account}},
        {**sums, "more": _object({"accounts": _INTEGER}, sums)},
    )
    value = {"anyOf": [_INTEGER, _STRING, {"type": "null"}]}
    words = dict.fromkeys(("unit", "definition", "formula", "worked"), _STRING)
    return _object(
        {"value": value, **words, "parts": {"type": "array", "items": part}},
        {"at": _DAY, "from": _DAY, "until": _DAY, "group": _GROUP},
    )


def _states() -> Json:
    counts = ("lag_blocks", "lag_seconds", "entries", "unmatched", "postings", "waiting")
    return {
        "Position": {
            "type": "object",
            "description": "Partition -> height of the last block.",
            "additionalProperties": _INTEGER,
        },
        "AsOf": _object(
            {
                "position": _ref("Position"),
                "newest_event": _or_null({"type": "string", "format": "date-time"}),
                "age_seconds": _or_null(_INTEGER),
                "final": {
                    "type": "boolean",
                    "description": "Whether the same moment can still be answered differently: a ledger position never"
                    " is; a time is until every partition has recorded something later. It says nothing of what"
                    " the ledger holds beyond the position.",
                },
            },
            {"known_at": _STRING},
        ),
        "Status": _object(
            {
                "as_of": _ref("AsOf"),
                "policy": _STRING,
                "ledger": _ref("Position"),
                "dead_letters": {"type": "object", "additionalProperties": _INTEGER},
                **dict.fromkeys(counts, _INTEGER),
                "partitions": {"type": "object", "additionalProperties": _ref("PartitionStatus")},
            },
            {"lag_events": _UNREAD},
        ),
        "PartitionStatus": _object(
            dict.fromkeys(("ledger", "views", "lag_blocks", "lag_seconds"), _INTEGER), {"lag_events": _UNREAD}
        ),
        "Health": _object({"status": {"enum": ["live", "ready"]}}),
    }


def _report(name: str, row: Json) -> Json:
    reflected: Json = {"as_of": _ref("AsOf")}
    if name == "restate":
        reflected = {"between": {"type": "array", "items": _ref("AsOf"), "minItems": 2, "maxItems": 2}}
    if name == "explain":
        reflected["figure"] = {"enum": [*EXPLAINED]}
    rows = {"type": "array", "items": row}
    required = {"report": {"enum": [name]}, "currency": _STRING, "policy": _STRING, **reflected, "rows": rows}
    rate = _object({"on": _DAY, "base": _STRING, "quote": _STRING, "rate": _STRING, "since": _DAY})
    converted = {"convert": _CONVERT, "rates": {"type": "array", "items": rate}}
    return _object(required, {"recorded_policy": _STRING, **converted} if name == "replay" else converted)


def _table() -> Json:
    """A table: the columns of all, each in those that have it."""
    kinds = {"minor": _INTEGER, "count": _or_null(_INTEGER), "list": {"type": "array", "items": _STRING}}
    columns = [column for table in LISTS.values() for column in table.columns]
    told = {column.name: kinds.get(column.unit, _or_null(_STRING)) for column in columns}
    kinds["minor"] = _or_null(_INTEGER)
    columns = [column for table in SALES.values() for column in table.columns]
    told |= {column.name: kinds.get(column.unit, _or_null(_STRING)) for column in columns}
    row = _object({}, {"group": _GROUP, **told})
    said: Json = {"report": {"enum": [*TABLES]}, "currency": _STRING, "policy": _STRING, "as_of": _ref("AsOf")}
    rows = {"type": "array", "items": row}
    return _object({**said, "rows": rows, "more": _INTEGER}, {"warning": _STRING, "before": _object(_WINDOW), **_SPAN})


def _object(required: Json, optional: Json | None = None) -> Json:
    return {"type": "object", "properties": {**required, **(optional or {})}, "required": list(required)}


def _or_null(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


def _ref(name: str) -> Json:
    return {"$ref": _REF.format(name=name)}


def _content(media_type: str, schema: str, description: str) -> Json:
    return {"description": description, "content": {media_type: {"schema": _ref(schema)}}}


_ASKED: Final = (400, 404, 500, 501, 503)
"""What a question to the ledger itself may end in."""
_PROBLEM: Final[Json] = {"$ref": "#/components/responses/Problem"}
