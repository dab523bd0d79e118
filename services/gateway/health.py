"""Health and measures: what tells an operator, a scheduler and Prometheus how the service is."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from litestar import HttpMethod, Response, get, route
from litestar.handlers import HTTPRouteHandler

from services.gateway.problems import Problem, json_response
from services.gateway.state import State, Status

_GET_OR_HEAD: Final = [HttpMethod.GET, HttpMethod.HEAD]  # some schedulers ask with HEAD
METRICS_TYPE: Final = "text/plain; version=0.0.4"


def health(state: State) -> list[HTTPRouteHandler]:
    """The routes of health, status and metrics."""

    @route("/health/live", http_method=_GET_OR_HEAD)
    async def live() -> Response[bytes]:
        return _healthy("live", "not_live", await state.not_live())

    @route("/health/ready", http_method=_GET_OR_HEAD)
    async def ready() -> Response[bytes]:
        return _healthy("ready", "not_ready", await state.not_ready())

    @get("/v1/status")
    async def status() -> Response[bytes]:
        return json_response((await state.status()).shown(state.policy))

    @get("/metrics")
    async def metrics() -> Response[bytes]:
        text = metrics_text(await state.status(), state.requests)
        return Response(text.encode(), media_type=METRICS_TYPE, headers={"cache-control": "no-store"})

    return [live, ready, status, metrics]


def metrics_text(status: Status, requests: Mapping[tuple[str, int], int]) -> str:
    """The status in Prometheus's text format 0.0.4; requests are counted by method and status."""
    simple: tuple[tuple[str, str, str, int], ...] = (
        ("entries", "gauge", "Entries the views reflect.", status.counts["entries"]),
        ("unmatched", "gauge", "Facts that wait for their contract or target.", status.counts["unmatched"]),
        ("lag_blocks", "gauge", "Blocks of the ledger the views lack.", status.lag.blocks),
        ("lag_seconds", "gauge", "Age of the oldest block the views lack.", status.lag.seconds),
        ("waiting_events", "gauge", "Events that wait to be booked.", status.waiting),
    )
    lines = [line for row in simple for line in _family(*row[:3], {"": row[3]})]
    letters = {_label("code", code): number for code, number in status.dead_letters.items()}
    lines += _family("dead_letters", "gauge", "Refused events that wait for a retry, by reason.", letters)
    answered = {
        f'{{method="{method}",status="{code}"}}': number for (method, code), number in sorted(requests.items())
    }
    lines += _family("http_requests_total", "counter", "Requests answered, by method and status.", answered)
    return "\n".join(lines) + "\n"


def _family(name: str, kind: str, meaning: str, samples: Mapping[str, Any]) -> Iterator[str]:
    yield f"# HELP revledger_{name} {meaning}"
    yield f"# TYPE revledger_{name} {kind}"
    for labels, value in samples.items():
        yield f"revledger_{name}{labels} {value}"


def _label(name: str, value: str) -> str:
    return f'{{{name}="{value}"}}'


def _healthy(word: str, code: str, reason: str) -> Response[bytes]:
    if reason:
        raise Problem(code, reason)
    return json_response({"status": word})
