"""What a line is worth a year, day by day: list price, discounts in force, the line's own period."""

from collections.abc import Iterable
from datetime import tzinfo
from fractions import Fraction
from functools import lru_cache
from typing import Final

from msgspec import Struct

from events import vocabulary as v
from events.days import FIRST_DAY, day_of_text
from events.money import VALUE_MAX, annual_e4, percent_of_text
from events.policy import Counted, Policy, Rules
from events.refusals import Refused

Steps = tuple[tuple[int, int], ...]
FREE: Final = -1
"""The value of a line discounted to nothing, where the policy says that it keeps its account active."""


class PricedLine(Struct, frozen=True, array_like=True, gc=False):
    """A recurring line as steps of (day, annual_e4): its value from that day until the next step."""

    line_id: str
    plan: str
    product: str
    steps: Steps


class _DatedDiscount(Struct, frozen=True):
    """A discount with its days worked out; the `share` that is left, None for `amount` minor units per interval."""

    start: int | None
    end: int | None
    share: Fraction | None
    amount: int


def day_named(text: str, zone: tzinfo | None, field: str) -> int:
    """The day a date field names; raises Refused `invalid_date`."""
    try:
        return day_of_text(text, zone)
    except ValueError as error:
        sentence = f"{text!r} is not a date: write YYYY-MM-DD or an RFC 3339 time, of a day that exists"
        raise Refused("invalid_date", sentence, field) from error


def day_or_none(text: str | None, zone: tzinfo | None, field: str) -> int | None:
    """The day a date field names, or None where it is absent; raises Refused `invalid_date`."""
    return None if text is None else day_named(text, zone, field)


def period_named(
    from_: str | None, until: str | None, zone: tzinfo | None, field: str
) -> tuple[int | None, int | None]:
    """The half-open period `[from, until)`; raises Refused `invalid_date` or `invalid_period`."""
    start = day_or_none(from_, zone, f"{field}.from")
    end = day_or_none(until, zone, f"{field}.until")
    if start is not None and end is not None and end < start:
        raise Refused("invalid_period", f"until {until} lies before from {from_}: exchange or mend them", field)
    return start, end


def value_on(steps: Steps, day: int) -> int:
    """The annual_e4 of a line on a day."""
    value = 0
    for start, amount in steps:
        if start > day:
            break
        value = amount
    return value


def priced_lines(lines: tuple[v.Line, ...], rules: Rules) -> tuple[PricedLine, ...]:
    """The recurring lines with their steps; all lines are checked. Raises Refused."""
    if len(lines) > 1 and len({line.line_id for line in lines}) < len(lines):
        sentence = "two lines have the same line_id: give each line of the contract its own"
        raise Refused("duplicate_line", sentence, "data.lines")
    return tuple(
        [
            PricedLine(_one(line.line_id), _one(line.plan), _one(line.product or ""), steps)
            for index, line in enumerate(lines)
            if (steps := _steps(line, rules, index)) and line.kind == "recurring"
        ]
    )


def taken_off(lines: tuple[v.Line, ...], zone: tzinfo | None, counted: Counted = "net") -> tuple[PricedLine, ...]:
    """What discounts take off each recurring line, by default all of them: its list value less its net value.

    Lines that no discount lowers are left out.
    """
    listed, net = (priced_lines(lines, Rules(Policy(discounts=one), zone)) for one in ("list", counted))
    found: list[PricedLine] = []
    for full, low in zip(listed, net, strict=True):
        days = sorted({day for day, _ in (*full.steps, *low.steps)})
        steps = [(day, value_on(full.steps, day) - value_on(low.steps, day)) for day in days]
        if any(value for _, value in steps):
            found.append(PricedLine(full.line_id, full.plan, full.product, tuple(steps)))
    return tuple(found)


@lru_cache(maxsize=10_000)
def _one(name: str) -> str:
    """One and the same string for equal names: contracts by the hundred thousand share a few of them."""
    return name


def _steps(line: v.Line, rules: Rules, index: int) -> Steps:
    list_price = line.amount_minor * line.quantity
    list_value = annual_e4(list_price, line.interval, line.interval_count)
    if list_value > VALUE_MAX:
        sentence = "the line is worth more than 115 trillion minor units a year, more than the books hold: mend it"
        raise Refused("amount_too_large", sentence, f"data.lines[{index}].amount_minor")
    if not line.discounts and line.from_ is None and line.until is None:
        return ((FIRST_DAY, list_value),)
    return _dated_steps(line, list_price, rules, f"data.lines[{index}]")


def _dated_steps(line: v.Line, list_price: int, rules: Rules, field: str) -> Steps:
    start, end = period_named(line.from_, line.until, rules.zone, field)
    discounts = [_dated(one, rules.zone, f"{field}.discounts[{i}]") for i, one in enumerate(line.discounts)]
    if rules.policy.discounts != "net":
        discounts = [one for one in discounts if rules.policy.discounts == "forever_only" and one.end is None]
    free = FREE if list_price and rules.policy.free_accounts == "active" else 0
    bounds = [start, end, *(d.start for d in discounts), *(d.end for d in discounts)]
    steps: list[tuple[int, int]] = []
    for day in sorted({FIRST_DAY, *(bound for bound in bounds if bound is not None)}):
        value = 0
        if _in_force(start, end, day):
            value = annual_e4(_net_on(list_price, discounts, day), line.interval, line.interval_count) or free
        if not steps or steps[-1][1] != value:
            steps.append((day, value))
    return tuple(steps)


def _dated(discount: v.Discount, zone: tzinfo | None, field: str) -> _DatedDiscount:
    if (discount.percent is None) == (discount.amount_minor is None):
        raise Refused("invalid_field", "a discount has either `percent` or `amount_minor`, not both", field)
    start, end = period_named(discount.from_, discount.until, zone, field)
    if discount.percent is None:
        return _DatedDiscount(start, end, None, discount.amount_minor or 0)
    return _DatedDiscount(start, end, _share_left(discount.percent, f"{field}.percent"), 0)


@lru_cache(maxsize=10_000)
def _share_left(percent: str, field: str) -> Fraction:
    """What a percentage off leaves; remembered, because fractions are slow and discounts alike."""
    return (100 - percent_of_text(percent, field)) * Fraction(1, 100)


def _in_force(start: int | None, end: int | None, day: int) -> bool:
    return (start is None or start <= day) and (end is None or day < end)


def _net_on(list_price: int, discounts: Iterable[_DatedDiscount], day: int) -> int | Fraction:
    net: int | Fraction = list_price
    for one in discounts:
        if _in_force(one.start, one.end, day):
            net = max(net - one.amount, 0) if one.share is None else net * one.share
    return net
