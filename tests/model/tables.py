"""The model's answers to tables: what was lost and why, what is left of cohorts, what an account came to so far.

Built on the model's movements alone; a level is the sum of the movements before a day.
"""

from datetime import date, timedelta
from typing import NamedTuple

from tests.model.asides import band, surveys
from tests.model.books import Movement
from tests.model.days import Event, day_of, moment
from tests.model.figures import mrr_minor, periods
from tests.model.reports import Asked, Books, held, ratio_text

LOST = ("churn", "contraction")


class Lost(NamedTuple):
    """A row of the churn table."""

    period: str
    movement: str
    reason: str | None
    initiative: str | None
    accounts: int
    mrr_minor: int


class Left(NamedTuple):
    """A row of the cohorts."""

    cohort: str
    month: int
    size: int
    accounts: int
    mrr_minor: int
    ended: str


def name_of(day: int, every: str) -> str:
    """What the period that a day is in is called."""
    at = date(1970, 1, 1) + timedelta(days=day)
    names = {"year": f"{at:%Y}", "quarter": f"{at:%Y}-Q{(at.month + 2) // 3}", "month": f"{at:%Y-%m}"}
    return names.get(every, at.isoformat())


def churn(books: Books, asked: Asked, start: int, until: int, every: str, causes: dict[str, str]) -> list[Lost]:
    """What was lost in a window by period, movement and cause, of falls that have the causes asked for."""
    found: dict[tuple[str, str, str | None, str | None], list[Movement]] = {}
    for one in _moved(books, asked):
        fits = all((getattr(one, name) or "") == value for name, value in causes.items())
        if one.movement in LOST and start <= one.day < until and fits:
            place = (name_of(one.day, every), one.movement, one.reason, one.initiative)
            found.setdefault(place, []).append(one)
    return [
        Lost(*place, len({(one.account, one.day) for one in some}), mrr_minor(sum(one.amount_e4 for one in some)))
        for place, some in found.items()
    ]


def cohorts(books: Books, asked: Asked, day: int, every: str) -> list[Left]:
    """Every cohort as every period up to a day ends."""
    own: dict[str, list[Movement]] = {}
    for one in _moved(books, asked):
        own.setdefault(one.account, []).append(one)
    first = {name: min(one.day for one in some if one.amount_e4 > 0) for name, some in own.items()}
    found: list[Left] = []
    for cohort in sorted({name_of(at, every) for at in first.values() if at < day}):
        members = [own[name] for name, at in first.items() if name_of(at, every) == cohort]
        begun = min(at for at in first.values() if name_of(at, every) == cohort)
        for begin, end in periods(begun, day, every):
            levels = [_level(some, end) for some in members]
            age = _months(_whole(begin, every)) - _months(_whole(begun, every))
            left = sum(level > 0 for level in levels)
            ended = "no" if name_of(end - 1, every) == name_of(end, every) else "yes"
            found.append(Left(cohort, age, len(members), left, mrr_minor(sum(levels)), ended))
    return found


def realised(books: Books, asked: Asked, day: int) -> dict[str, int]:
    """Account -> MRR as each of its months ended, added up, the last month cut short by the day."""
    own: dict[str, list[Movement]] = {}
    for one in _moved(books, asked):
        if one.day < day:
            own.setdefault(one.account, []).append(one)
    return {
        name: mrr_minor(sum(_level(some, end) for _, end in periods(min(one.day for one in some), day, "month")))
        for name, some in own.items()
    }


def risk(books: Books, asked: Asked, day: int) -> list[tuple[str, int, int]]:
    """(account, MRR, score) of those with revenue whose last recommendation was that of a detractor."""
    last = _last_recommendations(books.events, day)
    levels = held(books.events, day, asked).get("", {})
    warned = [name for name in levels if name in last and band(last[name]["data"]) < 0]
    found = [(name, mrr_minor(levels[name]), int(last[name]["data"]["score"])) for name in warned]
    return sorted(found, key=lambda one: (-one[1], one[0]))


def bands(books: Books, asked: Asked, day: int) -> list[tuple[str, int, int, int, int, str | None]]:
    """(band, accounts, MRR, accounts gone, their MRR, share gone) of the accounts with revenue 90 days before."""
    last = _last_recommendations(books.events, day - 90)
    before, now = (held(books.events, at, asked).get("", {}) for at in (day - 90, day))
    places = {1: "promoters", 0: "passives", -1: "detractors"}
    found = []
    for place in (*places.values(), "silent"):
        own = [name for name in before if (places[band(last[name]["data"])] if name in last else "silent") == place]
        gone = [name for name in own if name not in now]
        worth, lost = (mrr_minor(sum(before[name] for name in some)) for some in (own, gone))
        found.append((place, len(own), worth, len(gone), lost, ratio_text(len(gone), len(own))))
    return found


def tags(books: Books, asked: Asked, day: int) -> set[tuple[str, str, int, int, int]]:
    """(month, tag, answers, accounts, their MRR) of what was mentioned in the twelve months before a day."""
    known = {one.account for one in _moved(books, asked)}
    levels = held(books.events, day, asked).get("", {})
    said: dict[tuple[str, str], list[str]] = {}
    for one in surveys(books.events, _year_before(day), day):
        for tag in one["data"].get("tags", []) if one["subject"] in known else ():
            said.setdefault((name_of(day_of(one["time"]), "month"), tag), []).append(one["subject"])
    return {
        (*place, len(who), len({*who}), mrr_minor(sum(levels.get(name, 0) for name in {*who})))
        for place, who in said.items()
    }


def _last_recommendations(events: list[Event], day: int) -> dict[str, Event]:
    """Account -> its last answer with a score, before a day, to whether it would recommend."""
    answers = surveys(events, -(10**6), day)
    scored = [one for one in answers if one["data"]["survey"] == "nps" and one["data"].get("score") is not None]
    return {one["subject"]: one for one in sorted(scored, key=lambda one: moment(one["time"]))}


def _year_before(day: int) -> int:
    at = date(1970, 1, 1) + timedelta(days=day)
    leaps = (at.month, at.day) == (2, 29)
    return (at.replace(year=at.year - 1, day=28 if leaps else at.day) - date(1970, 1, 1)).days


def _moved(books: Books, asked: Asked) -> list[Movement]:
    return [one for one in books.movements if asked.group(one.account, one.cell) is not None]


def _level(some: list[Movement], day: int) -> int:
    return sum(one.amount_e4 for one in some if one.day < day)


def _months(day: int) -> int:
    at = date(1970, 1, 1) + timedelta(days=day)
    return at.year * 12 + at.month


def _whole(day: int, every: str) -> int:
    """The first day of the period that a day is in."""
    while name_of(day - 1, every) == name_of(day, every):
        day -= 1
    return day
