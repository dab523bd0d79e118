"""The forms of an answer as OpenAPI has them: operations that answer in CSV too."""

from typing import Any, Final

from services.gateway.answering import ABOUT, FORMAT, FORMATS

_ASKED: Final = (
    "json, or csv as `--format csv` prints it; by default that of the first media type in Accept, else json."
)
_ABOUT: Final = "Beside CSV: the answer in JSON without its rows and rates."


def separated(operation: dict[str, Any]) -> dict[str, Any]:
    """The operation of an answer, in CSV too."""
    schema = {"enum": [*FORMATS], "default": "json"}
    asked = {"name": FORMAT, "in": "query", "description": _ASKED, "schema": schema}
    answer = operation["responses"]["200"]
    found = {
        **answer,
        "headers": {ABOUT: {"description": _ABOUT, "schema": {"type": "string"}}},
        "content": {**answer["content"], FORMATS["csv"]: {"schema": {"type": "string"}}},
    }
    return {
        **operation,
        "parameters": [*operation["parameters"], asked],
        "responses": {**operation["responses"], "200": found},
    }
