"""Auditing: questions to the ledger itself over HTTP, a few at a time, because each reads much."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from events.block import BlockDamaged, Genesis
from services.compose import genesis_of
from services.gateway.answering import question_asked
from services.gateway.ports import Served
from services.gateway.problems import Problem, json_response
from services.ledgers.port import Ledger
from services.policies import PolicyError, policy_of_toml
from services.questions import Question, QuestionError
from services.reports import Answer
from services.settings import Settings

RUNNING_MAX: Final = 2
"""How many questions are worked on at once; each may take a gigabyte of memory."""
WAITING_MAX: Final = 16
"""How many more may wait for their turn."""


class Turns:
    """Lets a few work at once, some wait, and sends the others away."""

    def __init__(self) -> None:
        self._running = asyncio.Semaphore(RUNNING_MAX)
        self._asked = 0

    async def answer(self, work: Callable[[], Awaitable[Answer]]) -> Answer:
        """What the work gives; raises Problem `too_many_questions`."""
        if self._asked >= RUNNING_MAX + WAITING_MAX:
            sentence = "others are asking the ledger already: ask again after the seconds in Retry-After"
            raise Problem("too_many_questions", sentence, headers={"retry-after": "5"})
        self._asked += 1
        try:
            async with self._running:
                return await work()
        finally:
            self._asked -= 1


def auditing(served: Served, settings: Settings) -> list[HTTPRouteHandler]:
    """The routes that ask the ledger itself, and its archive."""
    turns = Turns()

    async def answered(work: Callable[[Genesis], Awaitable[Answer]]) -> Response[bytes]:
        genesis = await _genesis(served)
        with damage_told():
            return json_response(await turns.answer(lambda: work(genesis)))

    @get("/v1/reports/replay")
    async def replay(request: Request[Any, Any, Any]) -> Response[bytes]:
        question = question_asked("replay", request)
        require_tables()
        return await answered(lambda genesis: _replayed(served.ledger, genesis, question, settings))

    @get("/v1/restate")
    async def restate(request: Request[Any, Any, Any]) -> Response[bytes]:
        question = question_asked("restate", request)
        require_tables()
        from services.audit.restating import restatement  # noqa: PLC0415 - with DuckDB, for those who have it

        return await answered(lambda genesis: restatement(served.ledger, genesis, question, settings))

    @get("/v1/explain/{figure:str}")
    async def explain(request: Request[Any, Any, Any], figure: FromPath[str]) -> Response[bytes]:
        question = question_asked("explain", request)
        require_tables()
        from services.audit.explaining import explanation  # noqa: PLC0415 - with DuckDB, for those who have it

        return await answered(lambda genesis: explanation(served.ledger, genesis, figure, question, settings))

    return [replay, restate, explain]


async def _replayed(ledger: Ledger, genesis: Genesis, question: Question, settings: Settings) -> Answer:
    """The replay of a question, under the policy it names; raises as `replayed` does, but QuestionError of a policy."""
    from services.audit.rebooking import NotBookable  # noqa: PLC0415
    from services.audit.replaying import replayed  # noqa: PLC0415 - with DuckDB, for those who have it

    is_bridge = not question.figures and question.at is None
    try:
        policy = policy_of_toml(question.policy) if question.policy else None
        return await replayed(ledger, genesis, question, is_bridge=is_bridge, settings=settings, policy=policy)
    except (PolicyError, NotBookable) as error:
        raise QuestionError("policy", str(error)) from error


@contextmanager
def damage_told() -> Iterator[None]:
    """What is wrong with ledger or archive becomes a problem that names it: no answer is better than a wrong one."""
    from services.archive.manifests import ArchiveDamaged  # noqa: PLC0415 - of an extra
    from services.archive.stores import ArchiveUnavailable  # noqa: PLC0415 - of an extra

    try:
        yield
    except (ArchiveDamaged, BlockDamaged) as error:
        raise Problem("damaged", str(error)) from error
    except ArchiveUnavailable as error:
        raise Problem("unavailable", str(error), headers={"retry-after": "5"}) from error


async def _genesis(served: Served) -> Genesis:
    genesis = await genesis_of(served.ledger)
    if genesis is None:
        raise Problem("not_begun", "the ledger holds nothing yet: send events first")
    return genesis


def require_tables() -> None:
    """Raises Problem where what asks the ledger is not installed."""
    try:
        import duckdb  # noqa: F401, PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise Problem("not_installed", "install it where the service runs: pip install 'revledger[audit]'") from error
