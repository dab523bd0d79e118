"""The model of what moves no revenue: answers to surveys and costs, from the events in force, by their definitions."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

from tests.model.books import BOOK, Cell, facts_in_force, level
from tests.model.days import Event, day_of, moment

SCALES = {"nps": 10, "csat": 5}
UNSPENT = {"acquisition": Fraction(0), "retention": Fraction(0)}
COST = "revledger.cost.recorded.v1"
COST_NAMES = {"account", "campaign", "currency", "owner", "segment"}


Weighed = Callable[[Cell, int], tuple[Cell, Fraction]]
"""(cell, amount) -> the cell to group by, and what the amount weighs."""

Priced = Callable[[int, str, int], Fraction]
"""(amount, currency, day) -> what it is worth."""


class Told(NamedTuple):
    """What an account's people said in a window, for one group."""

    bands: list[tuple[int, Fraction]]
    content: list[bool]
    resolved: list[bool]


def surveys(events: list[Event], start: int, until: int) -> list[Event]:
    """The answers given in a window, in order of arrival."""
    kind = "revledger.survey.answered.v1"
    return [one for one in facts_in_force(events) if one["type"] == kind and start <= day_of(one["time"]) < until]


def scale_of(data: dict[str, Any]) -> int:
    """The best score of an answer."""
    return int(data.get("scale_max") or SCALES.get(data["survey"], 0))


def band(data: dict[str, Any]) -> int:
    """Promoter, passive, detractor; other scales are stretched to ten."""
    tenths = Fraction(data["score"] * 10, scale_of(data))
    return 1 if tenths >= 9 else -1 if tenths <= 6 else 0


def in_one(currency: str) -> Weighed:
    """Revenue in one currency weighs; wherever else it is counts as if it were in that one."""
    return lambda cell, amount: (cell._replace(currency=currency), Fraction(amount * (cell.currency == currency)))


def groups_on(events: list[Event], asked: Any, account: str, day: int, weighed: Weighed | None) -> dict[str, Fraction]:
    """Where an account has revenue, of any currency, as a day ends, and what it weighs: by default what is asked for.

    Without any it is where an account without labels would be.
    """
    found: dict[str, Fraction] = {}
    for cell, amount in level(events, account, day).items():
        seen, weight = (weighed or in_one(asked.currency))(cell, amount)
        group = asked.group(account, seen)
        if group is not None:
            found[group] = found.get(group, Fraction(0)) + weight
    if found:
        return found
    group = asked.group(account, Cell("" if weighed else asked.currency, "", "", "", None, ()))
    if asked.by is None and not asked.where:
        group = ""
    return {} if group is None else {group: Fraction(0)}


def last_of_each(answers: list[Event]) -> list[Event]:
    """The last recommendation of everybody, and all of those who gave no name."""
    scored = [one for one in answers if one["data"]["survey"] == "nps" and one["data"].get("score") is not None]
    named: dict[tuple[str, str], Event] = {}
    for one in sorted(scored, key=lambda one: moment(one["time"])):
        if one["data"].get("respondent"):
            named[one["subject"], one["data"]["respondent"]] = one
    return [*named.values(), *(one for one in scored if not one["data"].get("respondent"))]


def told(
    events: list[Event], asked: Any, start: int, until: int, weighed: Weighed | None = None
) -> dict[str, Told]:
    """Everything said in a window, by group."""
    found: dict[str, Told] = {}
    answers = surveys(events, start, until)
    people: dict[tuple[str, str], list[tuple[int, Fraction]]] = {}
    for one in last_of_each(answers):
        for group, amount in groups_on(events, asked, one["subject"], day_of(one["time"]), weighed).items():
            people.setdefault((one["subject"], group), []).append((band(one["data"]), amount))
    for (_, group), said in people.items():
        shared = [(which, amount / len(said)) for which, amount in said]
        found.setdefault(group, Told([], [], [])).bands.extend(shared)
    for one in answers:
        data = one["data"]
        for group in groups_on(events, asked, one["subject"], day_of(one["time"]), weighed):
            here = found.setdefault(group, Told([], [], []))
            if data["survey"] == "csat" and data.get("score") is not None:
                here.content.append(Fraction(data["score"], scale_of(data)) >= Fraction(80, 100))
            if data.get("resolved_first_contact") is not None:
                here.resolved.append(data["resolved_first_contact"])
    return found


def spent_on(cost: Event, day: int) -> int:
    """What a cost comes to by the end of a day: the whole minor units of an even spread."""
    data = cost["data"]
    first, end = day_of(data["from"]), day_of(data["until"])
    days = [one for one in range(first, max(end, first + 1)) if one <= day]
    return int(Fraction(data["amount_minor"] * len(days), max(end - first, 1)).__floor__())


def are_named(asked: Any) -> bool:
    """Whether costs say of themselves what is asked for."""
    return {name for name, _ in asked.where} | ({asked.by} if asked.by else set()) <= COST_NAMES


def costs(
    events: list[Event], asked: Any, start: int, until: int, priced: Priced | None = None
) -> dict[str, dict[str, Fraction]]:
    """What was spent on each day of a window, by group and kind.

    In the currency asked for alone, unless what is spent in any is `priced`.
    """
    found: dict[str, dict[str, Fraction]] = {}
    for one in facts_in_force(events):
        data = one["data"]
        if one["type"] != COST or (priced is None and data["currency"] != asked.currency):
            continue
        dims = tuple((name, data[name]) for name in ("campaign", "owner", "segment") if data.get(name))
        account = "" if one["subject"] == BOOK else one["subject"]
        group = asked.group(account, Cell(data["currency"], "", "", "", None, dims))
        if group is not None:
            sums = found.setdefault(group, dict(UNSPENT))
            for day in range(max(start, day_of(data["from"])), min(until, day_of(data["until"]) + 1)):
                spent = spent_on(one, day) - spent_on(one, day - 1)
                sums[data["kind"]] += priced(spent, data["currency"], day) if priced else spent
    return found
