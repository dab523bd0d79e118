"""Tallies: what is posted to an account counted out by group, day and kind, amounts and accounts alike."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple

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
_Levels = Mapping[Cell, int]


class Shared(NamedTuple):
    """Groups of one currency that hold the same cells of an account, and so count the same."""

    currency: str
    groups: tuple[Group, ...]
    counts: Counts


def tally_of(account: str, entries: _Entries, groups_of: GroupsOf, opening: _Levels) -> Tally:
    """What an account contributes to every group it counts in, from a day on; `opening`: its level before."""
    entries = list(entries)
    moved = [item for item in entries if item[0][1] != "ahead"]
    cells = dict.fromkeys([*(cell for (_, _, cell), _ in entries), *opening])
    tally: Tally = {}
    for currency, groups, held in _alike(account, cells, groups_of):
        counts = _amounts(entries, held)
        _count_accounts(counts, moved, opening, held)
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
    opening, before = _split(old, first)
    after = [item for item in new.items() if item[0][0] >= first and item[0][1] != "ahead"]
    cells = dict.fromkeys([posting.cell for posting in postings])
    cells.update(dict.fromkeys([key[2] for key, _ in (*before, *after)]))
    cells.update(dict.fromkeys([cell for cell, amount in opening.items() if amount]))
    posted: _Entries = [((one.day, one.movement, one.cell), one.amount) for one in postings]
    for currency, groups, held in _alike(account, cells, groups_of):
        counts = _amounts(posted, held)
        _count_accounts(counts, after, opening, held)
        if before:
            _count_accounts(counts, before, opening, held, sign=-1)
        yield Shared(currency, groups, {key: amount for key, amount in counts.items() if amount})


def _split(record: Record, first: int) -> tuple[dict[Cell, int], list[tuple[tuple[int, Movement, Cell], int]]]:
    """The level before a day, zeros included, and the movements from that day on."""
    opening: dict[Cell, int] = {}
    later = []
    for item in record.items():
        (day, movement, cell), amount = item
        if movement != "ahead":
            if day < first:
                opening[cell] = opening.get(cell, 0) + amount
            else:
                later.append(item)
    return opening, later


def _alike(
    account: str, cells: Iterable[Cell], groups_of: GroupsOf
) -> Iterator[tuple[str, tuple[Group, ...], frozenset[Cell]]]:
    """The groups of an account by currency and by the cells they hold."""
    currencies: dict[str, dict[tuple[Group, ...], list[Cell]]] = {}
    for cell in cells:
        kinds = currencies.setdefault(cell.currency, {})
        kinds.setdefault(tuple(groups_of(account, cell)), []).append(cell)
    for currency, kinds in currencies.items():
        if len(kinds) == 1:
            for groups, held in kinds.items():
                yield currency, groups, frozenset(held)
        else:
            yield from ((currency, groups, held) for groups, held in _held_alike(kinds))


def _held_alike(
    kinds: Mapping[tuple[Group, ...], Sequence[Cell]],
) -> Iterator[tuple[tuple[Group, ...], frozenset[Cell]]]:
    """The groups by the kinds of cells they hold, a bit for each kind."""
    holders: dict[Group, int] = {}
    for place, groups in enumerate(kinds):
        for group in groups:
            holders[group] = holders.get(group, 0) | 1 << place
    alike: dict[int, list[Group]] = {}
    for group, bits in holders.items():
        alike.setdefault(bits, []).append(group)
    for bits, together in alike.items():
        held = [cell for place, some in enumerate(kinds.values()) if bits >> place & 1 for cell in some]
        yield tuple(together), frozenset(held)


def _amounts(entries: _Entries, held: frozenset[Cell]) -> Counts:
    """What is posted to the cells that a group holds."""
    counts: Counts = {}
    for (day, movement, cell), amount in entries:
        if cell in held:
            counts[movement, day] = counts.get((movement, day), 0) + amount
    return counts


def _count_accounts(
    counts: Counts, moved: _Entries, opening: _Levels, held: frozenset[Cell], *, sign: Literal[1, -1] = 1
) -> None:
    """Adds the kinds that count accounts, for movements of the cells that a group holds; `sign` -1 subtracts."""
    changes: dict[int, int] = {}
    happened: Counts = {}
    for (day, movement, cell), amount in moved:
        if cell in held:
            changes[day] = changes.get(day, 0) + amount
            if movement in COUNTED:
                happened[movement, day] = happened.get((movement, day), 0) + amount
    for (kind, day), amount in happened.items():
        if amount:
            key = COUNTED[kind], day
            counts[key] = counts.get(key, 0) + sign
    level = sum([amount for cell, amount in opening.items() if cell in held])
    for day in sorted(changes):
        was_active, level = level > 0, level + changes[day]
        if was_active != (level > 0):
            counts[ACTIVE, day] = counts.get((ACTIVE, day), 0) + (-sign if was_active else sign)
