"""Probes: what a service says of itself decides, and its metrics are there for Prometheus."""

import asyncio

import httpx

from services.gateway.probes import probe_application
from services.metrics import Metrics
from tests.services.running import asynchronous


class Patient:
    """Something with a health."""

    def __init__(self) -> None:
        self.ill = ""
        self.busy = ""

    async def not_live(self) -> str:
        return self.ill

    async def not_ready(self) -> str:
        return self.busy


@asynchronous
async def test_a_service_says_how_it_is() -> None:
    patient, metrics = Patient(), Metrics()
    app = probe_application(patient, metrics)
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type] # the same protocol in other words
    async with httpx.AsyncClient(transport=transport, base_url="http://probes") as client:
        assert (await client.get("/health/live")).json() == {"status": "live"}
        assert (await client.head("/health/ready")).status_code == 200
        patient.busy = "the accounts are being read"
        away = await client.get("/health/ready")
        assert (away.status_code, away.json()["detail"]) == (503, "the accounts are being read")
        assert (await client.get("/health/live")).status_code == 200
        patient.ill = "it stands still"
        assert (await client.get("/health/live")).json()["code"] == "not_live"
        metrics.booked.labels("3").inc(5)
        text = await client.get("/metrics")
        assert 'revledger_booked_total{partition="3"} 5.0' in text.text.splitlines()
        assert text.headers["content-type"].startswith("text/plain")
        assert (await client.get("/v1/figures")).status_code == 404
    assert isinstance(app.state.stopping, asyncio.Event), "the server sets it at its end"
