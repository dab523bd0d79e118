"""Alerts over HTTP: listed, acknowledged, and what is wrong with a request said."""

import asyncio
from typing import Any

import httpx

from projections.alerts import message_of
from services.alerts.memory import ALERTS
from services.alerts.outbox import Outbox, Outgoing
from services.views.port import START
from tests.services.gateway.served import Service
from tests.wire.alerted import CHURN, FIGURE


def fired(service: Service) -> None:
    """Puts two alerts into the views, one of which was given up, as an alerter does."""
    outbox = Outbox()
    outbox.given_up(Outgoing("crm", CHURN.id, message_of(CHURN).body, 0, 9), "it answered 400")

    async def write() -> None:
        views = service.books.alert_views
        bodies = {alert.id: message_of(alert).body for alert in (CHURN, FIGURE)}
        position = await views.position(0) or START
        await views.commit(0, await views.claim(0), position.next_height, position, {**outbox.writes(), ALERTS: bodies})

    asyncio.run_coroutine_threadsafe(write(), service.loop).result(20)


def test_alerts_are_listed_acknowledged_and_sent_again(service: Service, client: httpx.Client) -> None:
    fired(service)
    rows = client.get("/v1/alerts").json()["rows"]
    assert {row["id"]: row["state"] for row in rows} == {CHURN.id: "fired", FIGURE.id: "over"}
    given: Any = client.get("/v1/alerts?given-up=yes").json()
    assert [(row["id"], row["given_up"]) for row in given["rows"]] == [
        (CHURN.id, [{"sink": "crm", "error": "it answered 400", "attempts": 10, "what": ""}])
    ]
    assert client.get("/v1/alerts?limit=1").json()["more"] == 1
    for by in ("kim", "lee"):
        answer = client.post(f"/v1/alerts/{CHURN.id}/ack", json={"by": by})
        assert (answer.status_code, answer.json()["acknowledged"]["by"]) == (200, "kim")
    assert client.post(f"/v1/alerts/{FIGURE.id}/ack").json()["acknowledged"]["by"] == "somebody"
    assert client.post(f"/v1/alerts/{CHURN.id}/resend").status_code == 200


def test_what_is_wrong_is_said(client: httpx.Client) -> None:
    missing = client.post("/v1/alerts/alr_none/ack")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert "alr_none" in missing.json()["detail"]
    for path in ("/v1/alerts?limit=x", "/v1/alerts?given_up=1", "/v1/alerts?lmit=1", "/v1/alerts?limit=1&limit=2"):
        assert client.get(path).json()["code"] == "invalid_parameter"
    for body in (b"{", b'{"bye": "kim"}', b'{"by": 1}'):
        assert client.post("/v1/alerts/alr_none/ack", content=body).json()["code"] == "bad_request"
