"""Made-up days of a book with weekdays, firsts of months, growth and quiet weeks, and storms planted in them."""

from random import Random
from typing import Final

from projections.unusual import FIRST, Day, kind_of
from tests.model.days import day_of

START: Final = day_of("2023-01-01")
DAYS: Final = 730
QUIET: Final = range(200, 260)
MONTH: Final = 12 * 10_000
"""A minor unit a month in annual_e4."""


def leaving(kind: int, chance: Random, *, is_quiet: bool) -> int:
    """How many accounts leave on an ordinary day: many on firsts of months, few at weekends."""
    mean = 12.0 if kind == FIRST else 0.3 if kind > 4 else 2.0
    return sum(chance.random() < mean / 40 for _ in range(40)) // (4 if is_quiet else 1)


def amount(chance: Random) -> int:
    """What an account pays a month, in minor units: most little, some much."""
    return int(chance.lognormvariate(9, 0.8))


def made_up(seed: int, storms: int = 10, size: tuple[float, float] = (3.0, 8.0)) -> tuple[list[Day], set[int]]:
    """Days, and those of the second year on which so many times as much left as is usual at most on such days."""
    chance = Random(seed)
    planted = set(chance.sample(range(380, DAYS), storms))
    usual = {FIRST: 20.0, **dict.fromkeys(range(5), 5.0), 5: 2.0, 6: 2.0}
    days: list[Day] = []
    level = 30_000_000
    for number in range(DAYS):
        kind = kind_of(START + number)
        count = leaving(kind, chance, is_quiet=number in QUIET)
        left = sum(amount(chance) for _ in range(count))
        if number in planted:
            left += int(usual[kind] * 11_000 * chance.uniform(*size))
        days.append(Day(START + number, left * MONTH, level * MONTH))
        level += level // 700
    return days, {START + number for number in planted}
