"""Health and measures: what tells an operator, a scheduler and Prometheus how the service is."""

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from services.gateway.probes import METRICS_TYPE, probes
from services.gateway.problems import json_response
from services.gateway.state import State, Status
from services.metrics import Metrics


def health(state: State) -> list[HTTPRouteHandler]:
    """The routes of health, status and metrics."""

    @get("/v1/status")
    async def status() -> Response[bytes]:
        return json_response((await state.status()).shown(state.policy))

    @get("/metrics")
    async def metrics() -> Response[bytes]:
        text = metrics_text(await state.status(), state.metrics)
        return Response(text, media_type=METRICS_TYPE, headers={"cache-control": "no-store"})

    return [*probes(state), status, metrics]


def metrics_text(status: Status, metrics: Metrics) -> bytes:
    """The metrics with the status in them, in Prometheus's text format."""
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
