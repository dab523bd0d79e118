"""The bridge: how the level of each period came out of the level before it."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from msgspec import Struct

from events.money import Exact, mrr_minor
from events.movements import BRIDGE_MOVEMENTS
from projections.buckets import Buckets

Amount = TypeVar("Amount", int, Exact)


class BridgeRow(Struct, frozen=True):
    """One period `[start, until)`: annual_e4 by movement with opening and closing, and accounts."""

    start: int
    until: int
    annual_e4: dict[str, int]
    accounts: dict[str, int]

    @property
    def mrr_minor(self) -> dict[str, int]:
        """The same in minor units a month, each rounded half up by itself."""
        return {name: mrr_minor(amount) for name, amount in self.annual_e4.items()}


def level_of(sums: Mapping[str, Amount]) -> Amount:
    """The annual_e4 that the movements of a bucket add up to."""
    return sum(sums.get(movement, 0) for movement in BRIDGE_MOVEMENTS)


def bridge_rows(bounds: Sequence[int], buckets: Buckets) -> list[BridgeRow]:
    """The bridge of one group; opening plus all movements is closing, to the last integer."""
    level, active = level_of(buckets.before), buckets.before.get("active", 0)
    rows: list[BridgeRow] = []
    for start, until, sums in zip(bounds[:-1], bounds[1:], buckets.within, strict=True):
        row = _row(start, until, sums, level, active)
        level, active = row.annual_e4["closing"], row.accounts["closing"]
        rows.append(row)
    return rows


def _row(start: int, until: int, sums: Mapping[str, int], level: int, active: int) -> BridgeRow:
    moved = {movement: sums.get(movement, 0) for movement in BRIDGE_MOVEMENTS}
    new, back, gone = (sums.get(kind, 0) for kind in ("n_new", "n_reactivated", "n_churned"))
    change = sums.get("active", 0)
    accounts = {
        "opening": active,
        "new": new,
        "reactivated": back,
        "churned": gone,
        "transferred": change - new - back + gone,
        "closing": active + change,
    }
    return BridgeRow(start, until, {"opening": level, **moved, "closing": level + level_of(sums)}, accounts)
