"""Groups: what revenue can be broken down by, and which groups a cell belongs to."""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Final

from msgspec import Struct

from events.block import labels_of_raw, raw_cell_of
from events.facts import Pairs
from events.timeline import Cell

Group = tuple[str, str]
"""(name, value), such as ("plan", "pro"); TOTAL is the whole, an empty value stands for none."""

TOTAL: Final[Group] = ("", "")
CONTRACT_NAMES: Final = ("campaign", "channel", "owner", "term_months")
"""Labels of a contract; cells without one form a group of their own with the empty value."""

ANNUAL_MONTHS: Final = 12
_NO_LABELS: Final = dict.fromkeys(CONTRACT_NAMES, "")

CELL_NAMES: Final = ("account", "contract", "currency", "plan", "product", *CONTRACT_NAMES)
"""Names that every ledger can be grouped by, whatever attributes its accounts have."""

GroupsOf = Callable[[str, Cell], Iterable[Group]]
"""(account, cell) -> the groups it counts in."""


class Spread(Struct, frozen=True, cache_hash=True):
    """The groups of one currency that something counts in; `is_annual`: under a term of twelve months or longer."""

    currency: str
    groups: tuple[Group, ...]
    is_annual: bool = False


class Choice(Struct, frozen=True):
    """Which cells a question is about: those of one currency that fit `where`, by the values of `by` if any."""

    currency: str
    by: str | None = None
    where: Mapping[str, str] = {}


@lru_cache(maxsize=50_000)
def spread_of(cell: bytes) -> Spread:
    """The standing groups of a cell in msgpack; equal ones are mostly one object. Raises BlockDamaged."""
    raw = raw_cell_of(cell)
    return _spread(raw.currency, raw.plan, raw.product, bytes(raw.labels))


@lru_cache(maxsize=50_000)
def _spread(currency: str, plan: str, product: str, labels: bytes) -> Spread:
    pairs = labels_of_raw(labels)
    return Spread(currency, _standing_groups(plan, product, pairs), is_annual(pairs))


def is_annual(labels: Pairs) -> bool:
    """Whether a cell belongs to a contract whose term is twelve months or longer."""
    return any(name == "term_months" and int(months) >= ANNUAL_MONTHS for name, months in labels)


def standing_groups(_account: str, cell: Cell) -> tuple[Group, ...]:
    """The groups for which sums are kept at all times: the whole, plan, product and every label."""
    return _standing_groups(cell.plan, cell.product, cell.labels)


def _standing_groups(plan: str, product: str, labels: Pairs) -> tuple[Group, ...]:
    named = {**_NO_LABELS, **dict(labels)}
    return tuple([_known(group) for group in (TOTAL, ("plan", plan), ("product", product), *named.items())])


@lru_cache(maxsize=50_000)
def _known(group: Group) -> Group:
    """The one object for all equal groups: what is looked up all the time had better stay in the cache."""
    return group


def value_of(name: str, account: str, cell: Cell) -> str:
    """The value a cell has under a name, empty where it has none."""
    if name == "account":
        return account
    if name in ("contract", "currency", "plan", "product"):
        return str(getattr(cell, name))
    return dict(cell.labels).get(name, "")


def selected_groups(by: str | None, where: Mapping[str, str]) -> GroupsOf:
    """Groups for one question: one group per value of `by` (None: the whole) among cells that fit `where`."""

    def groups(account: str, cell: Cell) -> tuple[Group, ...]:
        if any(value_of(name, account, cell) != value for name, value in where.items()):
            return ()
        return (TOTAL,) if by is None else ((by, value_of(by, account, cell)),)

    return groups
