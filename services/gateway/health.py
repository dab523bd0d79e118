"""Health and measures: what tells an operator, a scheduler and Prometheus how the service is."""

import asyncio
from typing import Final

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from services.deadletters import DeadLettersUnavailable
from services.gateway.probes import METRICS_TYPE, probes
from services.gateway.problems import json_response
from services.gateway.state import State, Status
from services.ledgers.port import LedgerError
from services.metrics import Metrics
from services.views.port import ViewsError

STATUS_SECONDS: Final = 5.0
"""How long the measures wait for the stores: less than the 10 s for which Prometheus waits for the measures."""


def health(state: State) -> list[HTTPRouteHandler]:
    """The routes of health, status and metrics."""

    @get("/v1/status")
    async def status() -> Response[bytes]:
        return json_response((await state.status()).shown(state.policy))

    @get("/metrics")
    async def metrics() -> Response[bytes]:
        return Response(await _measured(state), media_type=METRICS_TYPE, headers={"cache-control": "no-store"})

    return [*probes(state), status, metrics]


async def _measured(state: State) -> bytes:
    """The metrics; while a store is away no lags and letters, for what it said before would look like news."""
    try:
        async with asyncio.timeout(STATUS_SECONDS):
            status = await state.status()
    except (LedgerError, ViewsError, DeadLettersUnavailable, TimeoutError):
        metrics = state.metrics
        metrics.up.set(0)
        metrics.waiting.set(state.waiting)
        for of_stores in (metrics.dead_letters, metrics.lag_blocks, metrics.lag_seconds, metrics.input_lag):
            of_stores.clear()
        return metrics.text()
    return metrics_text(status, state.metrics)


def metrics_text(status: Status, metrics: Metrics) -> bytes:
    """The metrics with the status in them, in Prometheus's text format."""
    metrics.up.set(1)
    metrics.entries.set(status.counts["entries"])
    metrics.unmatched.set(status.counts["unmatched"])
    metrics.waiting.set(status.waiting)
    metrics.dead_letters.clear()  # a reason that no letter has any more is not to stay behind
    for code, number in status.dead_letters.items():
        metrics.dead_letters.labels(code).set(number)
    for partition, lag in status.lags.items():
        metrics.lag_blocks.labels(str(partition)).set(lag.blocks)
        metrics.lag_seconds.labels(str(partition)).set(lag.seconds)
        if lag.events is not None:
            metrics.input_lag.labels(str(partition)).set(lag.events)
    return metrics.text()
