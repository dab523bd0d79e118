"""Ranking: the first rows of tables of accounts, which of all the accounts in memory come first."""

from collections.abc import Mapping, Sequence
from heapq import nsmallest
from typing import Final

import numpy as np

from events.money import MRR_DIVISOR
from projections.columnar.arrays import Columns
from projections.columnar.heard import bands_of, last_scored, tags_heard
from projections.columnar.layers import Layers
from projections.columnar.members import First, Members, Told, members_of
from projections.columnar.numbering import Amounts, Flags, Places, cuts
from projections.columnar.sorting import Groups
from projections.columns import Asked, Row
from projections.groups import Choice
from projections.periods import months_held
from projections.portfolio import account_rows, concentration_rows, year_before
from projections.voices import risk_row

WARNED_ROWS: Final = 4
"""So many rows of a table at least are made, which is as far as its warning looks."""


def concentration(layers: Layers, choice: Choice, asked: Asked, limit: int) -> dict[str, First]:
    """The first rows of the largest accounts by group."""

    def tell(columns: Columns, groups: Groups, fitting: Flags | None) -> Sequence[Told]:
        return (columns.levels(asked.day, groups, fitting),)

    def first(members: Members) -> First:
        (levels,) = members.told
        there = np.flatnonzero(levels > 0)
        chosen = largest(members, there, levels[there], levels[there], limit)
        told = [(-int(levels[place]), members.name(place)) for place in chosen]
        return First(concentration_rows(told, int(levels[there].sum())), len(there))

    return {value: first(some) for value, some in members_of(layers, choice, tell).items()}


def accounts(layers: Layers, choice: Choice, asked: Asked, limit: int) -> dict[str, First]:
    """The first rows of accounts against a year before, by group."""

    def tell(columns: Columns, groups: Groups, fitting: Flags | None) -> Sequence[Told]:
        return [columns.levels(day, groups, fitting) for day in (year_before(asked.day), asked.day)]

    members = members_of(layers, choice, tell)
    chosen: dict[str, list[int]] = {}
    counts: dict[str, int] = {}
    for value, some in members.items():
        before, now = some.told
        there = np.flatnonzero((before > 0) | (now > 0))
        counts[value] = len(there)
        chosen[value] = largest(some, there, minor_of(now[there]), minor_of(before[there]), limit)
    so_far = _so_far(members, chosen, choice, asked.day)
    return {
        value: First(
            account_rows(
                (some.name(place), int(some.told[0][place]), int(some.told[1][place]), *so_far[value][place])
                for place in chosen[value]
            ),
            counts[value],
        )
        for value, some in members.items()
    }


def risk(layers: Layers, choice: Choice, asked: Asked, limit: int) -> dict[str, First]:
    """The first rows of revenue at risk, by group."""

    def tell(columns: Columns, groups: Groups, fitting: Flags | None) -> Sequence[Told]:
        last = last_scored(columns, "nps", asked.day)
        warns = np.append(bands_of(columns) < 0, False)[last]
        return columns.levels(asked.day, groups, fitting), last[groups.accounts], warns[groups.accounts]

    def first(members: Members) -> First:
        levels, answers, warns = members.told
        there = np.flatnonzero((levels > 0) & warns)
        chosen = largest(members, there, minor_of(levels[there]), levels[there] * 0, limit)
        return First([row(members, place, int(answers[place])) for place in chosen], len(there))

    def row(members: Members, place: int, answer: int) -> Row:
        part, pair = members.at(place)
        given, account = part.columns.answers, int(part.groups.accounts[pair])
        tags = tags_heard(part.columns, account, asked.day)
        told = (int(given.scores[answer]), int(given.days[answer]), tags)
        return risk_row(members.name(place), int(members.told[0][place]), *told)

    return {value: first(some) for value, some in members_of(layers, choice, tell).items()}


def _so_far(
    members: Mapping[str, Members], chosen: Mapping[str, Sequence[int]], choice: Choice, day: int
) -> dict[str, dict[int, tuple[int, bool]]]:
    """What some accounts of groups came to, exact: it might outgrow 64 bits; and whether any a year before."""
    places: dict[int, tuple[Columns, Groups, dict[int, tuple[str, int]]]] = {}
    for value, some in members.items():
        for place in chosen[value]:
            part, pair = some.at(place)
            places.setdefault(id(part.columns), (part.columns, part.groups, {}))[2][pair] = (value, place)
    then = year_before(day)
    found = {value: dict.fromkeys(some, (0, False)) for value, some in chosen.items()}
    for columns, groups, asked in places.values():
        for pair, at, amount in _posted(columns, groups, choice, [*asked], day):
            value, place = asked[pair]
            so_far, had_before = found[value][place]
            had_before = had_before or (at < then and amount > 0)
            found[value][place] = (so_far + amount * months_held(at, day), had_before)
    return found


def _posted(
    columns: Columns, groups: Groups, choice: Choice, pairs: Sequence[int], day: int
) -> list[tuple[int, int, int]]:
    """Pair, day and amount of what was posted to some pairs before a day."""
    rows = rows_of_pairs(columns, groups, columns.fitting(choice), pairs, day)
    of_each = (groups.pairs[columns.cells[rows]], columns.days[rows], columns.amounts[rows])
    return list(zip(*[part.tolist() for part in of_each], strict=True))


def rows_of_pairs(
    columns: Columns, groups: Groups, fitting: Flags | None, pairs: Sequence[int] | Places, day: int
) -> Places:
    """The sums before a day of what fits of some pairs."""
    is_asked = np.zeros(len(groups.accounts), dtype=np.bool_)
    is_asked[pairs] = True
    cells = is_asked[groups.pairs]
    if fitting is not None:
        cells &= fitting
    (end,) = cuts(columns.days, [day])
    return np.flatnonzero(cells[columns.cells[:end]])


def largest(members: Members, there: Places, levels: Amounts, others: Amounts, limit: int) -> list[int]:
    """Of some places those of the largest levels, so many and at least `WARNED_ROWS`, in order.

    Of equal levels the one with the larger other level comes first, and then the first by name.
    """
    count = max(limit, WARNED_ROWS)
    places = np.arange(len(levels))
    if len(places) > count:
        least = np.partition(levels, -count)[-count]
        above, equal = np.flatnonzero(levels > least), np.flatnonzero(levels == least)
        left = count - len(above)
        places = np.concatenate([above, equal[others[equal] >= np.partition(others[equal], -left)[-left]]])
    ranked = zip((-levels[places]).tolist(), (-others[places]).tolist(), there[places].tolist(), strict=True)
    first = nsmallest(count, ((level, other, members.name(place), place) for level, other, place in ranked))
    return [place for *_, place in first]


def minor_of(levels: Amounts) -> Amounts:
    """As `mrr_minor`."""
    assert MRR_DIVISOR % 2 == 0, "so that half of it is whole"
    return (levels + MRR_DIVISOR // 2) // MRR_DIVISOR
