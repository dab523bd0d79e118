"""The part of the OpenAPI document that is about alerts."""

from typing import Any, Final

from services.gateway.alerts import ANYBODY, LIMIT, LIMIT_MAX

Json = dict[str, Any]

_TEXT: Final[Json] = {"type": "string"}
_NUMBER: Final[Json] = {"type": "integer"}


def _object(required: Json, optional: Json | None = None) -> Json:
    return {"type": "object", "properties": {**required, **(optional or {})}, "required": list(required)}


def _answer(schema: str, problems: tuple[int, ...]) -> Json:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    problem = {"$ref": "#/components/responses/Problem"}
    return {"200": {"description": "The answer.", "content": content}, **{str(one): problem for one in problems}}


def _asking(summary: str) -> Json:
    by = {"type": "string", "default": ANYBODY, "description": "Who asks."}
    return {
        "summary": summary,
        "parameters": [{"name": "alert_id", "in": "path", "required": True, "schema": _TEXT}],
        "requestBody": {"content": {"application/json": {"schema": _object({}, {"by": by})}}},
        "responses": _answer("Alert", (400, 404, 413, 503)),
    }


def _query(name: str, description: str, schema: Json) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": schema}


ALERT_PATHS: Final[Json] = {
    "/v1/alerts": {
        "get": {
            "summary": "The alerts that fired, the newest first.",
            "parameters": [
                _query("limit", "How many at most.", {**_NUMBER, "minimum": 0, "maximum": LIMIT_MAX, "default": LIMIT}),
                _query("given_up", "Only what a sink did not take.", {"enum": ["yes", "no"], "default": "no"}),
            ],
            "responses": _answer("Alerts", (400, 503)),
        }
    },
    "/v1/alerts/{alert_id}/ack": {"post": _asking("Says that somebody looks after an alert.")},
    "/v1/alerts/{alert_id}/resend": {"post": _asking("Sends what was given up of an alert again.")},
}
"""Path -> its operations."""

_GIVEN: Final = _object({"sink": _TEXT, "error": _TEXT, "attempts": _NUMBER, "what": _TEXT})
_ESCALATION: Final = _object(
    {"sink": _TEXT}, {"at": _TEXT, "after_seconds": _NUMBER, "is_told": {"type": "boolean"}, "error": _TEXT}
)
ALERT_SCHEMAS: Final[Json] = {
    "Alert": _object(
        {
            **dict.fromkeys(("time", "subject", "id", "rule", "kind", "severity", "summary"), _TEXT),
            "state": {"enum": ["fired", "acknowledged", "over"]},
        },
        {
            "acknowledged": _object({"at": _TEXT, "by": _TEXT}),
            "given_up": {"type": "array", "items": _GIVEN},
            "escalations": {"type": "array", "items": _ESCALATION},
        },
    ),
    "Alerts": _object(
        {
            "report": {"enum": ["alerts"]},
            "rows": {"type": "array", "items": {"$ref": "#/components/schemas/Alert"}},
            "more": _NUMBER,
        }
    ),
}
"""Name -> schema."""
