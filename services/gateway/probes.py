"""Probes: what a scheduler asks any of the services, and an application of nothing else for those without HTTP."""

import asyncio
from typing import Final, Protocol

from litestar import HttpMethod, Litestar, Response, get, route
from litestar.datastructures import State as Shared
from litestar.handlers import HTTPRouteHandler

from services.gateway.problems import HANDLERS, Problem, json_response
from services.metrics import Metrics

METRICS_TYPE: Final = "text/plain; version=0.0.4"
_GET_OR_HEAD: Final = [HttpMethod.GET, HttpMethod.HEAD]  # some schedulers ask with HEAD


class Vital(Protocol):
    """Something that knows how it is."""

    async def not_live(self) -> str:
        """Why the process should be started again; empty if it should not."""
        ...

    async def not_ready(self) -> str:
        """Why it cannot do its work now; empty if it can."""
        ...


def probes(vital: Vital) -> list[HTTPRouteHandler]:
    """The routes of health."""

    @route("/health/live", http_method=_GET_OR_HEAD)
    async def live() -> Response[bytes]:
        return _healthy("live", "not_live", await vital.not_live())

    @route("/health/ready", http_method=_GET_OR_HEAD)
    async def ready() -> Response[bytes]:
        return _healthy("ready", "not_ready", await vital.not_ready())

    return [live, ready]


def probe_application(vital: Vital, metrics: Metrics) -> Litestar:
    """An application that answers probes, and Prometheus."""

    @get("/metrics")
    async def measured() -> Response[bytes]:
        return Response(metrics.text(), media_type=METRICS_TYPE, headers={"cache-control": "no-store"})

    return Litestar(
        [*probes(vital), measured],
        exception_handlers=HANDLERS,
        logging_config=None,
        openapi_config=None,
        state=Shared({"stopping": asyncio.Event()}),
    )


def _healthy(word: str, code: str, reason: str) -> Response[bytes]:
    if reason:
        raise Problem(code, reason)
    return json_response({"status": word})
