"""Heard: what the answers of all accounts in columns come to, with the revenue of those who gave them."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import numpy as np
from msgspec import Struct

from events.days import FIRST_DAY
from projections.columnar.arrays import Columns
from projections.columnar.numbering import Amounts, Codes, Flags, Kinds, Places, begins, cuts, firsts_of
from projections.columnar.sides import UNSAID
from projections.columnar.sorting import Groups
from projections.columns import TAGS_DAYS
from projections.groups import Choice
from projections.satisfaction import Satisfaction

_DAY_BITS: Final = 23
"""Room for every day that there is."""
_KINDS: Final = 9
"""Kinds of answers: unrated, rated, content; by whether they do not say what was resolved, say no, or say yes."""
_LOW_BITS: Final = 31
"""Sums of so many bits of as many amounts as there may be do not outgrow 64 bits, nor those of what is above."""


def satisfaction(columns: Columns, choice: Choice, start: int, until: int) -> dict[str, Satisfaction]:
    """As `satisfaction_of`, of the accounts held."""
    answers = columns.answers
    asked = (answers.days >= start) & (answers.days < until)
    if not columns.holds.all():
        asked &= columns.holds[answers.accounts]
    if not asked.any():
        return {}
    return _Counted(columns, _voices(columns, choice, asked), asked).sums()


class Weights(Struct, frozen=True):
    """What cells are worth as the days of answers end, where that is not nothing; in order of answers."""

    answers: Codes
    cells: Codes
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


def _weights(columns: Columns) -> dict[str, Weights]:
    """By currency, and of all of them under an empty one: who asks for the whole need not look at the rest."""
    accounts = columns.answers.accounts
    counts = columns.cells_of_accounts()[accounts]
    answers = np.repeat(np.arange(len(accounts), dtype=np.intp), counts)
    cells = np.arange(len(answers)) + np.repeat(columns.first_cells[accounts] - firsts_of(counts), counts)
    levels = levels_on(columns, cells, columns.answers.days[answers] + np.int32(1))
    codes, values = columns.currencies[cells], columns.vocabulary.currency.values
    is_worth = levels != 0
    there = np.unique(codes[is_worth]).tolist()
    some = {values[code]: is_worth & (codes == code) for code in there} if len(there) > 1 else {}
    found = {name: _weights_of(flags, answers, cells, levels) for name, flags in {"": is_worth, **some}.items()}
    return found if some else {**found, **{values[code]: found[""] for code in there}}


def _weights_of(flags: Flags, answers: Places, cells: Places, levels: Amounts) -> Weights:
    rows = np.flatnonzero(flags)
    return Weights(answers[rows].astype(np.int32), cells[rows].astype(np.int32), levels[rows])


_NOTHING: Final = np.zeros(0, dtype=np.int32)
_NO_WEIGHTS: Final = Weights(_NOTHING, _NOTHING, np.zeros(0, dtype=np.int64))


class _Voices(Struct, frozen=True):
    """Answers in groups that they count in, the pair of group and account, and what the account is worth there.

    `of_pairs` are the places of the groups that pairs are in, `values` those of groups.
    """

    answers: Codes | Places
    pairs: Codes | Places
    levels: Amounts
    of_pairs: Places
    values: Sequence[str]


def _voices(columns: Columns, choice: Choice, asked: Flags) -> _Voices:
    """The answers asked for, where their accounts have revenue, of whatever currency; its amount is that of one.

    Those of accounts without any count where what says nothing does.
    """
    silent = asked if _silence_fits(choice) else None
    if silent is not None and "account" in choice.where:
        silent = asked & (columns.answers.accounts == columns.places.get(choice.where["account"], -1))
    known = columns.known.once("weights", lambda: _weights(columns))
    if choice.by is None and not choice.where:
        return _voices_of_whole(columns, known.get(choice.currency, _NO_WEIGHTS), asked)
    by, nothing = (None, choice.currency) if choice.by == "currency" else (choice.by, "")
    groups, weights = columns.groups(by), known[""]
    fits, fitting = asked[weights.answers], _fitting(columns, choice)
    if fitting is not None:
        fits &= fitting[weights.cells]
    currency = columns.vocabulary.currency.known(choice.currency)
    torn = columns.known.once(f"torn {by or ''}", lambda: _torn(columns, groups, weights))
    parts = [
        _added(columns, groups, weights, rows, currency)
        for rows in (np.flatnonzero(fits & ~torn.flags), torn.rows[fits[torn.rows]])
    ]
    of_answers, of_each, of_levels = zip(*parts, strict=True)
    answers, pairs, levels = np.concatenate(of_answers), np.concatenate(of_each), np.concatenate(of_levels)
    values, of_pairs = [nothing] if by is None else list(groups.values), groups.places
    if silent is not None:
        is_silent = silent.copy()
        is_silent[answers] = False
        rows = np.flatnonzero(is_silent)
        own, values, of_pairs = _pairs_of_silence(columns, groups, values, nothing, columns.answers.accounts[rows])
        answers, pairs = np.concatenate([answers, rows]), np.concatenate([pairs, own])
        levels = np.concatenate([levels, np.zeros(len(rows), dtype=np.int64)])
    return _Voices(answers, pairs, levels, of_pairs, values)


def _fitting(columns: Columns, choice: Choice) -> Flags | None:
    """The cells that have what is asked for besides a currency; None: all of them."""
    where = dict(choice.where)
    if where.pop("currency", choice.currency) != choice.currency:
        return np.zeros(len(columns.accounts), dtype=np.bool_)
    return columns.known.sorter.fitting_all(where.items())


def _voices_of_whole(columns: Columns, weights: Weights, asked: Flags) -> _Voices:
    """The same where nothing is grouped nor filtered: every answer counts, and an account is a pair of its own."""
    levels = np.zeros(len(asked), dtype=np.int64)
    np.add.at(levels, weights.answers, weights.levels)
    np.maximum(levels, 0, out=levels)
    answers = np.flatnonzero(asked)
    pairs = columns.answers.accounts[answers].astype(np.intp)
    return _Voices(answers, pairs, levels[answers], np.zeros(len(columns.names), dtype=np.intp), [""])


def _silence_fits(choice: Choice) -> bool:
    """Whether a question is also about what has no labels and no plan, of some account or any."""
    own = {"currency": choice.currency, "account": choice.where.get("account")}
    return all(value == own.get(name, "") for name, value in choice.where.items())


def _pairs_of_silence(
    columns: Columns, groups: Groups, values: list[str], value: str, accounts: Codes
) -> tuple[Places, list[str], Places]:
    """The pairs of accounts that count under a value, perhaps new ones; and all values, and the place of each pair."""
    of_pairs = groups.places
    pairs = np.arange(len(columns.names), dtype=np.intp) + len(of_pairs)
    if value in values:
        own = np.flatnonzero(of_pairs == values.index(value))
        pairs[groups.accounts[own]] = own
    else:
        values.append(value)
    place = np.full(len(columns.names), values.index(value), dtype=np.intp)
    return pairs[accounts], values, np.concatenate([of_pairs, place])


class _Torn(Struct, frozen=True):
    """Which weights are of accounts in several groups; and those, by answer and pair."""

    flags: Flags
    rows: Codes


def _torn(columns: Columns, groups: Groups, weights: Weights) -> _Torn:
    flags = groups.torn(len(columns.names))[columns.accounts[weights.cells]]
    rows = np.flatnonzero(flags)
    order = np.lexsort((groups.pairs[weights.cells[rows]], weights.answers[rows]))
    return _Torn(flags, rows[order].astype(np.int32))


def _added(
    columns: Columns, groups: Groups, weights: Weights, rows: Codes | Places, currency: int
) -> tuple[Codes, Places, Amounts]:
    """Weights by answer and pair, given in that order: of a currency, where those of all come to more than zero."""
    answers, cells, levels = weights.answers[rows], weights.cells[rows], weights.levels[rows]
    pairs = groups.pairs[cells]
    starts = np.flatnonzero(begins(answers) | begins(pairs)) if len(rows) else np.zeros(0, dtype=np.intp)
    own = np.where(columns.currencies[cells] == currency, levels, 0)
    sums, own = (np.add.reduceat(one, starts) if len(starts) else one for one in (levels, own))
    there = np.flatnonzero(sums > 0)
    firsts = starts[there]
    return answers[firsts], pairs[firsts], np.maximum(own[there], 0)


class _Given(Struct, frozen=True):
    """What every answer tells, worked out once.

    `kinds` number what it tells besides recommendations, see `_KINDS`; `bands` are those of `band_of`; `recommending`
    are the answers with a score that say whether to recommend, and `people` who gave those.
    """

    kinds: Kinds
    bands: Kinds
    recommending: Places
    people: Places


def _given(columns: Columns) -> _Given:
    given, survey = columns.answers, columns.vocabulary.survey
    is_scored = given.scores != UNSAID
    is_rated = is_scored & (given.surveys == survey.known("csat"))
    is_content = is_rated & (5 * given.scores >= 4 * given.scales)
    kinds = is_rated.astype(np.int8) + is_content + 3 * (given.resolved + np.int8(1))
    rows = np.flatnonzero(is_scored & (given.surveys == survey.known("nps")))
    firsts = firsts_of(np.bincount(given.accounts, minlength=len(columns.names)))
    people = firsts[given.accounts[rows]] + given.people[rows]
    return _Given(kinds.astype(np.int8), bands_of(columns).astype(np.int8), rows, people)


class _Counted:
    """Counts and sums of answers by the place of their group."""

    def __init__(self, columns: Columns, voices: _Voices, asked: Flags) -> None:
        self._given = columns.known.once("given", lambda: _given(columns))
        self._voices = voices
        self._asked = asked
        self._groups = voices.of_pairs[voices.pairs]
        self._size = len(voices.values)

    def sums(self) -> dict[str, Satisfaction]:
        """What was answered in each group, where anything was."""
        kinds = self._counts(np.arange(len(self._groups)), self._given.kinds, _KINDS).reshape(self._size, 3, 3)
        is_last = self._last_of_each()[self._voices.answers]
        rows = np.flatnonzero(is_last)
        bands = self._counts(rows, self._given.bands + np.int8(1), 3)
        swings = self._swings(rows)
        return {
            self._voices.values[place]: Satisfaction(
                *(int(bands[place, 2]), int(bands[place, 1]), int(bands[place, 0])),
                *swings.get(place, (Fraction(0), Fraction(0))),
                content=int(kinds[place, :, 2].sum()),
                rated=int(kinds[place, :, 1:].sum()),
                resolved=int(kinds[place, 2].sum()),
                contacts=int(kinds[place, 1:].sum()),
            )
            for place in np.flatnonzero(kinds.any(axis=(1, 2))).tolist()
        }

    def _counts(self, rows: Places, codes: Kinds, size: int) -> Places:
        """How many of some answers there are in each group by a code of theirs."""
        keys = codes[self._voices.answers[rows]].astype(np.intp)
        if self._size > 1:
            keys += self._groups[rows] * size
        return np.bincount(keys, minlength=self._size * size).reshape(self._size, size)

    def _swings(self, rows: Places) -> dict[int, tuple[Fraction, Fraction]]:
        """By group how much revenue recommends less what warns, and all of it, from the last answers of people."""
        pairs = self._voices.pairs
        counts = np.bincount(pairs[rows], minlength=len(self._voices.of_pairs))
        rows = rows[self._voices.levels[rows] > 0]
        people = counts[pairs[rows]]
        numbers = np.flatnonzero(np.bincount(people))
        size = len(numbers)
        places = self._groups[rows] * size + np.searchsorted(numbers, people)
        levels, bands = self._voices.levels[rows], self._given.bands[self._voices.answers[rows]]
        swings, weights = (exact_sums(places, one, self._size * size) for one in (levels * bands, levels))
        shares = [Fraction(1, number) for number in numbers.tolist()]
        return {
            place: (_shared(swings[place * size :], shares), _shared(weights[place * size :], shares))
            for place in np.unique(self._groups[rows]).tolist()
        }

    def _last_of_each(self) -> Flags:
        """Which answers are the last recommendations of those who gave them."""
        given = self._given
        some = np.flatnonzero(self._asked[given.recommending])
        rows, people = given.recommending[some], given.people[some]
        last = np.zeros(len(self._asked), dtype=np.intp)
        last[people] = rows  # of several rows of one the last one stays
        is_last = np.zeros(len(self._asked), dtype=np.bool_)
        is_last[last[people]] = True
        return is_last


def _shared(sums: Sequence[int], shares: Sequence[Fraction]) -> Fraction:
    """Sums, each times its share, added up."""
    return sum((one * share for one, share in zip(sums, shares, strict=False)), Fraction(0))


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
    first, end = cuts(given.accounts, [account, account + 1])
    days = given.days[first:end]
    numbers = given.tags[first:end][(days >= day - TAGS_DAYS) & (days < day)].tolist()
    return sorted({tag for number in numbers for tag in columns.vocabulary.tags.values[number]})
