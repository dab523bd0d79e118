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
from events.timeline import NOTHING, Cell, Level, Standing, after

Sums = dict[tuple[int, Movement, Cell, str, str], int]
"""Postings added up by everything but their amount."""


class Frontier(Struct, frozen=True, gc=False):
    """Where the books of an account stand: enough to book the next fact in order without the earlier ones.

    `standing` is after all facts; `day` is the latest effective day, `before` the level of the day before it;
    `moment` is the latest time of an event and `moment_day` the latest day of one, which is not always its
    day: clocks may go back over midnight. `was_active` tells whether there was revenue before `day`.
    """

    before: Level = {}
    standing: Standing = NOTHING
    day: int = FIRST_DAY
    moment: int = -(2**63)
    moment_day: int = FIRST_DAY
    was_active: bool = False


UNTOUCHED: Final = Frontier()
"""Where the books of every account begin."""


def frontier_of(facts: Iterable[Fact]) -> Frontier:
    """The frontier of facts in any order."""
    frontier = UNTOUCHED
    for fact in sorted(facts, key=_order):
        if fact.kind != "payment":
            new = after(frontier.standing, fact)
            frontier = _advanced(frontier, fact, new, _level_before(frontier, fact))
    return frontier


def is_next(frontier: Frontier, fact: Fact) -> bool:
    """Whether a fact comes after all earlier ones on both clocks, so that `book_next` may book it."""
    return fact.day >= frontier.day and fact.moment >= frontier.moment and fact.moment_day >= frontier.moment_day


def book_next(frontier: Frontier, fact: Fact) -> tuple[Frontier, list[Posting]]:
    """The postings of a fact for which `is_next` holds, and the frontier after it."""
    old = frontier.standing
    new = after(old, fact)
    level = _level_before(frontier, fact)
    advanced = _advanced(frontier, fact, new, level)
    if _is_steady(frontier, fact, new):
        return advanced, _step(fact, level, new, was_active=advanced.was_active)
    sums = _sums(_path(new, fact.day, level, was_active=advanced.was_active))
    if old.contracts:
        _subtract(sums, _path(old, fact.day, level, was_active=advanced.was_active))
    committed = {(fact.moment_day, cell): value for cell, value in _difference(old.settled, new.settled).items()}
    _add_ahead(sums, committed)
    return advanced, _postings(sums)


def book_difference(known: Iterable[Fact], now: Iterable[Fact]) -> list[Posting]:
    """The postings that lead from the books of the facts known so far to the books of those known now."""
    sums = book_all(now)
    for key, amount in book_all(known).items():
        sums[key] = sums.get(key, 0) - amount
    return _postings(sums)


def book_all(facts: Iterable[Fact]) -> Sums:
    """The books of an account from scratch."""
    ordered = sorted((fact for fact in facts if fact.kind != "payment"), key=_order)
    sums = _sums(_whole(ordered))
    _add_ahead(sums, _committed(ordered))
    return sums


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
        return Frontier(level, standing, fact.day, moment, moment_day, frontier.was_active)
    old = frontier.standing
    was_active = frontier.was_active or bool(
        old.settled
        if not old.turns
        else any(old.level_on(day) for day in (frontier.day, *old.turns_between(frontier.day, fact.day)))
    )
    return Frontier(level, standing, fact.day, moment, moment_day, was_active)


def _is_steady(frontier: Frontier, fact: Fact, new: Standing) -> bool:
    """Whether a fact is the first of its day, and all that it changes, it changes on that day."""
    old = frontier.standing
    return (
        fact.day > frontier.day
        and (not old.turns or old.turns[-1] < fact.day)
        and (not new.turns or new.turns[-1] <= fact.day)
    )


def _step(fact: Fact, level: Level, new: Standing, *, was_active: bool) -> list[Posting]:
    """The postings of a steady fact: from one level to another on its day, agreed on the day of its time."""
    if level == new.settled:
        return []
    posted = movements(fact.day, level, new.settled, new.cause_on, was_active=was_active)
    if fact.moment_day != fact.day:
        for cell, change in _difference(level, new.settled).items():
            posted.append(Posting(fact.moment_day, "ahead", change, cell))
            posted.append(Posting(fact.day, "ahead", -change, cell))
    return posted if len(posted) == 1 else in_order(posted)


def _path(standing: Standing, start: int, level: Level, *, was_active: bool) -> Iterator[Posting]:
    """The postings from a day on, if no more facts come."""
    return _walk(standing, start, LAST_DAY + 1, level, was_active=was_active)


def _walk(standing: Standing, start: int, until: int, level: Level, *, was_active: bool) -> Iterator[Posting]:
    for day in (start, *standing.turns_between(start, until)):
        now = standing.level_on(day)
        if now != level:
            yield from movements(day, level, now, standing.cause_on, was_active=was_active)
        level = now
        was_active = was_active or bool(level)


def _whole(ordered: Sequence[Fact]) -> Iterator[Posting]:
    standing, level, was_active = NOTHING, Level(), False
    groups = [(day, list(group)) for day, group in groupby(ordered, _day)]
    ends = [day for day, _ in groups[1:]] + [LAST_DAY + 1]
    for (start, group), until in zip(groups, ends, strict=False):
        for fact in group:
            standing = after(standing, fact)
        yield from _walk(standing, start, until, level, was_active=was_active)
        days = (start, *standing.turns_between(start, until))
        was_active = was_active or any(standing.level_on(day) for day in days)
        level = standing.level_on(days[-1])


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
