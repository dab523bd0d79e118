"""Problems: every error of the HTTP service as `application/problem+json` (RFC 9457) with a stable code."""

import logging
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from litestar.types import ExceptionHandlersMap

from events.refusals import REASONS
from services.deadletters import DeadLettersUnavailable
from services.intake import Busy
from services.ledgers.port import LedgerError
from services.questions import QuestionError
from services.views.port import ViewsError

MEDIA_TYPE: Final = "application/problem+json"
TYPE: Final = "urn:revledger:problem:"
RETRY_SECONDS: Final = 1
_log: Final = logging.getLogger(__name__)

STATUS_OF_REFUSAL: Final = {"id_conflict": 409, "too_large": 413, "not_json": 400, "not_cloudevent": 400}
"""Reason code of a refused event -> status; all others are 422."""

CODES: Final[dict[str, tuple[int, str]]] = {
    "invalid_parameter": (400, "a parameter cannot be answered as it is put"),
    "bad_request": (400, "the request cannot be read"),
    "incomplete_body": (400, "the body ended before it was complete"),
    "damaged_encoding": (400, "the body is not what Content-Encoding says"),
    "not_found": (404, "there is nothing under this path"),
    "method_not_allowed": (405, "the path does not take this method"),
    "body_too_large": (413, "the body is larger than a request may be"),
    "too_many_events": (413, "the batch has more events than one request may have"),
    "unsupported_media_type": (415, "the body is of a type that holds no events"),
    "unsupported_encoding": (415, "the body is compressed in a way that is not read here"),
    "not_begun": (404, "there is no ledger to ask yet"),
    "damaged": (500, "what is stored is not what was written"),
    "internal": (500, "something here is broken"),
    "not_installed": (501, "what would answer this is not installed"),
    "busy": (503, "too many events wait to be booked"),
    "too_many_questions": (503, "too many questions to the ledger wait to be answered"),
    "unavailable": (503, "the books cannot be reached now"),
    "not_ready": (503, "the service is not ready to answer"),
    "views_behind": (503, "the views are being built again and know less than was answered before"),
    "not_live": (503, "the service has come to a standstill"),
}
"""Code -> (status, title) of problems with a request; refused events have the codes of `events.refusals`."""


class Problem(Exception):
    """A request that cannot be answered as it stands; `members` are further members of the document."""

    def __init__(
        self,
        code: str,
        detail: str,
        members: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.members = dict(members or {})
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        """The HTTP status."""
        return CODES[self.code][0] if self.code in CODES else STATUS_OF_REFUSAL.get(self.code, 422)

    @property
    def title(self) -> str:
        """What the code means."""
        return CODES[self.code][1] if self.code in CODES else REASONS[self.code]

    def document(self) -> dict[str, Any]:
        """The problem as JSON."""
        return {
            "type": TYPE + self.code,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            **self.members,
        }


def refusal(code: str, message: str, field: str, dead_letter: int | None) -> Problem:
    """The problem of one refused event."""
    members: dict[str, Any] = {"field": field} if field else {}
    if dead_letter is not None:
        members["dead_letter"] = dead_letter
    return Problem(code, message, members)


def json_response(
    content: Any, status: int = 200, media_type: str = "application/json", headers: dict[str, str] | None = None
) -> Response[bytes]:
    """An answer in JSON that nobody may keep: figures move."""
    return Response(
        msgspec.json.encode(content),
        status_code=status,
        media_type=media_type,
        headers={"cache-control": "no-store", **(headers or {})},
    )


def problem_of(error: Exception) -> Problem:
    """What a caller is told of an error; anything unforeseen is ours, and tells nothing of the inside."""
    wait = {"retry-after": str(RETRY_SECONDS)}
    match error:
        case Problem():
            return error
        case QuestionError():
            return Problem("invalid_parameter", error.message, {"parameter": error.parameter})
        case Busy():
            sentence = "nothing of the request was taken: send it again after the seconds in Retry-After"
            return Problem("busy", sentence, headers=wait)
        case LedgerError() | ViewsError() | DeadLettersUnavailable():
            return Problem("unavailable", str(error), headers=wait)
        case NotFoundException():
            return Problem("not_found", "the paths there are, are in /openapi.json")
        case MethodNotAllowedException():
            allowed = dict(error.headers or {})
            return Problem("method_not_allowed", f"use one of {allowed.get('allow')}", headers=allowed)
        case HTTPException() if error.status_code < 500:
            return Problem("bad_request", error.detail)
        case _:
            return Problem("internal", "the error is in the log of the service; send the request again later")


def answered(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The response to an error; what is ours to mend is logged, once."""
    problem = problem_of(error)
    if problem.code in ("internal", "damaged"):
        _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    elif problem.code == "unavailable":
        _log.warning("%s %s: %s", request.method, request.url.path, error)
    return json_response(problem.document(), problem.status, MEDIA_TYPE, problem.headers)


HANDLERS: Final[ExceptionHandlersMap] = {Exception: answered}
"""For Litestar: every error goes one way."""
