"""Expiring: the tables of contracts, what is up for renewal and who could buy more, from the columns of accounts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from events.money import E4, round_half_up
from projections.columnar.arrays import MOVEMENTS, Columns
from projections.columnar.deals import LOW_BITS, Deals, deals_on, worth_of
from projections.columnar.heard import bands_of, last_scored, tags_heard
from projections.columnar.layers import Layers
from projections.columnar.members import First
from projections.columnar.numbering import Amounts, Codes, Flags, Places, begins, runs
from projections.columnar.ranking import minor_of, rows_of_pairs
from projections.columnar.sides import UNSAID
from projections.columns import Asked, Row
from projections.groups import Choice
from projections.portfolio import RENEWAL_DAYS, renewal_row
from projections.voices import upsell_row

_FITS_BITS: Final = 40
"""What is worth less than so many bits in units of 2**20 has room for twice that in 64 bits."""
_UNTOLD: Final = ("ahead", "transfer")
"""Movements that are none of the account's own."""


class _Due(NamedTuple):
    """A contract as it comes in order: what is less comes first. `layer` and `deal` are where it is."""

    end: int
    less_minor: int
    account: str
    contract: str
    layer: int
    deal: int


def renewals(layers: Layers, choice: Choice, asked: Asked, limit: int) -> dict[str, First]:
    """The contracts whose terms end first, by group."""
    every = [(columns, deals_on(columns, choice, asked.day)) for columns in layers.columns]
    counts = _groups_of(layers, choice)
    due: dict[str, list[_Due]] = {value: [] for value in counts}
    for layer, (columns, deals) in enumerate(every):
        some = np.flatnonzero(~deals.terms.is_open & (deals.terms.ends - asked.day < RENEWAL_DAYS[-1]))
        keys = (deals.terms.ends[some], -minor_of(deals.levels[some]))
        for place, count, first in _first_by_group(deals.groups[some], keys, limit):
            value = _values(columns, choice)[place]
            counts[value] += count
            due[value] += [
                _Due(end, less, *_names(columns, deals, deal), layer, deal)
                for end, less, deal in zip(*(one[first].tolist() for one in (*keys, some)), strict=True)
            ]
    chosen = {value: sorted(own)[:limit] for value, own in due.items()}
    rows: dict[tuple[int, int], Row] = {}
    for layer, (columns, deals) in enumerate(every):
        own = [one.deal for told in chosen.values() for one in told if one.layer == layer]
        rows |= {(layer, deal): row for deal, row in _due_rows(columns, deals, own, choice, asked)}
    return {
        value: First([rows[one.layer, one.deal] for one in chosen[value]], count) for value, count in counts.items()
    }


def _first_by_group(
    groups: Places, keys: Sequence[Amounts], limit: int
) -> Iterator[tuple[int, int, Places]]:
    """By group how many there are, and those that come first by keys, so many and those like the last of them."""
    order = np.lexsort((*reversed(keys), groups))
    starts = np.flatnonzero(begins(groups[order])).tolist()
    for start, end in zip(starts, [*starts, len(order)][1:], strict=True):
        some = order[start:end]
        is_other = np.logical_or.reduce([begins(one[some]) for one in keys])
        more = np.flatnonzero(is_other[limit:]) if limit else [0]
        yield int(groups[some[0]]), len(some), some[: limit + int(more[0])] if len(more) else some


def _groups_of(layers: Layers, choice: Choice) -> dict[str, int]:
    """The groups that anything was ever posted to of what fits, each with no rows yet."""
    found: dict[str, int] = {}
    for columns in layers.columns:
        codes, values = columns.known.sorter.values_or_none(choice.by)
        places = np.unique(codes[columns.asked(choice)]).tolist()
        found |= dict.fromkeys([values[place] for place in places], 0)
    return found


def _values(columns: Columns, choice: Choice) -> Sequence[str]:
    return columns.known.sorter.values_or_none(choice.by)[1]


def _names(columns: Columns, deals: Deals, deal: int) -> tuple[str, str]:
    account = columns.accounts[deals.labelled[deal]]
    return columns.names[account], columns.contracts[deals.contracts[deal]]


def _due_rows(
    columns: Columns, deals: Deals, chosen: Sequence[int], choice: Choice, asked: Asked
) -> Iterator[tuple[int, Row]]:
    """The rows of some contracts."""
    if not chosen:
        return
    own = deals.only(np.array(chosen, dtype=np.intp))
    yearly = _yearly(columns, own, asked.currency).tolist()
    accounts, groups = columns.accounts[own.labelled], columns.groups(choice.by)
    pairs = groups.pairs[own.labelled]
    moved = _moved(columns, choice, pairs, asked.day)
    scores = [_scores(columns, survey, asked.day, accounts) for survey in ("nps", "csat")]
    for place, deal in enumerate(chosen):
        term = (int(own.terms.ends[place]), bool(own.terms.renews[place]))
        said = (scores[0][place], scores[1][place], moved.get(int(pairs[place]), (None, None)))
        tags = tags_heard(columns, int(accounts[place]), asked.day)
        names, level = _names(columns, own, place), int(own.levels[place])
        yield deal, renewal_row(names, term, level, yearly[place], *said, tags, asked.day)


def _scores(columns: Columns, survey: str, day: int, accounts: Codes) -> list[int | None]:
    """The score of the latest answer of some accounts."""
    scores = np.append(columns.answers.scores, UNSAID)[last_scored(columns, survey, day)[accounts]]
    return [None if score == UNSAID else score for score in scores.tolist()]


def _moved(columns: Columns, choice: Choice, pairs: Places, day: int) -> dict[int, tuple[str, int]]:
    """The latest movement of some pairs before a day, and its day."""
    groups = columns.groups(choice.by)
    rows = rows_of_pairs(columns, groups, columns.fitting(choice), pairs, day)
    told = (groups.pairs[columns.cells[rows]], columns.days[rows], columns.movements[rows])
    last: dict[int, tuple[int, str]] = {}
    for pair, at, movement in zip(*(one.tolist() for one in told), strict=True):
        if MOVEMENTS[movement] not in _UNTOLD:
            last[pair] = max(last.get(pair, (at, "")), (at, MOVEMENTS[movement]))
    return {pair: (movement, at) for pair, (at, movement) in last.items()}


def _yearly(columns: Columns, deals: Deals, currency: str) -> Amounts:
    """What contracts are worth a year of their terms, in minor units, as `yearly_minor`; raises TooLarge."""
    worth = worth_of(columns, deals, currency).added(deals.owners, len(deals.contracts))
    is_wide = np.abs(worth.high) >> _FITS_BITS != 0
    parts = deals.terms.parts * E4
    twice = 2 * ((np.where(is_wide, 0, worth.high) << LOW_BITS) + worth.low)
    yearly = np.where(twice > 0, (twice + parts) // (2 * parts), 0)
    for place in np.flatnonzero(is_wide).tolist():
        whole = (int(worth.high[place]) << LOW_BITS) + int(worth.low[place])
        yearly[place] = max(0, round_half_up(whole, int(parts[place])))
    return yearly


class _Buyers(NamedTuple):
    """What accounts are worth a year, by group and segment; and those whose people recommend."""

    columns: Columns
    groups: Places
    accounts: Codes
    segments: Places
    yearly: Amounts
    promoters: Flags

    def places(self) -> Places:
        """A number for each group and segment."""
        return self.groups * len(self.columns.known.sorter.values("segment")[1]) + self.segments

    def segment(self, place: int) -> str:
        """The name of a segment."""
        return self.columns.known.sorter.values("segment")[1][place]


def upsell(layers: Layers, choice: Choice, asked: Asked, limit: int) -> dict[str, First]:
    """The promoters that are worth furthest below the average of their segment, by group."""
    every = [_buyers(columns, choice, asked) for columns in layers.columns]
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for buyers in every:
        for key, count, worth in _summed(buyers, choice):
            so_far = sums.get(key, (0, 0))
            sums[key] = (so_far[0] + worth, so_far[1] + count)
    averages = {key: round_half_up(worth, count) for key, (worth, count) in sums.items()}
    counts = _groups_of(layers, choice)
    found: dict[str, list[tuple[int, str, str, Row]]] = {value: [] for value in counts}
    for buyers in every:
        for value, count, rows in _first_buyers(buyers, choice, averages, asked.day, limit):
            counts[value] += count
            found[value] += rows
    return {value: First([row for *_, row in sorted(found[value])[:limit]], count) for value, count in counts.items()}


def _buyers(columns: Columns, choice: Choice, asked: Asked) -> _Buyers:
    deals = deals_on(columns, choice, asked.day)
    codes = columns.known.sorter.values("segment")[0][deals.labelled]
    accounts, yearly = columns.accounts[deals.labelled], _yearly(columns, deals, asked.currency)
    order, starts = runs((codes, accounts, deals.groups))
    worth = np.add.reduceat(yearly[order], starts) if len(starts) else yearly
    first = order[starts]
    last = last_scored(columns, "nps", asked.day)[accounts[first]]
    promoters = np.append(bands_of(columns) > 0, False)[last]
    return _Buyers(columns, deals.groups[first], accounts[first], codes[first].astype(np.intp), worth, promoters)


def _summed(buyers: _Buyers, choice: Choice) -> Iterator[tuple[tuple[str, str], int, int]]:
    """By group and segment how many accounts there are, and what they are worth a year."""
    places, of_each = np.unique(buyers.places(), return_inverse=True)
    worth = np.zeros(len(places), dtype=np.int64)
    np.add.at(worth, of_each, buyers.yearly)
    counts = np.bincount(of_each, minlength=len(places)).tolist()
    for place, count, whole in zip(places.tolist(), counts, worth.tolist(), strict=True):
        yield _key(buyers, choice, place), count, whole


def _key(buyers: _Buyers, choice: Choice, place: int) -> tuple[str, str]:
    """The group and the segment that a number stands for."""
    group, segment = divmod(place, len(buyers.columns.known.sorter.values("segment")[1]))
    return _values(buyers.columns, choice)[group], buyers.segment(segment)


def _first_buyers(
    buyers: _Buyers, choice: Choice, averages: Mapping[tuple[str, str], int], day: int, limit: int
) -> Iterator[tuple[str, int, list[tuple[int, str, str, Row]]]]:
    """By group how many promoters are worth less than the average, and those that are furthest below."""
    places, of_each = np.unique(buyers.places(), return_inverse=True)
    own = np.array([averages[_key(buyers, choice, place)] for place in places.tolist()], dtype=np.int64)
    average = own[of_each] if len(own) else buyers.yearly
    some = np.flatnonzero(buyers.promoters & (buyers.yearly < average))
    gaps = average[some] - buyers.yearly[some]
    answers = last_scored(buyers.columns, "nps", day)
    for group, count, first in _first_by_group(buyers.groups[some], (-gaps,), limit):
        rows: list[tuple[int, str, str, Row]] = []
        for place in some[first].tolist():
            account, worth = int(buyers.accounts[place]), int(buyers.yearly[place])
            score = int(buyers.columns.answers.scores[answers[account]])
            named = (buyers.columns.names[account], buyers.segment(buyers.segments[place]))
            row = upsell_row(*named, score, worth, int(average[place]))
            rows.append((-row["gap_minor"], *named, row))
        yield _values(buyers.columns, choice)[group], count, rows
