"""The application: all routes of the HTTP service over one set of books."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from litestar import Litestar, Response, get
from litestar.datastructures import State as Shared
from litestar.types import Message, Scope

from services.gateway.alerts import alerting
from services.gateway.answering import answering
from services.gateway.assets import SECURITY_HEADERS, assets
from services.gateway.auditing import auditing
from services.gateway.health import health
from services.gateway.openapi import openapi_document
from services.gateway.ports import Served
from services.gateway.problems import HANDLERS, json_response
from services.gateway.receiving import receiving
from services.gateway.state import State
from services.gateway.streaming import streaming
from services.metrics import Metrics
from services.settings import Settings

_SECURITY: Final = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]


def application(served: Served, settings: Settings, metrics: Metrics | None = None) -> Litestar:
    """The ASGI application; `state.stopping` (an asyncio.Event) ends the streams that are open.

    `metrics` are those of the process, where it counts more than requests.
    """
    stopping = asyncio.Event()
    state = State(served, metrics or Metrics())
    document = openapi_document(settings.body_bytes_max)

    @get("/openapi.json")
    async def openapi() -> Response[bytes]:
        return json_response(document)

    return Litestar(
        [
            *receiving(served.entrance, settings, state.metrics),
            *answering(served),
            *([] if served.board is None else alerting(served.board)),
            *auditing(served, settings),
            *streaming(state, stopping),
            *health(state),
            openapi,
            *assets(),
        ],
        exception_handlers=HANDLERS,
        before_send=[_before_send(state.metrics)],
        logging_config=None,
        openapi_config=None,
        request_max_body_size=None,  # bodies are measured by `body_of`, inflated ones too
        state=Shared({"stopping": stopping}),
    )


def _before_send(metrics: Metrics) -> Callable[[Message, Scope], Awaitable[None]]:
    """Counts every answer, whoever gave it, and puts the security headers on it."""

    async def counted(message: Message, scope: Scope) -> None:
        if message["type"] == "http.response.start":
            started = cast("dict[str, Any]", message)
            started["headers"] = [*started.get("headers", ()), *_SECURITY]
            method = str(scope.get("method", ""))
            metrics.requests.labels(method if method in _METHODS else "other", started["status"]).inc()

    return counted


_METHODS: Final = frozenset({"GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"})
"""Counted by name; whatever else a request may call itself shares one count."""
