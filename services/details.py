"""Details: what figures need besides sums, from looking at each account, live or replayed alike."""

from collections.abc import Iterable, Sequence, Set
from fractions import Fraction
from typing import Final

from msgspec.structs import replace

from events.days import MONTH_PARTS, month_parts
from events.notes import AnyNote
from projections.basis import Details, Source
from projections.costs import COST_NAMES, Costs, costs_of
from projections.satisfaction import Satisfaction, Window, satisfaction_of
from projections.terms import Values, values_of
from services.evidence import Evidence, groups_asked
from services.questions import Question

NOTED: Final[frozenset[Source]] = frozenset(("answers", "costs", "contracts"))
"""The sources that are in the notes of accounts."""


def months_of(bounds: Sequence[int]) -> Fraction:
    """The length of a window; 0 for a day."""
    return Fraction(month_parts(bounds[0], bounds[-1]), MONTH_PARTS)


def window_of_answers(question: Question, currency: str, bounds: Sequence[int]) -> Window:
    """Which answers a question is about."""
    is_whole = question.by is None and not question.where
    return Window(currency, bounds[0], bounds[-1], groups_asked(question), is_whole)


def costs_asked(
    accounts: Iterable[tuple[str, Sequence[AnyNote]]], question: Question, currency: str, bounds: Sequence[int]
) -> dict[str, Costs] | None:
    """The costs a question is about; None where costs do not say of themselves what it asks for."""
    names = {name for name, _ in question.where} | ({question.by} if question.by else set())
    if not names <= COST_NAMES:
        return None
    return costs_of(accounts, currency, bounds[0], bounds[-1], groups_asked(question))


def details_noted(
    details: Details,
    evidence: Evidence,
    question: Question,
    currency: str,
    bounds: Sequence[int],
    sources: Set[Source],
    margin: Fraction,
) -> Details:
    """Details with what is in the notes of the views, the length of the window, and the margin."""
    answers: dict[str, Satisfaction] = {}
    costs: dict[str, Costs] | None = {}
    if "answers" in sources:
        asked = window_of_answers(question, currency, bounds)
        answers = satisfaction_of(((name, notes, record.items()) for name, notes, record in evidence.noted()), asked)
    if "costs" in sources:
        costs = costs_asked(((name, notes) for name, notes, _ in evidence.noted()), question, currency, bounds)
    contracts: dict[str, Values] = {}
    if "contracts" in sources:
        told = ((name, record.items(), notes) for name, notes, record in evidence.told())
        contracts = values_of(told, currency, bounds[-1], groups_asked(question))
    return replace(details, answers=answers, costs=costs, contracts=contracts, months=months_of(bounds), margin=margin)
