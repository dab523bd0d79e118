"""Worth: what amounts of some days are worth in the currency that is asked for."""

from collections.abc import Callable

from events.money import Exact

Part = Callable[[int, int], Exact]
"""(first day, end) -> what there is of an amount on the days between; those side by side add up."""

Worth = Callable[[str, int, int, Part], Exact]
"""(currency, first day, end, part) -> what all parts of `[first day, end)` are worth; of nothing no rate is needed."""


def as_it_is(_currency: str, start: int, until: int, part: Part) -> Exact:
    """The worth of what is in the currency that is asked for."""
    return part(start, until)


def nothing(_currency: str, _start: int, _until: int, _part: Part) -> Exact:
    """The worth of what nobody asks for."""
    return 0


def worth_on(worth: Worth, currency: str, day: int, amount: Exact) -> Exact:
    """What an amount is worth as a day ends."""
    return worth(currency, day, day + 1, lambda _start, _until: amount)
