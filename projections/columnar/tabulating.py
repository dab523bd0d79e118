"""Tabulating: the tables that are counted over all accounts, from their columns."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from msgspec.structs import replace

from events.contracts import NO_CAUSE
from events.days import day_months_later
from projections.churn import FALLING, Lost, churn_rows
from projections.cohorts import cohort_row, periods_since
from projections.columnar.arrays import MOVEMENTS, NEVER, Columns
from projections.columnar.calendars import first_days_of_periods, months_of_days
from projections.columnar.heard import bands_of, last_scored
from projections.columnar.layers import Layers
from projections.columnar.members import First, Members, Part, Told, members_of, present
from projections.columnar.numbering import Amounts, Flags, Numbered, Places, begins, cuts, runs
from projections.columnar.sorting import Groups
from projections.columns import CAUSE_NAMES, Asked, Row
from projections.groups import Choice
from projections.voices import BAND_DAYS, BANDS, TAGS_MONTHS, band_rows, tag_rows

SILENT: Final = BANDS.index("silent")


def bands(layers: Layers, choice: Choice, asked: Asked, _limit: int) -> dict[str, First]:
    """Accounts by what they last answered a while ago, and which of them have left since, by group."""
    then = asked.day - BAND_DAYS

    def tell(columns: Columns, groups: Groups, fitting: Flags | None) -> Sequence[Told]:
        of_accounts = np.append(1 - bands_of(columns), SILENT)[last_scored(columns, "nps", then)]
        levels = (columns.levels(day, groups, fitting) for day in (then, asked.day))
        return (*levels, of_accounts[groups.accounts])

    def sums(members: Members) -> dict[str, list[int]]:
        before, now, of_members = members.told
        return {
            band: [len(own), int(before[own].sum()), len(gone), int(before[gone].sum())]
            for place, band in enumerate(BANDS)
            for own in [np.flatnonzero((before > 0) & (of_members == place))]
            for gone in [own[now[own] <= 0]]
        }

    found = members_of(layers, choice, tell)
    return {value: First(band_rows(sums(members)), len(BANDS)) for value, members in found.items()}


def tags(layers: Layers, choice: Choice, asked: Asked, _limit: int) -> dict[str, First]:
    """What people mentioned in the last twelve months, by group."""

    def tell(columns: Columns, groups: Groups, fitting: Flags | None) -> Sequence[Told]:
        return (columns.levels(asked.day, groups, fitting),)

    found: dict[str, First] = {}
    for value, members in members_of(layers, choice, tell).items():
        said: dict[tuple[int, str], tuple[int, int, int]] = {}
        for part in members.parts:
            for month, tag, mentions, speakers, worth in _said(part, asked.day):
                sums = said.get((month, tag), (0, 0, 0))
                said[month, tag] = (sums[0] + mentions, sums[1] + speakers, sums[2] + worth)
        rows = tag_rows((month, tag, *sums) for (month, tag), sums in said.items())
        found[value] = First(rows, len(rows))
    return found


def _said(part: Part, day: int) -> Iterator[tuple[int, str, int, int, int]]:
    """Month, tag, how often it was said, by how many accounts, and what those are worth."""
    columns, (levels,) = part.columns, part.told
    given, known = columns.answers, columns.vocabulary.tags.values
    members = np.full(len(columns.names), -1, dtype=np.int64)
    members[part.groups.accounts[part.pairs]] = np.arange(len(part.pairs))
    then = day_months_later(day, -TAGS_MONTHS)
    is_asked = (given.days >= then) & (given.days < day) & (members[given.accounts] >= 0)
    rows = np.flatnonzero(is_asked & (given.tags != columns.vocabulary.tags.known(())))
    rows = rows[np.argsort(given.tags[rows], kind="stable")]
    starts = np.flatnonzero(begins(given.tags[rows])).tolist()
    names = Numbered[str]()
    told = [
        (names.number(tag), rows[start:end])
        for start, end in pairwise([*starts, len(rows)])
        for tag in known[given.tags[rows[start]]]
    ]
    if not told:
        return
    tags = np.repeat([tag for tag, _ in told], [len(some) for _, some in told])
    rows = np.concatenate([some for _, some in told])
    keys = months_of_days(given.days[rows].astype(np.int64)) * len(names.values) + tags
    order = np.lexsort((members[given.accounts[rows]], keys))
    keys, accounts = keys[order], members[given.accounts[rows]][order]
    is_other = begins(keys)
    first_said = is_other | begins(accounts)
    of_each = (np.ones(len(keys), dtype=np.int64), first_said.astype(np.int64), levels[accounts] * first_said)
    sums = zip(*(np.add.reduceat(one, np.flatnonzero(is_other)).tolist() for one in of_each), strict=True)
    for key, (mentions, speakers, worth) in zip(keys[is_other].tolist(), sums, strict=True):
        month, tag = divmod(key, len(names.values))
        yield month, names.values[tag], mentions, speakers, worth


def cohorts(layers: Layers, choice: Choice, asked: Asked, _limit: int) -> dict[str, First]:
    """Accounts by the period of their first revenue, and what is left of them as the periods go by, by group."""
    found: dict[str, dict[int, list[tuple[int, int, int]]]] = {}
    for columns in layers.columns:
        groups, fitting = columns.groups(choice.by), columns.fitting(choice)
        there = present(columns, groups, fitting)
        for place in np.unique(groups.places[there]).tolist():
            found.setdefault(groups.values[place], {})
        for place, first, sums in _begun(columns, groups, fitting, there, asked):
            own = found[groups.values[place]]
            so_far = own.get(first, [(0, 0, 0)] * len(sums))
            own[first] = [(a + d, b + e, c + f) for (a, b, c), (d, e, f) in zip(so_far, sums, strict=True)]
    return {value: First(rows, len(rows)) for value, own in found.items() for rows in [_cohort_rows(own, asked)]}


def _cohort_rows(cohorts: Mapping[int, Sequence[tuple[int, int, int]]], asked: Asked) -> list[Row]:
    return [
        cohort_row(first, start, (*sums, periods[0][-1]), asked)
        for first, periods in sorted(cohorts.items())
        for (start, _), sums in zip(periods_since(first, asked), periods, strict=True)
    ]


def _begun(
    columns: Columns, groups: Groups, fitting: Flags | None, there: Flags, asked: Asked
) -> Iterator[tuple[int, int, list[tuple[int, int, int]]]]:
    """Group and first day of each cohort; and by period how many began in it, have revenue as it ends, and how much."""
    firsts = np.full(len(groups.accounts), NEVER, dtype=np.int32)
    cells = np.arange(len(columns.accounts)) if fitting is None else np.flatnonzero(fitting)
    np.minimum.at(firsts, groups.pairs[cells], columns.rises()[cells])
    pairs = np.flatnonzero(there & (firsts < asked.day))
    if not len(pairs):
        return
    begun, of_pairs = np.unique(first_days_of_periods(firsts[pairs].astype(np.int64), asked.every), return_inverse=True)
    cohorts, of_pairs = np.unique(groups.places[pairs] * len(begun) + of_pairs, return_inverse=True)
    periods = list(periods_since(int(begun[0]), asked))
    active, worth = _levels_by_period(columns, groups, fitting, pairs, of_pairs, [end for _, end in periods])
    sizes = np.bincount(of_pairs).tolist()
    starts = [start for start, _ in periods]
    for cohort, key in enumerate(cohorts.tolist()):
        place, at = divmod(key, len(begun))
        first = int(begun[at])
        since = slice(starts.index(first), None)
        own = zip(active[cohort, since].tolist(), worth[cohort, since].tolist(), strict=True)
        yield place, first, [(sizes[cohort], *sums) for sums in own]


def _levels_by_period(
    columns: Columns, groups: Groups, fitting: Flags | None, pairs: Places, of_pairs: Places, ends: Sequence[int]
) -> tuple[Amounts, Amounts]:
    """By cohort and period how many pairs have revenue as the period ends, and what all are worth."""
    members = np.full(len(groups.accounts), -1, dtype=np.intp)
    members[pairs] = np.arange(len(pairs))
    of_cells = members[groups.pairs]
    if fitting is not None:
        of_cells = np.where(fitting, of_cells, -1)
    (last,) = cuts(columns.days, [ends[-1]])
    of_sums = of_cells[columns.cells[:last]]
    rows = np.flatnonzero(of_sums >= 0)
    of_sums, amounts = of_sums[rows], columns.amounts[rows]
    places = cuts(columns.days[rows], ends)
    size = int(of_pairs.max()) + 1
    levels, worth = np.zeros(len(pairs), dtype=np.int64), np.zeros(size, dtype=np.int64)
    active, worths = (np.zeros((size, len(ends)), dtype=np.int64) for _ in range(2))
    for period, (start, end) in enumerate(pairwise([0, *places])):
        np.add.at(levels, of_sums[start:end], amounts[start:end])
        np.add.at(worth, of_pairs[of_sums[start:end]], amounts[start:end])
        active[:, period] = np.bincount(of_pairs[levels > 0], minlength=size)
        worths[:, period] = worth
    return active, worths


def churn(layers: Layers, choice: Choice, asked: Asked, _limit: int) -> dict[str, First]:
    """What was lost in a window, by period, reason and initiative, by group."""
    labels = {name: value for name, value in choice.where.items() if name not in CAUSE_NAMES}
    causes = {name: value for name, value in choice.where.items() if name in CAUSE_NAMES}
    found: dict[str, dict[Lost, tuple[int, int]]] = {}
    for columns in layers.columns:
        groups, fits = columns.groups(choice.by), columns.asked(replace(choice, where=labels))
        is_asked = fits[columns.cells] & _caused(columns, causes)[columns.causes]
        for place in np.unique(groups.places[groups.pairs[columns.cells[is_asked]]]).tolist():
            found.setdefault(groups.values[place], {})
        for place, lost, *more in _lost(columns, groups, is_asked, asked):
            own = found[groups.values[place]]
            accounts, amount = own.get(lost, (0, 0))
            own[lost] = (accounts + more[0], amount + more[1])
    return {value: First(rows, len(rows)) for value, own in found.items() for rows in [churn_rows(own, asked)]}


def _caused(columns: Columns, where: Mapping[str, str]) -> Flags:
    """The causes that have some values, by number."""
    named = (dict(zip(CAUSE_NAMES, one or NO_CAUSE, strict=True)) for one in columns.vocabulary.cause.values)
    return np.array([where.items() <= one.items() for one in named], dtype=np.bool_)


def _lost(
    columns: Columns, groups: Groups, is_asked: Flags, asked: Asked
) -> Iterator[tuple[int, Lost, int, int]]:
    """Group, period, movement and cause of falls, on how many days accounts had any, and what they come to."""
    first, end = cuts(columns.days, [asked.start, asked.day])
    is_fall = np.array([movement in FALLING for movement in MOVEMENTS])[columns.movements[first:end]]
    rows = first + np.flatnonzero(is_asked[first:end] & is_fall)
    posted = (columns.causes[rows], columns.movements[rows], columns.days[rows], groups.pairs[columns.cells[rows]])
    order, starts = runs(posted)
    if not len(starts):
        return
    amounts = np.add.reduceat(columns.amounts[rows][order], starts)
    starts, amounts = starts[amounts != 0], amounts[amounts != 0]
    causes, movements, days, pairs = (one[order][starts].astype(np.int64) for one in posted)
    fallen = (causes, movements, first_days_of_periods(days, asked.every), groups.places[pairs])
    order, starts = runs(fallen)
    counts = np.diff(starts, append=len(order)).tolist()
    sums = np.add.reduceat(amounts[order], starts).tolist() if len(starts) else []
    known = columns.vocabulary.cause.values
    parts = (one[order][starts].tolist() for one in fallen)
    for cause, movement, day, place, count, lost in zip(*parts, counts, sums, strict=True):
        yield place, (day, MOVEMENTS[movement], known[cause] or NO_CAUSE), count, lost
