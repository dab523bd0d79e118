"""Columns: what a table tells of accounts and contracts in its rows, and what it is worked out from."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, Literal

from msgspec import Struct

from events.days import MONTH_PARTS
from events.money import round_half_up
from events.notes import Answer, AnyNote
from projections.groups import selected_groups
from projections.periods import Every
from projections.satisfaction import Item
from projections.terms import Held, held_on, values_of_contract

CAUSE_NAMES: Final = ("reason", "initiative")
"""What a churn has beside its cell, in the order of a cause."""

TAGS_DAYS: Final = 90
"""For how long what somebody mentioned is told."""

Row = dict[str, Any]
"""Column -> value, as JSON has it: days as YYYY-MM-DD, money in minor units, ratios as decimal strings."""
Told = tuple[str, list[Item], Sequence[AnyNote]]
"""An account, the sums of what was posted to it, and its notes."""


class Asked(Struct, frozen=True):
    """What a table is about: a currency as a day begins; or from `start` until that day, period by period."""

    currency: str
    day: int
    start: int = 0
    every: Every = "month"


class Column(Struct, frozen=True):
    """A column: its name in JSON, and how it is told."""

    name: str
    unit: Literal["text", "day", "minor", "ratio", "count", "list"]


class Table(Struct, frozen=True):
    """One table: its columns, and what makes its rows, in their order.

    `warned` is what had better be said of them; one that `is_whole` is never cut off. One that `is_window` tells of a
    window instead of a day. `every`: the periods it may be told by, if any; `names`: what it can be filtered by
    beside the labels of cells.
    """

    name: str
    definition: str
    columns: tuple[Column, ...]
    rows: Callable[[Iterable[Told], Asked], list[Row]]
    warned: Callable[[Sequence[Row]], str | None] = lambda _: None
    is_whole: bool = False
    is_window: bool = False
    every: tuple[Every, ...] = ()
    names: tuple[str, ...] = ()


def columns(**units: Literal["text", "day", "minor", "ratio", "count", "list"]) -> tuple[Column, ...]:
    """Columns by name, with their units."""
    return tuple(Column(name, unit) for name, unit in units.items())


def level_before(items: Iterable[Item], asked: Asked, day: int) -> int:
    """What an account is worth as a day begins, in annual_e4."""
    return sum(
        [
            amount
            for (at, movement, cell, _), amount in items
            if at < day and movement != "ahead" and cell.currency == asked.currency
        ]
    )


def answers_before(notes: Iterable[AnyNote], survey: str, day: int) -> Iterator[Answer]:
    """The answers to a survey with a score before a day, the latest first."""
    answers = [n for n in notes if type(n) is Answer and n.survey == survey and n.score is not None and n.day < day]
    answers.sort(key=lambda one: one.moment)
    return reversed(answers)


def last_score(notes: Iterable[AnyNote], survey: str, day: int) -> int | None:
    """The score of the latest answer to a survey before a day."""
    return next((answer.score for answer in answers_before(notes, survey, day)), None)


def tags_said(notes: Iterable[AnyNote], day: int) -> list[str]:
    """What people mentioned in the last months, each once."""
    said = [n.tags for n in notes if type(n) is Answer and day - TAGS_DAYS <= n.day < day]
    return sorted({tag for tags in said for tag in tags})


def contracts_held(told: Iterable[Told], asked: Asked) -> Iterator[tuple[Held, Told]]:
    """The contracts with revenue on the day asked for, each with its account."""
    for account, items, notes in told:
        for held in held_on(account, items, notes, asked.currency, asked.day):
            yield held, (account, items, notes)


def yearly_minor(held: Held) -> int:
    """What a contract is worth a year of its term, in minor units."""
    total = sum(values_of_contract(held, selected_groups(None, {})).values())
    return round_half_up(total * 12 * MONTH_PARTS, held.term.parts)
