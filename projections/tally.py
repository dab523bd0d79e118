"""Tallies: what is posted to an account counted out by group, day and kind, amounts and accounts alike."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Final, get_args

from events.movements import Movement
from events.timeline import Cell
from projections.groups import Group, GroupsOf, Spread, is_annual, spread_of
from projections.records import Key, Posted, Record, first_day

Tally = dict[tuple[str, Group, int, str], int]
"""(currency, group, day, kind) -> annual_e4 of a movement, or a number of accounts."""

Count = tuple[str, int, int]
"""(kind, day, annual_e4 of a movement or a number of accounts)."""

ACTIVE: Final = "active"
"""Kind that counts accounts: +1 on the day a group gains an account with revenue, -1 when it loses it."""

COUNTED: Final[dict[str, str]] = {"new": "n_new", "reactivation": "n_reactivated", "churn": "n_churned"}
"""Movement -> the kind that counts the account-days it happened on."""

COUNTS: Final = frozenset((ACTIVE, *COUNTED.values()))
"""The kinds that count accounts."""

ANNUAL: Final = "annual"
"""Kind that sums up what contracts with a term of twelve months or longer are committed to: movements, and ahead."""

KINDS: Final = (*get_args(Movement), ACTIVE, ANNUAL, *COUNTED.values())
"""All kinds: movements, what counts accounts, and what is committed for long."""

EVERY: Final = "*"
"""What stands for all currencies together. Under it is kept what is to be added to the numbers of accounts in each
currency for that in any: -1 for an account that is active in two. Of accounts with one currency there is nothing."""

Shared = tuple[Spread, list[Count]]
"""Groups that hold the same cells of an account, and what counts in each of them; a count may come in parts."""

_SPREAD: Final = itemgetter(3)
_COUNT: Final = itemgetter(1, 0, 2)
"""Of what is posted. These and `map` take the place of comprehensions, which are slow for one posting or two."""


def tally_of(
    account: str,
    entries: Iterable[tuple[Key, int]],
    groups_of: GroupsOf,
    opening: Mapping[Cell, int],
) -> Tally:
    """What an account contributes to every group it counts in, from a day on; `opening`: its level before."""

    def asked(cell: Cell) -> Spread:
        return Spread(cell.currency, tuple(groups_of(account, cell)), is_annual(cell.labels))

    moves = [(day, movement, amount, asked(cell), b"", None) for (day, movement, cell, _), amount in entries]
    levels: dict[Spread, int] = {}
    for cell, level in opening.items():
        levels[asked(cell)] = levels.get(asked(cell), 0) + level
    tally: Tally = {}
    for spread, counts in _shared(moves, (), levels):
        for kind, day, amount in counts:
            for group in spread.groups:
                key = (spread.currency, group, day, kind)
                tally[key] = tally.get(key, 0) + amount
    return tally


def tally_changes(old: Record, posted: Sequence[Posted]) -> list[Shared]:
    """What has to be added to the tallies of the standing groups when something is posted to a record.

    Every group that is posted to is told, also where what has to be added is zero.
    """
    levels: dict[Spread, int] = {}
    for cell, level in zip(old.cells, old.levels, strict=True):
        if level:
            spread = spread_of(cell)
            levels[spread] = levels.get(spread, 0) + level
    first = first_day(posted)
    if first > old.last:
        return _shared(posted, (), levels)
    before: list[Posted] = []
    for (day, movement, cell, cause), amount in old.amounts().items():
        if day >= first and movement != "ahead":
            spread = spread_of(cell)
            before.append((day, movement, amount, spread, cell, cause))
            levels[spread] = levels.get(spread, 0) - amount
    return _shared(posted, before, levels)


def _shared(moves: Sequence[Posted], before: Sequence[Posted], levels: Mapping[Spread, int]) -> list[Shared]:
    """What moves add to the groups they move, where there were others `before` on the same days or later ones."""
    kinds = {*map(_SPREAD, moves), *map(_SPREAD, before)}
    for spread, level in levels.items():
        if level:
            kinds.add(spread)
    if len(kinds) == 1:
        (spread,) = kinds
        return [(spread, _counts(moves, before, levels.get(spread, 0)))]
    shared: list[Shared] = []
    for spread, held in _alike(frozenset(kinds)):
        moved = [one for one in moves if one[3] in held]
        if moved:
            there = [one for one in before if one[3] in held]
            shared.append((spread, _counts(moved, there, sum([levels.get(one, 0) for one in held]))))
    if len({spread.currency for spread in kinds}) > 1:
        shared += _in_any(shared, moves, before, levels)
    return shared


def _in_any(
    shared: Sequence[Shared], moves: Sequence[Posted], before: Sequence[Posted], levels: Mapping[Spread, int]
) -> list[Shared]:
    """What an account with several currencies adds under `EVERY`: as one currency it counts, less what each counts."""
    sums: dict[Spread, int] = {}
    for spread, level in levels.items():
        sums[_of_any(spread)] = sums.get(_of_any(spread), 0) + level
    as_one = _shared(_all_of_any(moves), _all_of_any(before), sums)
    more = [(spread, [one for one in counts if one[0] in COUNTS]) for spread, counts in as_one]
    less = [
        (_of_any(spread), [(kind, day, -count) for kind, day, count in counts if kind in COUNTS])
        for spread, counts in shared
    ]
    return [one for one in (*more, *less) if one[1]]


def _all_of_any(moves: Iterable[Posted]) -> list[Posted]:
    return [(*move[:3], _of_any(move[3]), *move[4:]) for move in moves]


@lru_cache(maxsize=50_000)
def _of_any(spread: Spread) -> Spread:
    return Spread(EVERY, spread.groups)


@lru_cache(maxsize=20_000)  # an account holds the same cells for long
def _alike(kinds: frozenset[Spread]) -> list[tuple[Spread, list[Spread]]]:
    """The groups of some kinds of cells, those together that the same kinds count in."""
    alike: list[tuple[str, set[Group], list[Spread]]] = []
    for kind in kinds:
        left = set(kind.groups)
        split = []
        for currency, groups, held in alike:
            common = groups & left if currency == kind.currency else None
            if common:
                left -= common
                split.append((currency, common, [*held, kind]))
                groups -= common  # noqa: PLW2901
            if groups:
                split.append((currency, groups, held))
        if left:
            split.append((kind.currency, left, [kind]))
        alike = split
    return [(Spread(currency, tuple(groups)), held) for currency, groups, held in alike]


def _counts(moves: Sequence[Posted], before: Sequence[Posted], level: int) -> list[Count]:
    """What moves add to a group that has a level: their amounts, and what changes in what counts accounts."""
    if len(moves) == 1 and not before:
        return _counts_of_one(moves[0], level)
    counts: list[Count] = [*map(_COUNT, moves)]
    for day, _, amount, spread, _, _ in moves:
        if spread.is_annual:
            counts.append((ANNUAL, day, amount))
    if before:
        counts += [(kind, day, -count) for kind, day, count in _accounts(before, level)]
        moves = [*before, *moves]
    counts += _accounts(moves, level)
    return counts


def _counts_of_one(move: Posted, level: int) -> list[Count]:
    """The same for a single move, as most are, with nothing in its way."""
    day, movement, amount, spread, _, _ = move
    counts: list[Count] = [(movement, day, amount)]
    if spread.is_annual:
        counts.append((ANNUAL, day, amount))
    if movement != "ahead":
        kind = COUNTED.get(movement)
        if kind is not None and amount:
            counts.append((kind, day, 1))
        if (level > 0) != (level + amount > 0):
            counts.append((ACTIVE, day, -1 if level > 0 else 1))
    return counts


def _accounts(moves: Sequence[Posted], level: int) -> list[Count]:
    """The kinds that count accounts, for one account that has a level."""
    changes: dict[int, int] = {}
    happened: dict[tuple[str, int], int] = {}
    for day, movement, amount, _, _, _ in moves:
        if movement != "ahead":
            changes[day] = changes.get(day, 0) + amount
            kind = COUNTED.get(movement)
            if kind is not None:
                happened[kind, day] = happened.get((kind, day), 0) + amount
    counts: list[Count] = []
    for (kind, day), amount in happened.items():
        if amount:
            counts.append((kind, day, 1))
    for day in sorted(changes) if len(changes) > 1 else changes:
        was_active, level = level > 0, level + changes[day]
        if was_active != (level > 0):
            counts.append((ACTIVE, day, -1 if was_active else 1))
    return counts
