"""Holdings: what one account holds on a day, by currency, and under which labels."""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct

from events.facts import Pairs
from events.timeline import Cell
from projections.records import Record


class Holding(Struct, frozen=True):
    """Levels in annual_e4 by currency, none of them zero; contracts and plans in order, labels of the largest cell."""

    levels: Mapping[str, int] = {}
    contracts: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()
    labels: Pairs = ()


NOTHING: Final = Holding()
"""What an account without revenue holds."""


class _Currency(Struct, array_like=True, frozen=True, gc=False):
    """What a cell in msgpack begins with."""

    currency: str


_CURRENCY: Final = msgspec.msgpack.Decoder(_Currency)


def levels_of(record: Record, day: int) -> Mapping[str, int]:
    """The levels of a `Holding`; mostly without a look at the sums of the record."""
    if record.last > day:
        return holding_of(record, day).levels
    levels: dict[str, int] = {}
    for cell, level in zip(record.cells, record.levels, strict=True):
        if level:
            currency = _CURRENCY.decode(cell).currency
            levels[currency] = levels.get(currency, 0) + level
    return {currency: level for currency, level in levels.items() if level}


def holding_of(record: Record, day: int) -> Holding:
    """What the account of a record holds at the end of a day; labels are those of its last revenue, if it is gone."""
    cells: dict[Cell, int] = {}
    for (on, movement, cell, _), amount in record.items():
        if on <= day and movement != "ahead":
            cells[cell] = cells.get(cell, 0) + amount
    levels: dict[str, int] = {}
    for cell, amount in cells.items():
        levels[cell.currency] = levels.get(cell.currency, 0) + amount
    held = [cell for cell, amount in sorted(cells.items(), key=lambda one: -one[1]) if amount > 0]
    known = held or list(cells)[-1:]
    return Holding(
        levels={currency: level for currency, level in levels.items() if level},
        contracts=tuple(dict.fromkeys(cell.contract for cell in held)),
        plans=tuple(dict.fromkeys(cell.plan for cell in held)),
        labels=known[0].labels if known else (),
    )
