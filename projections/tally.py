"""Tallies: what is posted to an account counted out by group, day and kind, amounts and accounts alike."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from events.movements import Movement, Posting
from events.timeline import Cell, Level
from projections.groups import Group, GroupsOf
from projections.records import Record

Tally = dict[tuple[str, Group, int, str], int]
"""(currency, group, day, kind) -> annual_e4 of a movement, or a number of accounts."""

ACTIVE: Final = "active"
"""Kind that counts accounts: +1 on the day a group gains an account with revenue, -1 when it loses it."""

COUNTED: Final[dict[str, str]] = {"new": "n_new", "reactivation": "n_reactivated", "churn": "n_churned"}
"""Movement -> the kind that counts the account-days it happened on."""

_Entries = Iterable[tuple[tuple[int, Movement, Cell], int]]
_Levels = dict[tuple[str, Group], int]


def tally_of(account: str, entries: _Entries, groups_of: GroupsOf, opening: Mapping[Cell, int]) -> Tally:
    """What an account contributes to every group it counts in, from a day on; `opening`: its level before."""
    tally: Tally = {}
    changes: dict[tuple[str, Group], dict[int, int]] = {}
    for (day, movement, cell), amount in entries:
        currency = cell.currency
        for group in groups_of(account, cell):
            key = (currency, group, day, movement)
            tally[key] = tally.get(key, 0) + amount
            if movement != "ahead":
                days = changes.setdefault((currency, group), {})
                days[day] = days.get(day, 0) + amount
    levels = _group_levels(account, opening, groups_of)
    tally.update([*_account_days(tally), *_activity(changes, levels)])
    return tally


def tally_changes(
    account: str, old: Record, new: Record, postings: Iterable[Posting], groups_of: GroupsOf
) -> Tally:
    """What has to be added to the tallies when these postings turn an old record into a new one."""
    first = min(posting.day for posting in postings)
    opening: Level = {}
    for (day, movement, cell), amount in old.items():
        if day < first and movement != "ahead":
            opening[cell] = opening.get(cell, 0) + amount
    opening = {cell: amount for cell, amount in opening.items() if amount}
    after = tally_of(account, _from(new, first), groups_of, opening)
    before = tally_of(account, _from(old, first), groups_of, opening)
    return difference(before, after) if before else after


def difference(old: Tally, new: Tally) -> Tally:
    """What has to be added to the old tally to get the new one, without zeros."""
    changes = {key: value - old.get(key, 0) for key, value in new.items()}
    changes |= {key: -value for key, value in old.items() if key not in new}
    return {key: value for key, value in changes.items() if value}


def _from(record: Record, first: int) -> _Entries:
    return [item for item in record.items() if item[0][0] >= first]


def _group_levels(account: str, level: Mapping[Cell, int], groups_of: GroupsOf) -> _Levels:
    levels: _Levels = {}
    for cell, amount in level.items():
        for group in groups_of(account, cell):
            key = (cell.currency, group)
            levels[key] = levels.get(key, 0) + amount
    return levels


def _account_days(tally: Tally) -> Iterator[tuple[tuple[str, Group, int, str], int]]:
    for (currency, group, day, kind), amount in tally.items():
        if amount and kind in COUNTED:
            yield (currency, group, day, COUNTED[kind]), 1


def _activity(
    changes: Mapping[tuple[str, Group], dict[int, int]], levels: _Levels
) -> Iterator[tuple[tuple[str, Group, int, str], int]]:
    for (currency, group), days in changes.items():
        level = levels.get((currency, group), 0)
        for day in sorted(days):
            was_active, level = level > 0, level + days[day]
            if was_active != (level > 0):
                yield (currency, group, day, ACTIVE), -1 if was_active else 1
