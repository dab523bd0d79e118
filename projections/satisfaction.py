"""Satisfaction: what customers answered in a window, and the revenue of those who did."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from operator import add
from typing import Final

from msgspec import Struct
from msgspec.structs import astuple, replace

from events.money import Exact
from events.notes import Answer, AnyNote
from events.timeline import Cell
from projections.groups import GroupsOf
from projections.records import Key
from projections.worth import Worth, as_it_is, worth_on

Item = tuple[Key, int]
"""((day, movement, cell, cause), annual_e4): one sum of what was posted to an account."""


class Satisfaction(Struct, frozen=True):
    """Answers of one group: people who recommend or warn, and answers that are content or resolved at once.

    `weight` is the revenue of the accounts whose people were asked whether they recommend, in annual_e4, and `swing`
    how much of it recommends less what warns; the revenue of an account is shared by its people.
    """

    promoters: int = 0
    passives: int = 0
    detractors: int = 0
    swing: Fraction = Fraction(0)
    weight: Fraction = Fraction(0)
    content: int = 0
    rated: int = 0
    resolved: int = 0
    contacts: int = 0

    def plus(self, other: "Satisfaction") -> "Satisfaction":
        """Answers of these accounts and others."""
        return Satisfaction(*map(add, astuple(self), astuple(other)))


SILENCE: Final = Satisfaction()
"""Where nobody answered anything."""


class Window(Struct, frozen=True):
    """What is asked: answers of the days `[start, until)`, weighed by revenue in one currency.

    `is_whole`: whether nothing is grouped or filtered, so that answers count whatever their account is worth.
    `currency` None: by revenue in any, each at its `worth` as the window ends; groups are then those of all of it.
    """

    currency: str | None
    start: int
    until: int
    groups_of: GroupsOf
    is_whole: bool
    worth: Worth = as_it_is


def band_of(answer: Answer) -> int:
    """1 for a promoter, -1 for a detractor, 0 between: nine and ten, and up to six, of ten; alike on other scales."""
    assert answer.score is not None
    if 10 * answer.score >= 9 * answer.scale:
        return 1
    return -1 if 10 * answer.score <= 6 * answer.scale else 0


def is_content(answer: Answer) -> bool:
    """Whether a score is at or above 80 % of its scale."""
    assert answer.score is not None
    return 5 * answer.score >= 4 * answer.scale


def satisfaction_of(
    accounts: Iterable[tuple[str, Sequence[AnyNote], Iterable[Item]]], window: Window
) -> dict[str, Satisfaction]:
    """Satisfaction by value of the group: an answer counts where its account has revenue as its day ends.

    In which currency makes no difference to that, only to what revenue is weighed by.
    """
    found: dict[str, _Counted] = {}
    for account, notes, items in accounts:
        answers = [note for note in notes if type(note) is Answer and window.start <= note.day < window.until]
        if answers:
            held = _held(account, items, {answer.day for answer in answers}, window)
            _count_recommending(found, _last_of_each(answers), held)
            _count_rated(found, answers, held)
    return {value: counted.sums() for value, counted in found.items()}


class _Counted:
    """Sums on their way; what is weighed is kept by how many people share the revenue of their account."""

    def __init__(self) -> None:
        self.bands = {1: 0, 0: 0, -1: 0}
        self.weights: dict[int, tuple[Exact, Exact]] = {}
        self.content = self.rated = self.resolved = self.contacts = 0

    def sums(self) -> Satisfaction:
        swing = sum((Fraction(swing, people) for people, (swing, _) in self.weights.items()), Fraction(0))
        weight = sum((Fraction(weight, people) for people, (_, weight) in self.weights.items()), Fraction(0))
        recommending = (self.bands[1], self.bands[0], self.bands[-1], swing, weight)
        return Satisfaction(*recommending, self.content, self.rated, self.resolved, self.contacts)


Held = Mapping[int, Mapping[str, Exact]]
"""Day -> value of the group -> what the account is worth there as the day ends."""


def _held(account: str, items: Iterable[Item], days: set[int], window: Window) -> Held:
    """Where an account has revenue, of whatever currency: what it says is about no money; its amount is that of one."""
    last = max(days)
    changes: dict[str, list[tuple[int, str, int]]] = {}
    for (day, movement, cell, _), amount in items:
        if day <= last and movement != "ahead":
            is_own = window.currency in (None, cell.currency)
            for _, value in window.groups_of(account, cell if is_own else replace(cell, currency=window.currency)):
                changes.setdefault(value, []).append((day, cell.currency, amount))
    nothing = Cell(window.currency or "", "", "", "", "", ())
    elsewhere = [value for _, value in window.groups_of(account, nothing)]
    held: dict[int, dict[str, Exact]] = {}
    for day in days:
        there = {value: own for value, some in changes.items() if (own := _own_of(some, day, window)) is not None}
        held[day] = there or dict.fromkeys([""] if window.is_whole else elsewhere, 0)
    return held


def _own_of(changes: Iterable[tuple[int, str, int]], day: int, window: Window) -> Exact | None:
    """What there is in the currency asked for as a day ends; None where there is nothing at all."""
    levels: dict[str, int] = {}
    for at, currency, amount in changes:
        if at <= day:
            levels[currency] = levels.get(currency, 0) + amount
    if sum(levels.values()) <= 0:
        return None
    own = [(currency, level) for currency, level in levels.items() if window.currency in (None, currency) and level > 0]
    return sum(worth_on(window.worth, currency, window.until - 1, level) for currency, level in own)


def _last_of_each(answers: Iterable[Answer]) -> list[Answer]:
    """The last recommendation of each person; who gave no name is somebody else each time."""
    last: dict[str, Answer] = {}
    nameless: list[Answer] = []
    for answer in answers:
        if answer.survey != "nps" or answer.score is None:
            continue
        if not answer.respondent:
            nameless.append(answer)
        elif answer.respondent not in last or last[answer.respondent].moment <= answer.moment:
            last[answer.respondent] = answer
    return [*last.values(), *nameless]


def _count_recommending(found: dict[str, _Counted], answers: Sequence[Answer], held: Held) -> None:
    people: dict[str, int] = {}
    for answer in answers:
        for value in held[answer.day]:
            people[value] = people.get(value, 0) + 1
    for answer in answers:
        band = band_of(answer)
        for value, level in held[answer.day].items():
            counted = found.setdefault(value, _Counted())
            counted.bands[band] += 1
            swing, weight = counted.weights.get(people[value], (0, 0))
            counted.weights[people[value]] = (swing + band * level, weight + level)


def _count_rated(found: dict[str, _Counted], answers: Iterable[Answer], held: Held) -> None:
    for answer in answers:
        for value in held[answer.day]:
            counted = found.setdefault(value, _Counted())
            if answer.survey == "csat" and answer.score is not None:
                counted.rated += 1
                counted.content += is_content(answer)
            if answer.resolved is not None:
                counted.contacts += 1
                counted.resolved += answer.resolved
