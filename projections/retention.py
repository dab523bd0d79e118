"""Retention: what became of the accounts that had revenue at the start of a window, account by account."""

from collections.abc import Iterable

from msgspec import Struct

from events.money import Exact
from projections.groups import GroupsOf
from projections.records import Record


class Retention(Struct, frozen=True):
    """Sums over opening accounts in annual_e4: `kept` caps each account at its opening level."""

    opening: Exact = 0
    closing: Exact = 0
    kept: Exact = 0
    accounts: int = 0
    lost: int = 0


def retention_of(
    records: Iterable[tuple[str, Record]], currency: str, start: int, until: int, groups_of: GroupsOf
) -> dict[str, Retention]:
    """Retention by value of the group, exact for any window; levels are those before `start` and `until`."""
    found: dict[str, Retention] = {}
    for account, record in records:
        for value, (opening, closing) in _levels(account, record, currency, start, until, groups_of).items():
            if opening > 0:
                found[value] = _with(found.get(value, NOBODY), opening, closing)
    return found


NOBODY = Retention()
"""Retention where no account had revenue at the start."""


def _levels(
    account: str, record: Record, currency: str, start: int, until: int, groups_of: GroupsOf
) -> dict[str, tuple[int, int]]:
    levels: dict[str, tuple[int, int]] = {}
    for (day, movement, cell), amount in record.items():
        if day >= until or movement == "ahead" or cell.currency != currency:
            continue
        for _, value in groups_of(account, cell):
            opening, closing = levels.get(value, (0, 0))
            levels[value] = (opening + amount if day < start else opening, closing + amount)
    return levels


def _with(so_far: Retention, opening: int, closing: int) -> Retention:
    return Retention(
        so_far.opening + opening,
        so_far.closing + closing,
        so_far.kept + min(opening, closing),
        so_far.accounts + 1,
        so_far.lost + (closing <= 0),
    )
