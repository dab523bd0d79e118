"""Comparing answers: bridge and figures as the live projection gives them, against those of a replay."""

from typing import Final, cast

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from events.block import BlockDamaged, Genesis
from events.days import day_of_text
from events.money import MINOR_DIGITS
from events.refusals import Refused
from projections.pages import BOOK
from services.adoptions import begun_under, policies_of
from services.audit.asking import Asked
from services.audit.differing import Difference, as_text, differing, flattened, rows_by_name
from services.audit.holding import Held
from services.audit.replaying import replay
from services.audit.selecting import check_names
from services.audit.valuing import check_values
from services.ledgers.port import Chains
from services.moments import Known
from services.questions import Question, QuestionError
from services.reports import Reports
from services.rows import Answer
from services.values import says_nothing
from services.views.port import Views


class One(Struct, frozen=True):
    """A question, whether its bridge is meant or its figures, and what the live projection answers, or why not."""

    question: Question
    is_bridge: bool
    live: list[Answer] = []
    failure: str | None = None


Answers = list[One]
_DAMAGED: Final = (
    *(msgspec.MsgspecError, BlockDamaged, QuestionError, Refused),
    *(ValueError, LookupError, OverflowError, TypeError),
)
"""What becomes of a question when the views hold something that nobody wrote."""


async def live_answers(ledger: Chains, genesis: Genesis, held: Held, question: Question) -> Answers:
    """What the views say, in each currency of the books unless the question names one."""
    policies = await policies_of(ledger) or begun_under(genesis.policy)
    views = cast("Views", held)  # reports only ever ask views for what they hold at one instant
    reports = Reports(ledger, views, policies, list(held.positions))
    answers: Answers = []
    for currency in [question.currency] if question.currency else _currencies(held):
        asked = replace(question, currency=currency, known_at=None)
        answers.append(await _live(reports, asked, is_bridge=False))
        if asked.at is None and not asked.figures:
            bridge = await _live(reports, asked, is_bridge=True)
            answers += [bridge, *[await _live(reports, one, is_bridge=False) for one in _window(bridge)]]
    return answers


async def _live(reports: Reports, question: Question, *, is_bridge: bool) -> One:
    try:
        answer = await (reports.bridge if is_bridge else reports.figures)(question)
    except _DAMAGED as error:
        return One(question, is_bridge, failure=f"no answer: {error}")
    return One(question, is_bridge, answer["rows"])


def _currencies(held: Held) -> list[str]:
    """The currencies of the books, by the names in use."""
    fields = [as_text(field) for hashes in held.hashes.values() for field in hashes.get(BOOK, {})]
    names = {field.split("|", 2)[1] for field in fields if field.count("|") > 1}
    return sorted(names & MINOR_DIGITS.keys())


def _window(bridge: One) -> list[Question]:
    """The figures of the window of a bridge, where the question leaves the window open."""
    rows = bridge.live
    if not rows or bridge.question.start is not None or bridge.question.until is not None:
        return []
    return [replace(bridge.question, start=day_of_text(rows[0]["from"]), until=day_of_text(rows[-1]["until"]))]


async def answers_compared(asked: Asked, known: Known, answers: Answers) -> tuple[list[Difference], int]:
    """Where the answers of a replay are other ones, cell by cell; and how many cells there are.

    Raises QuestionError for what neither can answer.
    """
    found: list[Difference] = []
    cells = 0
    for one in answers:
        await check_names(asked.tables, one.question)
        due = await replay(asked, known, one.question, is_bridge=one.is_bridge)
        if says_nothing(due["rows"]):
            await check_values(asked, one.question.where)
        name = f"{'bridge' if one.is_bridge else 'figures'} {due['currency']}"
        if one.failure is not None:
            text = f"{len(due['rows'])} rows"
            found.append(Difference(partition=None, place=name, cell="all", live=one.failure, replayed=text))
            continue
        live, replayed = rows_by_name(one.live), rows_by_name(due["rows"])
        for row in [*replayed, *(row for row in live if row not in replayed)]:
            sides = [flattened(rows.get(row, {})) for rows in (live, replayed)]
            cells += len(sides[1])
            found += differing(None, f"{name} {row}", *sides)
    return found, cells
