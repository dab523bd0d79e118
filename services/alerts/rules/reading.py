"""Values in a file of rules: how the text of each becomes what it means, or a word on what to write instead."""

import difflib
import re
from collections.abc import Callable, Collection, Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, NamedTuple

from events.money import MINOR_DIGITS

Reader = Callable[[Any], Any]
"""Gives the value of what a file says, or raises ValueError with what to write instead."""


class Wrong(NamedTuple):
    """What is wrong with a key, and the keys that this goes by beside it: where one cannot be read, it says nothing."""

    key: str
    message: str
    by: tuple[str, ...] = ()


UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION: Final = re.compile(r"(\d{1,6})([smhd])")
_PERCENT: Final = re.compile(r"-?\d{1,6}(?:\.\d{1,6})?%")
NUMBER_MAX: Final = 10**15


def text(value: Any) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError('write a text in quotes, such as "ops"')
    return value


def texts(value: Any) -> tuple[str, ...]:
    """One text or several."""
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not found or not all(isinstance(one, str) and one for one in found):
        raise ValueError('write a list of texts, such as ["ops", "crm"]')
    return tuple(found)


def duration(value: Any) -> int:
    """Seconds, at least one, of a number and its unit."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None or int(found[1]) == 0:
        raise ValueError('write a number above 0 and its unit, such as "90s", "15m", "12h" or "30d"')
    return int(found[1]) * UNITS[found[2]]


def duration_or_no(value: Any) -> int:
    """Seconds, as `duration`, or 0 for "no"."""
    return 0 if value == "no" else duration(value)


def durations(value: Any) -> tuple[int, ...]:
    """Several of them."""
    if not isinstance(value, list):
        raise ValueError('write a list, such as ["5s", "5m", "1h"]')  # noqa: TRY004 - a reader raises ValueError, whatever is wrong
    return tuple(duration(one) for one in value)


def window(value: Any) -> int:
    """Days of a window that ends today."""
    seconds = duration(value) if isinstance(value, str) else 0
    if not seconds or seconds % UNITS["d"] or seconds > 3_660 * UNITS["d"]:
        raise ValueError('write whole days, at most ten years, such as "30d" or "365d"')
    return seconds // UNITS["d"]


def whole(low: int, high: int) -> Reader:
    """A reader of whole numbers from `low` to `high`."""

    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"write a whole number from {low} to {high}")
        return value

    return read


def yes(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError("write true or false")  # noqa: TRY004 - see above
    return value


def number(value: Any) -> Fraction:
    """A number, also as a percentage."""
    if isinstance(value, str) and _PERCENT.fullmatch(value):
        return Fraction(value[:-1]) / 100
    if not isinstance(value, int | Decimal) or isinstance(value, bool) or not -NUMBER_MAX < value < NUMBER_MAX:
        raise ValueError('write a number, such as 5000 or 0.95, or a percentage in quotes, such as "95%"')
    return Fraction(value)


def share(value: Any) -> Fraction:
    """A share above 0 and at most 1."""
    found = number(value)
    if not 0 < found <= 1:
        raise ValueError('write a share above 0% and at most 100%, such as "0.5%" or 0.005')
    return found


def amount(value: Any) -> Fraction | dict[str, Fraction]:
    """An amount of MRR above 0 in whole units of its currency, or one for each of several currencies."""
    advice = "write an amount of MRR above 0, such as 500, or one a currency, such as { USD = 500, KRW = 700000 }"
    if isinstance(value, dict):
        if not value:
            raise ValueError(advice)
        return {currency(name): _above_zero(one, advice) for name, one in value.items()}
    return _above_zero(value, advice)


def _above_zero(value: Any, advice: str) -> Fraction:
    found: Fraction = Fraction(0) if isinstance(value, str) else number(value)
    if found <= 0:
        raise ValueError(advice)
    return found


def currency(value: Any) -> str:
    """The code of a currency that exists."""
    if value not in MINOR_DIGITS:
        raise ValueError(f"write an ISO 4217 code{near(str(value).upper(), MINOR_DIGITS)}")
    return str(value)


def one_of(*choices: str) -> Reader:
    """A reader of one of some words."""

    def read(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"write one of {', '.join(choices)}{near(str(value), choices)}")
        return str(value)

    return read


def pairs(value: Any) -> tuple[tuple[str, str], ...]:
    """Names with their values."""
    if not isinstance(value, dict) or not value or not all(isinstance(one, str | int) for one in value.values()):
        raise ValueError('write names and values, such as { segment = "enterprise" }')
    return tuple((name, str(one).lower() if isinstance(one, bool) else str(one)) for name, one in value.items())


def near(word: str, words: Iterable[str]) -> str:
    """A hint at the words nearest to one, to end a sentence with; nothing where none is near."""
    found = meant(word, words, 0.5)
    return f": did you mean {' or '.join(found)}?" if found else ""


def meant(word: str, words: Iterable[str], alike: float = 0.7) -> list[str]:
    """The words that somebody may have meant who wrote another; how much they have in common with it, of 1."""
    return difflib.get_close_matches(word, sorted(words), n=2, cutoff=alike)


def causes(wrong: Iterable[Wrong], unread: Collection[str]) -> list[Wrong]:
    """What is wrong by itself, and not because a key cannot be read."""
    return [one for one in wrong if not {one.key, *one.by} & {*unread}]
