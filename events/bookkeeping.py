"""Facts to postings: the whole of an account from scratch, or only what one more fact in order changes.

Both ways give the same postings. A fact out of order is booked by the difference between the whole with it
and the whole without it, so that the postings recorded so far always add up to the level computed from the
facts known so far.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from msgspec import Struct

from events.days import FIRST_DAY, LAST_DAY
from events.facts import Fact
from events.movements import Movement, Posting, in_order, movements
from events.policy import Rules
from events.timeline import NOTHING, Cell, Level, Standing, after

Sums = dict[tuple[int, Movement, Cell, str, str], int]
"""Postings added up by everything but their amount."""


class Frontier(Struct, frozen=True, gc=False):
    """Where the books of an account stand: enough to book the next fact in order without the earlier ones.

    `standing` is after all facts; `day` is the latest effective day, `before` the level of the day before it;
    `moment` is the latest time of an event and `moment_day` the latest day of one, which is not always its
    day: clocks may go back over midnight. `active_on`: the last day before `day` on which the account was active.
    """

    before: Level = {}
    standing: Standing = NOTHING
    day: int = FIRST_DAY
    moment: int = -(2**63)
    moment_day: int = FIRST_DAY
    active_on: int | None = None


UNTOUCHED: Final = Frontier()
"""Where the books of every account begin."""


def frontier_of(facts: Iterable[Fact]) -> Frontier:
    """The frontier of facts in any order."""
    frontier = UNTOUCHED
    for fact in sorted(facts, key=_order):
        if fact.kind != "noted":
            new = after(frontier.standing, fact)
            frontier = _advanced(frontier, fact, new, _level_before(frontier, fact))
    return frontier


def is_next(frontier: Frontier, fact: Fact) -> bool:
    """Whether a fact comes after all earlier ones on both clocks, so that `book_next` may book it."""
    return fact.day >= frontier.day and fact.moment >= frontier.moment and fact.moment_day >= frontier.moment_day


def book_next(frontier: Frontier, fact: Fact, rules: Rules) -> tuple[Frontier, list[Posting]]:
    """The postings of a fact for which `is_next` holds, and the frontier after it."""
    old = frontier.standing
    new = after(old, fact)
    if not old.turns and not new.turns and fact.day > frontier.day:
        level = old.settled
        active_on = fact.day - 1 if level else frontier.active_on
        advanced = Frontier(level, new, fact.day, fact.moment, fact.moment_day, active_on)
        return advanced, _step(fact, level, new, active_on, rules)
    level = _level_before(frontier, fact)
    advanced = _advanced(frontier, fact, new, level)
    if _is_steady(frontier, fact, new):
        return advanced, _step(fact, level, new, advanced.active_on, rules)
    active_on = advanced.active_on
    sums = _sums(_path(new, fact.day, level, active_on, rules))
    if old.contracts:
        _subtract(sums, _path(old, fact.day, level, active_on, rules))
    committed = {(fact.moment_day, cell): value for cell, value in _difference(old.settled, new.settled).items()}
    _add_ahead(sums, committed)
    return advanced, _postings(sums)


def book_difference(known: Iterable[Fact], now: Iterable[Fact], rules: Rules) -> list[Posting]:
    """The postings that lead from the books of the facts known so far to the books of those known now."""
    return difference(book_all(known, rules), book_all(now, rules))


def difference(known: Sums, now: Sums) -> list[Posting]:
    """The postings that lead from some books to others."""
    sums = dict(now)
    for key, amount in known.items():
        sums[key] = sums.get(key, 0) - amount
    return _postings(sums)


def book_all(facts: Iterable[Fact], rules: Rules) -> Sums:
    """The books of an account from scratch."""
    ordered = sorted((fact for fact in facts if fact.kind != "noted"), key=_order)
    sums = _sums(_whole(ordered, rules))
    _add_ahead(sums, _committed(ordered))
    return sums


def standings(ordered: Sequence[Fact]) -> Iterator[tuple[Standing, tuple[int, ...]]]:
    """From the facts of an account in order: each standing, with the days from which on its level may be another."""
    standing = NOTHING
    groups = [(day, list(group)) for day, group in groupby(ordered, _day)]
    ends = [day for day, _ in groups[1:]] + [LAST_DAY + 1]
    for (start, group), until in zip(groups, ends, strict=False):
        for fact in group:
            standing = after(standing, fact)
        yield standing, (start, *standing.turns_between(start, until))


def merged(postings: Iterable[Posting]) -> list[Posting]:
    """The postings of facts booked one after the other as those of one: added up, and in order."""
    return _postings(_sums(postings))


def _order(fact: Fact) -> tuple[int, int, int]:
    return fact.order


def _day(fact: Fact) -> int:
    return fact.day


def _level_before(frontier: Frontier, fact: Fact) -> Level:
    """The level of the day before a fact whose day is not earlier than the latest."""
    return frontier.before if fact.day == frontier.day else frontier.standing.level_on(fact.day - 1)


def _advanced(frontier: Frontier, fact: Fact, standing: Standing, level: Level) -> Frontier:
    moment = max(frontier.moment, fact.moment)
    moment_day = max(frontier.moment_day, fact.moment_day)
    if fact.day == frontier.day:
        return Frontier(level, standing, fact.day, moment, moment_day, frontier.active_on)
    active_on = fact.day - 1 if level else _last_active(frontier, fact.day)
    return Frontier(level, standing, fact.day, moment, moment_day, active_on)


def _last_active(frontier: Frontier, until: int) -> int | None:
    """The last active day of an account that is inactive on the day before `until`."""
    days = [frontier.day, *frontier.standing.turns_between(frontier.day, until)]
    for day, turn in zip(days[-2::-1], days[:0:-1], strict=True):
        if frontier.standing.level_on(day):
            return turn - 1
    return frontier.active_on


def _is_steady(frontier: Frontier, fact: Fact, new: Standing) -> bool:
    """Whether a fact is the first of its day, and all that it changes, it changes on that day."""
    old = frontier.standing
    return (
        fact.day > frontier.day
        and (not old.turns or old.turns[-1] < fact.day)
        and (not new.turns or new.turns[-1] <= fact.day)
    )


def _step(fact: Fact, level: Level, new: Standing, active_on: int | None, rules: Rules) -> list[Posting]:
    """The postings of a steady fact: from one level to another on its day, agreed on the day of its time."""
    if level == new.settled:
        return []
    is_return = not level and _is_return(fact.day, active_on, rules)
    posted = movements(fact.day, level, new.settled, new.cause_on, is_return=is_return)
    if fact.moment_day != fact.day:
        for cell, change in _difference(level, new.settled).items():
            posted.append(Posting(fact.moment_day, "ahead", change, cell))
            posted.append(Posting(fact.day, "ahead", -change, cell))
    return posted if len(posted) == 1 else in_order(posted)


def _is_return(day: int, active_on: int | None, rules: Rules) -> bool:
    return active_on is not None and rules.is_return(day - active_on - 1)


def _path(standing: Standing, start: int, level: Level, active_on: int | None, rules: Rules) -> list[Posting]:
    """The postings from a day on, if no more facts come."""
    postings: list[Posting] = []
    days = (start, *standing.turns_between(start, LAST_DAY + 1))
    _walk(postings, standing, days, level, active_on, rules)
    return postings


def _walk(
    postings: list[Posting],
    standing: Standing,
    days: Iterable[int],
    level: Level,
    active_on: int | None,
    rules: Rules,
) -> tuple[Level, int | None]:
    """Adds the postings of days on which nothing but time changes a level; the level, and the last active day."""
    for day in days:
        if level:
            active_on = day - 1
        now = standing.level_on(day)
        if now != level:
            is_return = not level and _is_return(day, active_on, rules)
            postings += movements(day, level, now, standing.cause_on, is_return=is_return)
            level = now
    return level, active_on


def _whole(ordered: Sequence[Fact], rules: Rules) -> list[Posting]:
    postings: list[Posting] = []
    level, active_on = Level(), None
    for standing, days in standings(ordered):
        level, active_on = _walk(postings, standing, days, level, active_on, rules)
    return postings


def _committed(ordered: Sequence[Fact]) -> dict[tuple[int, Cell], int]:
    """How the level in the end of time changed with each day on which something was agreed."""
    changes: dict[tuple[int, Cell], int] = {}
    known: list[Fact] = []
    standing = NOTHING
    for day, group in groupby(sorted(ordered, key=_moment_day), _moment_day):
        old = standing
        for fact in sorted(group, key=_order):
            standing = after(standing, fact) if not known or _order(known[-1]) < _order(fact) else NOTHING
            known.append(fact)
            if standing is NOTHING:
                known.sort(key=_order)
                standing = _standing_after(known)
        for cell, value in _difference(old.settled, standing.settled).items():
            changes[day, cell] = value
    return changes


def _moment_day(fact: Fact) -> int:
    return fact.moment_day


def _standing_after(ordered: Iterable[Fact]) -> Standing:
    standing = NOTHING
    for fact in ordered:
        standing = after(standing, fact)
    return standing


def _difference(old: Level, new: Level) -> Level:
    cells = {**old, **new}
    return {cell: change for cell in cells if (change := new.get(cell, 0) - old.get(cell, 0))}


def _sums(postings: Iterable[Posting]) -> Sums:
    sums: Sums = {}
    for one in postings:
        key = (one.day, one.movement, one.cell, one.reason, one.initiative)
        sums[key] = sums.get(key, 0) + one.amount
    return sums


def _subtract(sums: Sums, postings: Iterable[Posting]) -> None:
    for one in postings:
        key = (one.day, one.movement, one.cell, one.reason, one.initiative)
        sums[key] = sums.get(key, 0) - one.amount


def _add_ahead(sums: Sums, committed: dict[tuple[int, Cell], int]) -> None:
    """Adds what is agreed less what is in force, day by day and cell by cell."""
    ahead = dict(committed)
    for (day, _, cell, _, _), amount in sums.items():
        ahead[day, cell] = ahead.get((day, cell), 0) - amount
    for (day, cell), amount in ahead.items():
        sums[day, "ahead", cell, "", ""] = amount


def _postings(sums: Sums) -> list[Posting]:
    return in_order(
        Posting(day, movement, amount, cell, reason, initiative)
        for (day, movement, cell, reason, initiative), amount in sums.items()
        if amount
    )
