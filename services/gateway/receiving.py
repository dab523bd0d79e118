"""Receiving: CloudEvents in all their HTTP modes, acknowledged once they are durable."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler

from events.envelope import BATCH, STRUCTURED, items_of_batch, structured_of_binary
from events.refusals import Refused
from services.gateway.bodies import body_of
from services.gateway.ports import Entrance
from services.gateway.problems import Problem, json_response, refusal
from services.metrics import Metrics
from services.settings import Settings
from services.writer import Outcome

SOURCE: Final = "http"
"""What dead letters say of where a refused event came in."""

EVENTS_MAX: Final = 50_000
"""The most events of one batch."""

_COMMAS_MAX: Final = 40 * EVENTS_MAX
"""More commas than these are not looked into: 16 MiB of `[0,0,0,...]` would become a gigabyte of items."""

Mode = Literal["one", "batch", "binary", "either"]
_MEDIA_TYPES: Final = f"{STRUCTURED}, {BATCH}, application/json"
_WHITESPACE: Final = b" \t\r\n"


def receiving(entrance: Entrance, settings: Settings, metrics: Metrics) -> list[HTTPRouteHandler]:
    """The route that takes events, and counts those refused at the door."""

    @post("/v1/events", status_code=200)
    async def events(request: Request[Any, Any, Any]) -> Response[bytes]:
        attributes = _attribute_headers(request)
        mode = mode_of(request.headers.get("content-type", ""), is_binary=bool(attributes))
        body = await body_of(request, settings.body_bytes_max)
        try:
            found = events_of(mode, attributes, body)
        except Refused as refused:
            whole = _kept_of_binary(attributes, body) if mode == "binary" else body
            number = await entrance.keep(whole, refused, SOURCE)
            metrics.refused.labels(refused.code).inc()
            raise refusal(refused.code, refused.message, refused.field, number) from refused
        outcomes = await entrance.submit(found, SOURCE)
        for outcome in outcomes:
            if outcome.status == "refused":
                metrics.refused.labels(outcome.code).inc()
        is_batch = mode == "batch" or (mode == "either" and _is_array(body))
        return batch_answer(outcomes) if is_batch else one_answer(outcomes[0])

    return [events]


def mode_of(content_type: str, *, is_binary: bool) -> Mode:
    """How the events lie in the request, as the HTTP binding of CloudEvents 1.0.2 tells it apart (section 3).

    Raises Problem for a media type that holds no events.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == STRUCTURED:
        return "one"
    if media_type == BATCH:
        return "batch"
    is_json = media_type == "application/json" or media_type.endswith("+json")
    if is_binary and (is_json or not media_type):
        return "binary"
    if media_type == "application/json":
        return "either"
    sentence = f"Content-Type {media_type!r} holds no events: send one of {_MEDIA_TYPES}"
    raise Problem("unsupported_media_type", sentence, headers={"accept-post": _MEDIA_TYPES})


def events_of(mode: Mode, attributes: Mapping[str, str], body: bytes) -> list[bytes]:
    """The events of a request, each as bytes; raises Refused where there are none to be found."""
    if mode == "binary":
        return [structured_of_binary(attributes, body)]
    if mode == "one" or (mode == "either" and not _is_array(body)):
        return [body]
    found = items_of_batch(body) if body.count(b",") <= _COMMAS_MAX else None
    if found is None or len(found) > EVENTS_MAX:
        raise Problem("too_many_events", f"at most {EVENTS_MAX} events go into one batch: split it")
    return found


def one_answer(outcome: Outcome) -> Response[bytes]:
    """What became of one event; raises Problem if it was refused."""
    if outcome.status == "refused":
        raise refusal(outcome.code, outcome.message, outcome.field, outcome.dead_letter)
    if outcome.status == "queued":
        return json_response({"status": outcome.status, "queued": outcome.queued}, 202)
    return json_response({"status": outcome.status, "position": outcome.place, "unmatched": outcome.unmatched > 0})


def batch_answer(outcomes: Sequence[Outcome]) -> Response[bytes]:
    """What became of each event of a batch, in the order sent."""
    statuses = [outcome.status for outcome in outcomes]
    heights: dict[str, int] = {}
    for place in (outcome.place for outcome in outcomes if outcome.place):
        heights[str(place.partition)] = max(place.height, heights.get(str(place.partition), 0))
    refused, queued = statuses.count("refused"), statuses.count("queued")
    answer = {
        "accepted": statuses.count("accepted"),
        "duplicates": statuses.count("duplicate"),
        "refused": refused,
        **({"queued": queued} if queued else {}),
        "unmatched": max(0, sum(outcome.unmatched for outcome in outcomes)),
        "position": heights,
        "results": [_result(outcome) for outcome in outcomes],
    }
    whole = 202 if queued else 200
    return json_response(answer, 207 if refused else whole)


def _result(outcome: Outcome) -> dict[str, Any]:
    if outcome.status == "queued":
        return {"status": outcome.status, "queued": outcome.queued}
    if outcome.status != "refused":
        waits = {"unmatched": outcome.unmatched} if outcome.unmatched else {}
        return {"status": outcome.status, "position": outcome.place, **waits}
    said = {"code": outcome.code, "message": outcome.message, "field": outcome.field}
    kept = {} if outcome.dead_letter is None else {"dead_letter": outcome.dead_letter}
    return {"status": outcome.status, **{name: text for name, text in said.items() if text}, **kept}


def _is_array(body: bytes) -> bool:
    return body.lstrip(_WHITESPACE).startswith(b"[")


def _attribute_headers(request: Request[Any, Any, Any]) -> dict[str, str]:
    """The `ce-` headers; bytes that are not UTF-8 stay as they are, for the envelope to refuse."""
    return {
        name.decode("latin-1"): value.decode("utf-8", "surrogateescape")
        for name, value in request.scope["headers"]
        if name.startswith(b"ce-")
    }


def _kept_of_binary(attributes: Mapping[str, str], body: bytes) -> bytes:
    """All of a binary-mode request that is no event, in one piece: the data as `data_base64`."""
    texts = {
        name[3:]: text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        for name, text in attributes.items()
    }
    return msgspec.json.encode({**texts, "data_base64": b64encode(body).decode()})
