"""Parts: the sums that a figure is put together from, so that it can be taken apart again."""

from collections.abc import Mapping
from string import Formatter
from typing import Final, Literal

from msgspec import Struct

from events.money import mrr_minor
from events.movements import BRIDGE_MOVEMENTS, Movement
from projections.figures import CATALOGUE, Basis, Figure, Value
from projections.retention import Retention


class Part(Struct, frozen=True):
    """A sum over accounts: of annual_e4, read by the month or by the year, or a number of accounts."""

    unit: Literal["month", "year", "accounts"]
    meaning: str


_MOVEMENTS: Final[dict[Movement, str]] = {
    "new": "MRR of accounts that had none ever before",
    "reactivation": "MRR of accounts that came back after they had none",
    "expansion": "rises in the MRR of accounts that had some",
    "contraction": "falls in the MRR of accounts that kept some",
    "churn": "MRR of accounts that lost all of it",
    "transfer": "MRR that moved within an account, from one group to another",
}

PARTS: Final[dict[str, Part]] = {
    "annual": Part("year", "MRR at the end, a twelfth of ARR"),
    "level": Part("month", "MRR at the end"),
    "ahead": Part("month", "what is agreed by the end and not yet in force"),
    "committed_annual": Part("year", "what contracts with a term of 12 months or longer are committed to"),
    "scheduled": Part("month", "falls that are known and come on the day or later"),
    "active": Part("accounts", "accounts with MRR at the end"),
    "new_accounts": Part("accounts", "times that an account became new"),
    "opening_level": Part("month", "MRR at the start"),
    "opening_mrr": Part("month", "MRR at the start of the accounts that had some"),
    "opening_accounts": Part("accounts", "accounts with MRR at the start"),
    "retained": Part("month", "MRR at the end of the accounts that had some at the start"),
    "kept": Part("month", "the same, each account capped at what it had at the start"),
    "lost": Part("accounts", "accounts with MRR at the start and none at the end"),
    **{movement: Part("month", meaning) for movement, meaning in _MOVEMENTS.items()},
}
"""Every part there is; each is a sum over accounts, exact for any of them."""


def _moved(movement: str) -> Figure:
    definition = f"The {movement} of a bridge: {_MOVEMENTS[movement]}."  # type: ignore[index]
    formula = f"sum of {movement} in the window"

    def value(basis: Basis) -> Value:
        return mrr_minor(basis.moved(movement))

    return Figure(movement, "minor", "window", definition, formula, f"{{{movement}}}", value)


_ENDS: Final = (
    Figure(
        *("opening", "minor", "window", "The opening of a bridge: MRR as the window begins.", "ARR at the start / 12"),
        "{opening_level}",
        lambda basis: mrr_minor(basis.opening),
    ),
    Figure(
        *("closing", "minor", "window", "The closing of a bridge: MRR as the window ends.", "ARR at the end / 12"),
        "{level}",
        lambda basis: mrr_minor(basis.level),
    ),
)
_SUMS: Final = {name: figure for name, figure in CATALOGUE.items() if figure.worked}
EXPLAINED: Final = {**_SUMS, **{one.name: one for one in (*map(_moved, BRIDGE_MOVEMENTS), *_ENDS)}}
"""All that can be taken apart: the figures that are sums over accounts, and the columns of a bridge."""


def parts_of(figure: Figure) -> tuple[str, ...]:
    """The names of the parts a figure is made of, each once, in the order of its formula."""
    return tuple(dict.fromkeys(name for _, name, _, _ in Formatter().parse(figure.worked) if name))


def basis_of(amounts: Mapping[str, int]) -> Basis:
    """What a figure is computed from, put together from its parts; those that are not given are zero."""

    def amount(*names: str) -> int:
        return next((amounts[name] for name in names if name in amounts), 0)

    within = {movement: amount(movement) for movement in BRIDGE_MOVEMENTS}
    return Basis(
        before={
            "new": amount("annual", "level"),
            "ahead": amount("ahead"),
            "active": amount("active"),
            "annual": amount("committed_annual"),
        },
        after={"churn": amount("scheduled")},
        within={**within, "n_new": amount("new_accounts")},
        opened={"new": amount("opening_level")},
        retention=Retention(
            amount("opening_mrr"), amount("retained"), amount("kept"), amount("opening_accounts"), amount("lost")
        ),
    )
