"""Heard: what the answers of all accounts in columns come to, with the revenue of those who gave them."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import numpy as np
from msgspec import Struct

from events.days import FIRST_DAY
from projections.arrays import Columns
from projections.columns import TAGS_DAYS
from projections.groups import Choice
from projections.numbering import Amounts, Codes, Flags, Places, begins, firsts_of
from projections.satisfaction import Satisfaction
from projections.sides import UNSAID
from projections.sorting import Groups

_DAY_BITS: Final = 23
"""Room for every day that there is."""
_LOW_BITS: Final = 31
"""Sums of so many bits of as many amounts as there may be do not outgrow 64 bits, nor those of what is above."""


def satisfaction(columns: Columns, choice: Choice, start: int, until: int) -> dict[str, Satisfaction]:
    """As `satisfaction_of`, of the accounts held."""
    answers = columns.answers
    asked = (answers.days >= start) & (answers.days < until) & columns.holds[answers.accounts]
    if not asked.any():
        return {}
    voices = _voices(columns, choice, asked)
    return _Counted(columns, voices, asked).sums()


class Weights(Struct, frozen=True):
    """What cells are worth as the days of answers end, where that is not nothing; in order of answers."""

    answers: Places
    cells: Places
    levels: Amounts


def levels_on(columns: Columns, cells: Places, days: Codes | Places) -> Amounts:
    """What cells are worth as days begin, a day for each; in about a second for a million of them."""
    end = len(columns.days) - len(columns.ahead)
    keys = (columns.cells[:end].astype(np.int64) << _DAY_BITS) + (columns.days[:end] - FIRST_DAY)
    order = np.argsort(keys, kind="stable")
    keys, levels = keys[order], np.zeros(end + 1, dtype=np.int64)
    np.cumsum(columns.amounts[:end][order], out=levels[1:])
    firsts = cells.astype(np.int64) << _DAY_BITS
    return levels[np.searchsorted(keys, firsts + (days - FIRST_DAY))] - levels[np.searchsorted(keys, firsts)]


def _weights(columns: Columns) -> Weights:
    accounts = columns.answers.accounts
    counts = columns.cells_of_accounts()[accounts]
    answers = np.repeat(np.arange(len(accounts), dtype=np.intp), counts)
    cells = np.arange(len(answers)) + np.repeat(columns.first_cells[accounts] - firsts_of(counts), counts)
    levels = levels_on(columns, cells, columns.answers.days[answers] + np.int32(1))
    there = np.flatnonzero(levels)
    return Weights(answers[there].astype(np.int32), cells[there].astype(np.int32), levels[there])


class _Voices(Struct, frozen=True):
    """Answers in groups that they count in, the pair of group and account, and what the account is worth there.

    `of_pairs` are the places of the groups that pairs are in, `values` those of groups.
    """

    answers: Places
    pairs: Places
    levels: Amounts
    of_pairs: Places
    values: Sequence[str]


def _voices(columns: Columns, choice: Choice, asked: Flags) -> _Voices:
    """The answers asked for; those of accounts without revenue count where what says nothing does."""
    weights, groups = columns.known.once("weights", lambda: _weights(columns)), columns.groups(choice.by)
    fits, fitting = asked[weights.answers], columns.fitting(choice)
    if fitting is not None:
        fits &= fitting[weights.cells]
    rows = np.flatnonzero(fits)
    found = _added(weights.answers[rows], groups.pairs[weights.cells[rows]], weights.levels[rows])
    answers, pairs, levels = (one[found[2] > 0] for one in found)
    values, of_pairs = list(groups.values), groups.places
    if _silence_fits(choice):
        is_silent = asked.copy()
        is_silent[answers] = False
        if "account" in choice.where:
            is_silent &= columns.answers.accounts == columns.places.get(choice.where["account"], -1)
        silent = np.flatnonzero(is_silent)
        value = choice.currency if choice.by == "currency" else ""
        own, values, of_pairs = _pairs_of_silence(columns, groups, value, columns.answers.accounts[silent])
        answers, pairs = np.concatenate([answers, silent]), np.concatenate([pairs, own])
        levels = np.concatenate([levels, np.zeros(len(silent), dtype=np.int64)])
    return _Voices(answers, pairs, levels, of_pairs, values)


def _silence_fits(choice: Choice) -> bool:
    """Whether a question is also about what has no labels and no plan, of some account or any."""
    own = {"currency": choice.currency, "account": choice.where.get("account")}
    return all(value == own.get(name, "") for name, value in choice.where.items())


def _pairs_of_silence(
    columns: Columns, groups: Groups, value: str, accounts: Codes
) -> tuple[Places, list[str], Places]:
    """The pairs of accounts that count under a value, perhaps new ones; and all values, and the place of each pair."""
    values, of_pairs = list(groups.values), groups.places
    pairs = np.arange(len(columns.names), dtype=np.intp) + len(of_pairs)
    if value in values:
        own = np.flatnonzero(of_pairs == values.index(value))
        pairs[groups.accounts[own]] = own
    else:
        values.append(value)
    place = np.full(len(columns.names), values.index(value), dtype=np.intp)
    return pairs[accounts], values, np.concatenate([of_pairs, place])


def _added(answers: Places, pairs: Places, levels: Amounts) -> tuple[Places, Places, Amounts]:
    """Levels added up by answer and pair, given in order of answers."""
    if not len(answers):
        return answers.astype(np.intp), pairs, levels
    starts = np.flatnonzero(begins(answers))
    first, last = (extreme.reduceat(pairs, starts) for extreme in (np.minimum, np.maximum))
    alike = np.flatnonzero(first == last)
    sums = np.add.reduceat(levels, starts)[alike]
    is_mixed = np.repeat(first != last, np.diff(starts, append=len(answers)))
    rows = np.flatnonzero(is_mixed)
    rows = rows[np.lexsort((pairs[rows], answers[rows]))]
    parts = np.flatnonzero(begins(answers[rows]) | begins(pairs[rows]))
    mixed = np.add.reduceat(levels[rows], parts) if len(rows) else levels[rows]
    rows = rows[parts] if len(rows) else rows
    return (
        np.concatenate([answers[starts[alike]], answers[rows]]).astype(np.intp),
        np.concatenate([first[alike], pairs[rows]]),
        np.concatenate([sums, mixed]),
    )


class _Counted:
    """Counts and sums of answers by the place of their group."""

    def __init__(self, columns: Columns, voices: _Voices, asked: Flags) -> None:
        self._columns = columns
        self._answers = columns.answers
        self._voices = voices
        self._asked = asked
        self._groups = voices.of_pairs[voices.pairs]

    def sums(self) -> dict[str, Satisfaction]:
        """What was answered in each group, where anything was."""
        swings, of_bands = self._recommending()
        given, rows = self._answers, self._voices.answers
        is_rated = ((given.surveys == self._survey("csat")) & (given.scores != UNSAID))[rows]
        is_content = 5 * given.scores.astype(np.int64)[rows] >= 4 * given.scales.astype(np.int64)[rows]
        counts = [
            *of_bands,
            self._count(is_rated & is_content),
            self._count(is_rated),
            self._count(given.resolved[rows] == 1),
            self._count(given.resolved[rows] != UNSAID),
        ]
        promoters, passives, detractors, *others = (one.tolist() for one in counts)
        return {
            self._voices.values[place]: Satisfaction(
                *(promoters[place], passives[place], detractors[place]),
                *swings.get(place, (Fraction(0), Fraction(0))),
                *(one[place] for one in others),
            )
            for place in np.flatnonzero(self._count(np.ones(len(rows), dtype=np.bool_))).tolist()
        }

    def _survey(self, name: str) -> int:
        return self._columns.vocabulary.survey.known(name)

    def _count(self, which: Flags) -> Places:
        """How many answers there are in each group."""
        return np.bincount(self._groups[which], minlength=len(self._voices.values))

    def _recommending(self) -> tuple[dict[int, tuple[Fraction, Fraction]], list[Places]]:
        """By group how much revenue recommends less what warns, and all of it; and promoters, passives, detractors."""
        bands = bands_of(self._columns)[self._voices.answers]
        is_last = self._last_of_each()[self._voices.answers]
        counts = [self._count(is_last & (bands == band)) for band in (1, 0, -1)]
        rows = np.flatnonzero(is_last)
        people = np.bincount(self._voices.pairs[rows], minlength=len(self._voices.of_pairs))[self._voices.pairs[rows]]
        numbers, shared = np.unique(people, return_inverse=True)
        size = len(numbers)
        places, levels = self._groups[rows] * size + shared, self._voices.levels[rows]
        of_levels, of_swings = (
            exact_sums(places, one, len(self._voices.values) * size) for one in (levels, levels * bands[rows])
        )
        swings = {
            place: (
                sum((Fraction(of_swings[place * size + at], number) for at, number in told), Fraction(0)),
                sum((Fraction(of_levels[place * size + at], number) for at, number in told), Fraction(0)),
            )
            for told in [list(enumerate(numbers.tolist()))]
            for place in np.unique(self._groups[rows]).tolist()
        }
        return swings, counts

    def _last_of_each(self) -> Flags:
        """Which answers are the last recommendations of those who gave them."""
        given = self._answers
        rows = np.flatnonzero(self._asked & (given.surveys == self._survey("nps")) & (given.scores != UNSAID))
        counts = np.bincount(given.accounts, minlength=len(self._columns.names))
        people = firsts_of(counts)[given.accounts[rows]] + given.people[rows]
        last = np.zeros(len(given.accounts), dtype=np.intp)
        last[people] = rows  # of several rows of one the last one stays
        is_last = np.zeros(len(given.accounts), dtype=np.bool_)
        is_last[last[people]] = True
        return is_last


def bands_of(columns: Columns) -> Codes:
    """Of each answer the band, as `band_of`; any number where it has no score."""
    scores, scales = 10 * columns.answers.scores, columns.answers.scales
    return (scores >= 9 * scales).astype(np.int32) - ((scores < 9 * scales) & (scores <= 6 * scales))


def exact_sums(places: Places, amounts: Amounts, size: int) -> list[int]:
    """Amounts added up by place, which 64 bits may have no room for."""
    high, low = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
    np.add.at(high, places, amounts >> _LOW_BITS)
    np.add.at(low, places, amounts & ((1 << _LOW_BITS) - 1))
    return [(above << _LOW_BITS) + below for above, below in zip(high.tolist(), low.tolist(), strict=True)]


def last_scored(columns: Columns, survey: str, day: int) -> Places:
    """Of each account its latest answer to a survey with a score before a day; -1 where there is none."""
    given = columns.answers
    number = columns.vocabulary.survey.known(survey)
    rows = np.flatnonzero((given.surveys == number) & (given.scores != UNSAID) & (given.days < day))
    last = np.full(len(columns.names), -1, dtype=np.intp)
    last[given.accounts[rows]] = rows  # of several rows of one the last one stays
    return last


def tags_heard(columns: Columns, account: int, day: int) -> list[str]:
    """As `tags_said`, by the place of an account."""
    given = columns.answers
    first, end = np.searchsorted(given.accounts, [account, account + 1]).tolist()
    days = given.days[first:end]
    numbers = given.tags[first:end][(days >= day - TAGS_DAYS) & (days < day)].tolist()
    return sorted({tag for number in numbers for tag in columns.vocabulary.tags.values[number]})
