"""Alerts over HTTP: those that fired, who looks after them, and what was given up sent again."""

import re
from typing import Any, Final

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from msgspec import Struct

from services.alerts.board import BY_MAX, Board, Shown
from services.gateway.bodies import body_of
from services.gateway.problems import Problem, json_response
from services.questions import QuestionError

LIMIT: Final = 100
LIMIT_MAX: Final = 5_000
BODY_BYTES_MAX: Final = 64 * 1024
ANYBODY: Final = "somebody"
"""Who acknowledges where nobody says."""


class Asking(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request about an alert, which may be left out."""

    by: str = ANYBODY


_ASKING: Final = msgspec.json.Decoder(Asking)


def alerting(board: Board) -> list[HTTPRouteHandler]:
    """The routes of alerts."""

    @get("/v1/alerts")
    async def alerts(request: Request[Any, Any, Any]) -> Response[bytes]:
        limit, is_given_up = _asked(request.query_params.dict())
        found = await board.alerts(is_given_up=is_given_up)
        rows = [one.document() for one in found[:limit]]
        return json_response({"report": "alerts", "rows": rows, "more": len(found) - len(rows)})

    @post("/v1/alerts/{alert_id:str}/ack", status_code=200)
    async def acknowledge(request: Request[Any, Any, Any], alert_id: FromPath[str]) -> Response[bytes]:
        return _answer(await board.acknowledge(alert_id, await _by(request)), alert_id)

    @post("/v1/alerts/{alert_id:str}/resend", status_code=200)
    async def resend(request: Request[Any, Any, Any], alert_id: FromPath[str]) -> Response[bytes]:
        return _answer(await board.resend(alert_id, await _by(request)), alert_id)

    return [alerts, acknowledge, resend]


def _asked(parameters: dict[str, list[str]]) -> tuple[int, bool]:
    """How many alerts, and whether those that were given up; raises QuestionError."""
    known = ("limit", "given_up")
    for name, texts in parameters.items():
        if name.replace("-", "_") not in known:
            raise QuestionError(name, f"there is no parameter {name!r}: {' and '.join(known)} are all")
        if len(texts) > 1:
            raise QuestionError(name, f"{name!r} is given {len(texts)} times: give it once")
    said = {name.replace("-", "_"): texts[0] for name, texts in parameters.items()}
    limit, given_up = said.get("limit", str(LIMIT)), said.get("given_up", "no")
    if not re.fullmatch(r"\d{1,4}", limit) or int(limit) > LIMIT_MAX:
        raise QuestionError("limit", f"write a whole number from 0 to {LIMIT_MAX}")
    if given_up not in ("yes", "no"):
        raise QuestionError("given_up", "write yes or no")
    return int(limit), given_up == "yes"


async def _by(request: Request[Any, Any, Any]) -> str:
    """Who asks, by the body."""
    body = await body_of(request, BODY_BYTES_MAX)
    try:
        asking = _ASKING.decode(body) if body.strip() else Asking()
    except msgspec.DecodeError as error:
        raise Problem("bad_request", f'the body is to be left out, or such as {{"by": "kim"}}: {error}') from error
    return asking.by[:BY_MAX] or ANYBODY


def _answer(found: Shown | None, alert_id: str) -> Response[bytes]:
    if found is None:
        raise Problem("not_found", f"there is no alert {alert_id[:100]!r}: /v1/alerts lists those that are kept")
    return json_response(found.document())
