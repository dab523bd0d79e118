"""The OpenAPI document: complete, sound in itself, and true of what the service answers."""

import json
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest

from events.catalogue import EXAMPLES
from events.envelope import STRUCTURED
from projections.figures import CATALOGUE
from services.gateway.assets import FILES
from services.gateway.openapi import openapi_document
from services.questions import PARAMETERS
from tests.events.json_schema import is_valid
from tests.services.gateway.served import Service, signed

DOCUMENT: Final[dict[str, Any]] = openapi_document(1_000_000)
METHODS: Final = {"get", "post"}
_LOCAL: Final = json.loads(json.dumps(DOCUMENT["components"]["schemas"]).replace("#/components/schemas/", "#/$defs/"))


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """All objects of a JSON value."""
    if isinstance(value, dict):
        yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(one)


def conforms(schema: str, value: Any) -> bool:
    return is_valid(_LOCAL[schema], value, _LOCAL)


def test_every_reference_leads_somewhere() -> None:
    references = {node["$ref"] for node in nodes(DOCUMENT) if isinstance(node.get("$ref"), str)}
    for reference in references:
        found: Any = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
    used = {reference.rpartition("/")[2] for reference in references}
    assert set(DOCUMENT["components"]["schemas"]) <= used, "a schema nothing refers to"


def test_it_has_what_openapi_requires() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    assert {"title", "version"} <= set(DOCUMENT["info"])
    for path, item in DOCUMENT["paths"].items():
        assert set(item) <= METHODS
        for operation in item.values():
            assert operation["summary"].endswith("."), path
            for status, response in operation["responses"].items():
                assert status.isdigit()
                assert response.keys() == {"$ref"} or response["description"]
            for parameter in operation.get("parameters", ()):
                assert {"name", "in", "schema"} <= set(parameter)
            names = [parameter["name"] for parameter in operation.get("parameters", ())]
            assert len(names) == len(set(names))
            assert {part[1:-1] for part in path.split("/") if part.startswith("{")} <= set(names)


def test_it_has_all_routes_and_no_other(service: Service) -> None:
    app = service.server.config.app
    routes = {
        (str(route.path_format), method.lower())
        for route in app.routes  # type: ignore[union-attr]
        for method in getattr(route, "methods", ())
        if method not in ("OPTIONS", "HEAD")
    }
    documented = {(path, method) for path, item in DOCUMENT["paths"].items() for method in item}
    assert documented == {(path, method) for path, method in routes if path not in FILES}


def test_it_knows_all_parameters_and_figures() -> None:
    gets = [item["get"] for item in DOCUMENT["paths"].values() if "get" in item]
    named = {parameter["name"] for get in gets for parameter in get.get("parameters", ())}
    assert named - {"name", "figure", "given_up", "format"} == set(PARAMETERS)
    figures = DOCUMENT["components"]["schemas"]["Figures"]["properties"]["rows"]["items"]["properties"]["figures"]
    assert set(figures["properties"]) == set(CATALOGUE)


@pytest.mark.parametrize("event", EXAMPLES.values(), ids=EXAMPLES)
def test_its_schemas_hold_for_the_vocabulary(event: dict[str, Any]) -> None:
    assert conforms("Event", event)
    assert not conforms("Event", {**event, "data": {**event["data"], "colour": "red"}})


def test_its_schemas_hold_for_answers(client: httpx.Client) -> None:
    assert client.get("/openapi.json").json()["paths"] == json.loads(json.dumps(openapi_document(1024 * 1024)))["paths"]
    event = signed(1)
    assert conforms("Accepted", client.post("/v1/events", json=event).json())
    assert conforms("Batch", client.post("/v1/events", json=[event, {}]).json())
    gone = {"id": "lost", "type": "revledger.contract.cancelled.v1", "time": "2024-03-10T00:00:00Z"}
    lost = signed(2) | gone | {"data": {"contract_id": "ctr-2", "reason": "price"}}
    assert client.post("/v1/events", json=[signed(2), lost]).status_code == 200
    refused = client.post("/v1/events", content=b"{", headers={"content-type": STRUCTURED})
    assert conforms("Problem", refused.json())
    for schema, path in {
        "Bridge": "/v1/reports/bridge?by=plan&currency=USD",
        "Table": "/v1/reports/concentration?currency=USD&limit=1",
        "Report": "/v1/reports/cohorts?currency=USD&every=quarter&by=plan",
        "Window": "/v1/reports/churn?currency=USD&where=reason%3Dprice",
        "Sold": "/v1/reports/sellers?currency=USD&by=plan",
        "Figures": "/v1/figures?from=2024-01-01&until=2025-01-01&currency=USD&known_at=0:1&by=plan",
        "Compared": "/v1/figures?from=2024-01-01&until=2024-02-01&currency=USD&compare=year",
        "Replay": "/v1/reports/replay?by=plan&currency=USD&accounts=no&policy=churn%3D%27notice%27",
        "Converted": "/v1/reports/bridge?currency=USD&convert=closing",
        "Restatement": "/v1/restate?from=2024-01-01&until=2025-01-01&currency=USD&between=0:0&between=now&by=plan",
        "Explanation": "/v1/explain/nrr?from=2024-01-01&until=2025-01-01&currency=USD&by=plan&limit=1",
        "Alerts": "/v1/alerts?given-up=yes&limit=5",
        "Names": "/v1/names",
        "Status": "/v1/status",
        "Health": "/health/live",
        "Problem": "/v1/figures?currency=X",
    }.items():
        answer = client.get(path).json()
        is_of = {"Converted": "Bridge", "Compared": "Figures", "Window": "Table", "Sold": "Table"}.get(schema, schema)
        assert conforms(is_of, answer), (schema, answer)


def test_its_csv_is_what_comes_out(client: httpx.Client) -> None:
    """Of the media type and with the header that it says, where it says so and nowhere else."""
    client.post("/v1/events", json=signed(1))
    paths = {"/v1/figures": "/v1/figures", "/v1/reports/{name}": "/v1/reports/accounts"}
    for path, item in DOCUMENT["paths"].items():
        named = {one["name"]: one for one in item.get("get", {}).get("parameters", ())}
        assert ("format" in named) == (path in paths)
        if path in paths:
            answer = item["get"]["responses"]["200"]
            for form in named["format"]["schema"]["enum"]:
                told = client.get(paths[path], params={"currency": "USD", "format": form})
                assert told.headers["content-type"].partition(";")[0] in answer["content"]
                assert (set(answer["headers"]) <= set(told.headers)) == (form == "csv")
    assert client.get("/v1/explain/mrr_minor?currency=USD&format=csv").status_code == 400
