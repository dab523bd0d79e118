"""Details: what figures need besides sums, from looking at each account, live or replayed alike."""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from events.days import MONTH_PARTS, month_parts
from events.facts import Fact
from events.notes import AnyNote
from events.policy import Rules
from projections.basis import Details, Source
from projections.costs import COST_NAMES, Costs, costs_of
from projections.discounts import Discounts, discounts_of
from projections.groups import Choice
from projections.lives import Lives
from projections.satisfaction import Item, Satisfaction, Window, satisfaction_of
from projections.tables import LISTS
from projections.terms import Values, values_begun, values_of
from projections.worth import Worth, as_it_is, nothing
from services.evidence import SEPARATE_NAMES, Evidence, groups_asked, is_kept, lives_for
from services.questions import Question

if TYPE_CHECKING:
    from services.mirror import Mirrored  # whoever asks once only does not load what it takes

RANKED: Final = frozenset(LISTS)
"""The tables whose first rows can be had from accounts in memory."""
NOTED: Final[frozenset[Source]] = frozenset(("answers", "costs", "contracts", "begun"))
"""The sources that are in the notes of accounts."""
IN_COLUMNS: Final[frozenset[Source]] = frozenset(("answers", "contracts", "begun"))
"""Those of them that accounts in memory have in columns."""
TABLES_NOTED: Final = frozenset(("bands", "renewals", "risk", "tags", "upsell"))
"""The tables that take notes."""
OF_POSTINGS: Final[frozenset[Source]] = frozenset(("retention", "shares"))
"""The sources that every account's level at both ends tells."""
IN_SUMS: Final[frozenset[Source]] = frozenset(("lives",))
"""The sources that the sums of all months tell, where they are kept for what a question groups by."""


def is_ranked(name: str, question: Question) -> bool:
    """Whether the first rows of a table can be had from accounts in memory, as far as a question goes."""
    is_plain = len(dict(question.where)) == len(question.where)
    return name in RANKED and is_plain and question.by not in SEPARATE_NAMES


def months_of(bounds: Sequence[int]) -> Fraction:
    """The length of a window; 0 for a day."""
    return Fraction(month_parts(bounds[0], bounds[-1]), MONTH_PARTS)


def _are_costs_named(question: Question) -> bool:
    """Whether costs say of themselves what a question asks for."""
    return {name for name, _ in question.where} | ({question.by} if question.by else set()) <= COST_NAMES


def _costs_asked(
    accounts: Iterable[tuple[str, Sequence[AnyNote]]],
    question: Question,
    currency: str | None,
    bounds: Sequence[int],
    worth: Worth = as_it_is,
) -> dict[str, Costs]:
    """The costs a question is about."""
    return costs_of(accounts, currency, bounds[0], bounds[-1], groups_asked(question), worth)


def details_mirrored(
    mirrored: "Mirrored",
    question: Question,
    currency: str,
    bounds: Sequence[int],
    sources: Set[Source],
    margin: Fraction,
) -> Details:
    """Details from the accounts in memory; raises TooLarge."""
    choice, layers = Choice(currency, question.by, dict(question.where)), mirrored.layers
    return Details(
        retention=layers.retention(choice, bounds[0], bounds[-1]) if "retention" in sources else {},
        shares=layers.shares(choice, bounds[-1]) if "shares" in sources else {},
        answers=layers.satisfaction(choice, bounds[0], bounds[-1]) if "answers" in sources else {},
        contracts=layers.values(choice, bounds[-1]) if "contracts" in sources else {},
        begun=layers.values_begun(choice, bounds[0], bounds[-1]) if "begun" in sources else {},
        discounts=mirrored.off.discounts(choice, bounds[0], bounds[-1]) if "discounts" in sources else {},
        costs=_costs_asked(mirrored.costs, question, currency, bounds) if "costs" in sources else {},
        months=months_of(bounds),
        margin=margin,
        lives=_lives_mirrored(mirrored, question, currency, bounds) if "lives" in sources else {},
        are_costs_named=_are_costs_named(question),
    )


def _lives_mirrored(
    mirrored: "Mirrored", question: Question, currency: str, bounds: Sequence[int]
) -> Mapping[str, Lives]:
    if is_kept(question):
        return lives_for(mirrored.evidence, question, [currency], bounds)
    return mirrored.lives(question, currency, bounds[-1])


class Accounts(Struct, frozen=True):
    """What is told of accounts besides sums; each part is worked out as it is asked for.

    `noted`: those with notes, and what was posted to them; `told`: those with postings, and their notes; `stated`:
    those that ever had a discount, with facts whose lines are worth what it takes off.
    """

    noted: Callable[[], Iterable[tuple[str, Sequence[AnyNote], Iterable[Item]]]]
    told: Callable[[], Iterable[tuple[str, Iterable[Item], Sequence[AnyNote]]]]
    stated: Callable[[], Iterable[tuple[str, Sequence[Fact]]]]


def accounts_in(evidence: Evidence, rules: Rules) -> Accounts:
    """Those of the views."""
    return Accounts(
        lambda: ((account, notes, record.items()) for account, notes, record in evidence.noted()),
        lambda: ((account, record.items(), notes) for account, notes, record in evidence.told()),
        lambda: evidence.stated(rules),
    )


def details_told(
    details: Details,
    accounts: Accounts,
    question: Question,
    currency: str | None,
    bounds: Sequence[int],
    sources: Set[Source],
    worth: Worth = as_it_is,
) -> Details:
    """Details with what is in the notes and statements of accounts; `currency` None: of any, by what it is worth."""
    groups, ends = groups_asked(question), (bounds[0], bounds[-1])
    answers: dict[str, Satisfaction] = {}
    if "answers" in sources:
        is_whole = question.by is None and not question.where
        window = Window(currency, *ends, groups, is_whole, worth if "weights" in sources else nothing)
        answers = satisfaction_of(accounts.noted(), window)
    costs: dict[str, Costs] = {}
    if "costs" in sources:
        noted = ((account, notes) for account, notes, _ in accounts.noted())
        costs = _costs_asked(noted, question, currency, bounds, worth)
    contracts: dict[str, Values] = {}
    if "contracts" in sources:
        contracts = values_of(accounts.told(), currency, bounds[-1], groups, worth)
    begun: dict[str, Values] = {}
    if "begun" in sources:
        begun = values_begun(accounts.told(), currency, ends, groups, worth)
    discounts: dict[str, Discounts] = {}
    if "discounts" in sources:
        discounts = discounts_of(accounts.stated(), currency, *ends, groups, worth)
    found = replace(details, answers=answers, costs=costs, contracts=contracts, begun=begun, discounts=discounts)
    return replace(found, are_costs_named=_are_costs_named(question))


def details_noted(
    details: Details,
    evidence: Evidence,
    question: Question,
    currency: str,
    bounds: Sequence[int],
    sources: Set[Source],
    rules: Rules,
) -> Details:
    """Details with what is in the notes and statements of the views, the length of the window, and the margin."""
    found = details_told(details, accounts_in(evidence, rules), question, currency, bounds, sources)
    lives = lives_for(evidence, question, [currency], bounds) if "lives" in sources else {}
    return replace(found, months=months_of(bounds), margin=rules.policy.margin, lives=lives)
