"""Tallies: what is posted to an account counted out by group, day and kind, amounts and accounts alike."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from events.movements import Movement, Posting
from events.timeline import Cell
from projections.groups import Group, GroupsOf
from projections.records import Record

Tally = dict[tuple[str, Group, int, str], int]
"""(currency, group, day, kind) -> annual_e4 of a movement, or a number of accounts."""

Counts = dict[tuple[str, int], int]
"""(kind, day) -> annual_e4 of a movement, or a number of accounts."""

ACTIVE: Final = "active"
"""Kind that counts accounts: +1 on the day a group gains an account with revenue, -1 when it loses it."""

COUNTED: Final[dict[str, str]] = {"new": "n_new", "reactivation": "n_reactivated", "churn": "n_churned"}
"""Movement -> the kind that counts the account-days it happened on."""

_Entries = Iterable[tuple[tuple[int, Movement, Cell], int]]


class Shared(NamedTuple):
    """Groups of one currency that hold the same cells of an account, and so count the same."""

    currency: str
    groups: tuple[Group, ...]
    counts: Counts


def tally_of(account: str, entries: _Entries, groups_of: GroupsOf, opening: Mapping[Cell, int]) -> Tally:
    """What an account contributes to every group it counts in, from a day on; `opening`: its level before."""
    entries = list(entries)
    cells = dict.fromkeys([*(cell for (_, _, cell), _ in entries), *opening])
    tally: Tally = {}
    for currency, groups, held in _alike(account, cells, groups_of):
        counts = _counts(entries, opening, held)
        for group in groups:
            for (kind, day), amount in counts.items():
                tally[currency, group, day, kind] = amount
    return tally


def tally_changes(
    account: str, old: Record, new: Record, postings: Sequence[Posting], groups_of: GroupsOf
) -> Iterator[Shared]:
    """What has to be added to the tallies when these postings turn an old record into a new one, without zeros.

    Every group that is posted to is told, also where nothing has to be added.
    """
    first = min([posting.day for posting in postings])
    before = [item for item in old.items() if item[0][0] >= first]
    after = [item for item in new.items() if item[0][0] >= first]
    opening: dict[Cell, int] = {}
    for (day, movement, cell), amount in old.items():
        if day < first and movement != "ahead":
            opening[cell] = opening.get(cell, 0) + amount
    cells = dict.fromkeys([posting.cell for posting in postings])
    cells.update(dict.fromkeys([key[2] for key, _ in (*before, *after)]))
    cells.update(dict.fromkeys([cell for cell, amount in opening.items() if amount]))
    for currency, groups, held in _alike(account, cells, groups_of):
        counts = _counts(after, opening, held)
        if before:
            counts = _difference(_counts(before, opening, held), counts)
        yield Shared(currency, groups, {key: amount for key, amount in counts.items() if amount})


def _alike(
    account: str, cells: Iterable[Cell], groups_of: GroupsOf
) -> Iterator[tuple[str, tuple[Group, ...], frozenset[Cell]]]:
    """The groups of an account by currency and by the cells they hold."""
    kinds: dict[tuple[str, tuple[Group, ...]], list[Cell]] = {}
    for cell in cells:
        kinds.setdefault((cell.currency, tuple(groups_of(account, cell))), []).append(cell)
    if len(kinds) == 1:
        (((currency, groups), held),) = kinds.items()
        yield currency, groups, frozenset(held)
        return
    holders: dict[tuple[str, Group], list[Cell]] = {}
    for (currency, groups), held in kinds.items():
        for group in groups:
            holders.setdefault((currency, group), []).extend(held)
    alike: dict[tuple[str, frozenset[Cell]], list[Group]] = {}
    for (currency, group), held in holders.items():
        alike.setdefault((currency, frozenset(held)), []).append(group)
    yield from ((currency, tuple(groups), held) for (currency, held), groups in alike.items())


def _counts(entries: _Entries, opening: Mapping[Cell, int], held: frozenset[Cell]) -> Counts:
    """The counts of the cells that a group holds; amounts may be zero."""
    counts: Counts = {}
    changes: dict[int, int] = {}
    for (day, movement, cell), amount in entries:
        if cell in held:
            counts[movement, day] = counts.get((movement, day), 0) + amount
            if movement != "ahead":
                changes[day] = changes.get(day, 0) + amount
    for (kind, day), amount in list(counts.items()):
        if amount and kind in COUNTED:
            counts[COUNTED[kind], day] = 1
    level = sum([amount for cell, amount in opening.items() if cell in held])
    for day in sorted(changes):
        was_active, level = level > 0, level + changes[day]
        if was_active != (level > 0):
            counts[ACTIVE, day] = -1 if was_active else 1
    return counts


def _difference(old: Counts, new: Counts) -> Counts:
    for key, amount in old.items():
        new[key] = new.get(key, 0) - amount
    return new
