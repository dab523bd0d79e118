"""The AsyncAPI document: its references lead somewhere, and what it says of headers is what is written."""

import json
from collections.abc import Iterator
from typing import Any

from events.asyncapi import asyncapi_document
from events.catalogue import schema_documents
from events.envelope import binary_of_structured
from events.vocabulary import EVENT_TYPES
from projections.alerts import ESCALATED, FIRED, RESOLVED
from projections.bundles import GROUPED
from services.kafka.connection import Names
from services.kafka.dead_letters import KafkaRefusal, _headers
from services.ledgers.kafka_chain import HEADER
from tests.wire.alerted import ALERTS
from tests.wire.samples import SAMPLES

DOCUMENT = asyncapi_document()


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for one in value.values():
            yield from references(one)
    if isinstance(value, list):
        for one in value:
            yield from references(one)


def test_references_lead_somewhere() -> None:
    for reference in references({name: DOCUMENT[name] for name in ("channels", "operations")}):
        place: Any = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
        assert place
    assert DOCUMENT["components"]["messages"]["structured"]["payload"]["$ref"] in schema_documents()


def test_topics_have_their_names() -> None:
    names = Names("revledger")
    addresses = {channel["address"] for channel in DOCUMENT["channels"].values()}
    assert addresses == {names.events, names.ledger, names.dead_letters, names.alerts}


def test_alerts_hold_what_is_told_of_them() -> None:
    told = DOCUMENT["components"]["messages"]["alert"]["payload"]
    data = told["properties"]["data"]
    for message in ALERTS.values():
        event = json.loads(message.body)
        assert set(told["required"]) <= event.keys()
        assert event["type"] in told["properties"]["type"]["enum"]
        assert set(data["required"]) <= event["data"].keys()
        of_what = "count" if event["type"] == GROUPED else "explain"
        assert data["properties"].keys() & event["data"].keys() == {*data["required"], of_what}
    assert {FIRED, RESOLVED, ESCALATED, GROUPED} == set(told["properties"]["type"]["enum"])


def test_binary_headers_are_those_that_are_written() -> None:
    told = DOCUMENT["components"]["messages"]["binary"]["headers"]
    for raw in SAMPLES.values():
        headers, _ = binary_of_structured(raw)
        assert set(told["required"]) <= headers.keys()
        assert headers["ce_type"] in told["properties"]["ce_type"]["enum"]
    assert told["properties"]["ce_type"]["enum"] == list(EVENT_TYPES)


def test_headers_of_refusals_and_blocks_are_those_that_are_written() -> None:
    refusal = KafkaRefusal(b"x", None, "not_json", "m", "f", "t", 1, 2, 3, "s", 4)
    told = DOCUMENT["components"]["messages"]["refusal"]["headers"]
    assert {name for name, _ in _headers(refusal)} == told["properties"].keys()
    assert list(DOCUMENT["components"]["messages"]["block"]["headers"]["properties"]) == [HEADER]
