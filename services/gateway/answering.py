"""Answering: reports and figures over HTTP; the same question at the same position is worked out once."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from msgspec.structs import replace

from events.money import MINOR_DIGITS
from projections.columns import Table
from projections.sales import Sales
from projections.tables import SALES, TABLES
from services import clock
from services.gateway.furthest import Furthest
from services.gateway.ports import Served
from services.gateway.problems import Problem, json_response
from services.listing import ROWS_MAX
from services.questions import Question, QuestionError, nearest, question_of
from services.reports import Answer, Reports
from services.separated import csv_of

KEPT_MAX: Final = 64
"""How many answers are kept; each is a few kilobytes, or a few megabytes for thousands of groups."""

def parameters_of_table(table: Table | Sales) -> tuple[str, ...]:
    """The parameters a table takes."""
    span = ("from", "until") if table.is_window else ("at", "on")
    return (*span, *(("every",) if table.every else ()), "currency", "by", "where", "known_at", "limit")


COMMON: Final = ("from", "until", "currency", "by", "where", "known_at")
PARAMETERS_OF: Final = {
    "bridge": (*COMMON, "every", "convert"),
    "figures": (*COMMON, "at", "on", "figures", "compare", "convert"),
    "replay": (*COMMON, "every", "at", "on", "figures", "accounts", "policy", "convert"),
    "explain": (*COMMON, "at", "on", "limit"),
    **{name: parameters_of_table(table) for name, table in TABLES.items()},
    "restate": ("from", "until", "every", "currency", "by", "where", "between", "limit"),
}
"""Report -> the parameters it takes."""

FORMAT: Final = "format"
FORMATS: Final = {"json": "application/json", "csv": "text/csv"}
"""Forms of an answer, and their media types."""
ABOUT: Final = "revledger-answer"
"""The header beside CSV that says what the answer is of."""

_ELSEWHERE: Final = {
    ("bridge", "at"): "the bridge is about a window: ask with from and until",
    ("bridge", "on"): "the bridge is about a window: ask with from and until",
    ("figures", "every"): "figures are of one day or one window: ask once for each period",
    ("bridge", "figures"): "the bridge has no figures: ask for them at /v1/figures",
}


class _Key(NamedTuple):
    report: str
    question: Question
    next_heights: tuple[int, ...]


class _Kept(NamedTuple):
    asked_at: int
    answering: asyncio.Task[Answer]


class Answers:
    """The answers of reports, kept while the views stand still.

    Whoever asks what is being worked out already waits for that; no one's going away takes it from the others.
    """

    def __init__(self, reports: Reports, next_heights: Callable[[], Awaitable[tuple[int, ...]]]) -> None:
        self._reports: Final = reports
        self._next_heights = next_heights
        self._kept: dict[_Key, _Kept] = {}

    async def answer(self, report: str, question: Question) -> Answer:
        """The answer, as old as it says; raises what the report raises."""
        key = _Key(report, question, await self._next_heights())
        kept = self._kept.get(key) or self._asked(key)
        answer = await asyncio.shield(kept.answering)
        return _aged(answer, (clock.now() - kept.asked_at) // 1_000_000)

    def _asked(self, key: _Key) -> _Kept:
        """Has the question worked out; what is known of older positions nobody asks for again."""
        self._kept = {one: kept for one, kept in self._kept.items() if one.next_heights == key.next_heights}
        while len(self._kept) >= KEPT_MAX:
            del self._kept[next(iter(self._kept))]
        task = asyncio.create_task(self._answering(key.report, key.question))
        task.add_done_callback(lambda done: self._drop_failed(key, done))
        kept = self._kept[key] = _Kept(clock.now(), task)
        return kept

    async def _answering(self, report: str, question: Question) -> Answer:
        if report in TABLES:
            answer = await self._reports.table(report, question)
        else:
            answer = await (self._reports.bridge if report == "bridge" else self._reports.figures)(question)
        return await self._reports.checked(answer, question)

    def _drop_failed(self, key: _Key, done: asyncio.Task[Answer]) -> None:
        """An error is told to those who waited, and forgotten."""
        if done.cancelled() or done.exception() is not None:
            self._kept.pop(key, None)


def answering(served: Served) -> list[HTTPRouteHandler]:
    """The routes that answer questions."""
    furthest = Furthest(served.ledger)

    async def next_heights() -> tuple[int, ...]:
        positions = await served.progress.now()
        await furthest.require(positions)
        return tuple(position.next_height for position in positions.values())

    answers = Answers(served.reports, next_heights)

    @get("/v1/reports/{name:str}")
    async def report(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
        if name != "bridge" and name not in TABLES:
            known = ("bridge", "replay", *TABLES)
            raise Problem("not_found", f"there is no report {name!r}{nearest(name, known)}")
        form = form_asked(request)
        question = question_asked(name, request, (FORMAT,))
        if name in TABLES and "limit" not in request.query_params:
            question = replace(question, limit=ROWS_MAX)
        if name in SALES and SALES[name].every and "every" not in request.query_params:
            question = replace(question, every=SALES[name].every[0])
        return told(await answers.answer(name, question), question, form)

    @get("/v1/figures")
    async def figures(request: Request[Any, Any, Any]) -> Response[bytes]:
        form = form_asked(request)
        question = question_asked("figures", request, (FORMAT,))
        return told(await answers.answer("figures", question), question, form)

    @get("/v1/names")
    async def names() -> Response[bytes]:
        book = await served.reports.book()
        return json_response(names_in_use([field for field in book.counts() if field.startswith("names|")]))

    return [report, figures, names]


def form_asked(request: Request[Any, Any, Any]) -> str:
    """The form an answer is asked in, by its parameter, or else the first media type that is accepted.

    Raises QuestionError.
    """
    asked = request.query_params.getall(FORMAT, [])
    if not asked:
        first = request.headers.get("accept", "").partition(",")[0].partition(";")[0].strip().lower()
        return next((form for form, media_type in FORMATS.items() if first == media_type), "json")
    if len(asked) > 1 or asked[0] not in FORMATS:
        raise QuestionError(FORMAT, f"{FORMAT} {asked[-1]!r} is not a form{nearest(asked[-1], FORMATS)}")
    return str(asked[0])


def told(answer: Answer, question: Question, form: str) -> Response[bytes]:
    """An answer in a form; beside CSV stands in a header what is no row: of when it is, its policy, how many more."""
    if form == "json":
        return json_response(answer, headers={"vary": "accept"})
    about = {name: value for name, value in answer.items() if name not in ("rows", "rates")}
    return Response(
        csv_of(answer, question.by).encode(),
        media_type=FORMATS[form],
        headers={"cache-control": "no-store", "vary": "accept", ABOUT: json.dumps(about)},
    )


def question_asked(report: str, request: Request[Any, Any, Any], apart: Sequence[str] = ()) -> Question:
    """The question of a URL, `apart` from what is no part of it; raises QuestionError."""
    parameters = {name: texts for name, texts in request.query_params.dict().items() if name not in apart}
    question = question_of(parameters)
    for name, texts in parameters.items():
        if name.replace("-", "_") not in PARAMETERS_OF[report] and any(texts):
            taken = ", ".join(PARAMETERS_OF[report])
            sentence = _ELSEWHERE.get((report, name)) or f"{name} is not asked of {report}, which takes {taken}"
            raise QuestionError(name, sentence)
    return question


def names_in_use(fields: list[str]) -> dict[str, Any]:
    """Currencies with revenue, what each can be broken down by, and the digits of its minor unit."""
    names: dict[str, list[str]] = {}
    for field in sorted(fields):
        _, currency, name = field.split("|", 2)
        names.setdefault(currency, []).extend([name] if name else [])
    digits = {currency: MINOR_DIGITS[currency] for currency in names}
    return {"currencies": list(names), "names": names, "minor_digits": digits}


def _aged(answer: Answer, seconds: int) -> Answer:
    """The answer with its age now; the age of a past moment does not grow."""
    as_of = answer["as_of"]
    if not seconds or as_of["age_seconds"] is None or "known_at" in as_of:
        return answer
    return {**answer, "as_of": {**as_of, "age_seconds": as_of["age_seconds"] + seconds}}
