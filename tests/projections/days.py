"""Made-up days of a book with weekdays, firsts of months, growth and quiet weeks, and storms planted in them.

`python -m tests.projections.days` prints how many of the storms of 20 seeds are found, and how many other days.
"""

import sys
from random import Random
from statistics import mean, stdev
from typing import Final

from projections.unusual import FIRST, LOOK_DAYS, Day, kind_of, unusual
from tests.model.days import day_of

START: Final = day_of("2023-01-01")
DAYS: Final = 730
QUIET: Final = range(200, 260)
SECOND: Final = 380
"""From this day on there is a past to compare with, and storms."""
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
    planted = set(chance.sample(range(SECOND, DAYS), storms))
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


def told(days: list[Day], deviations: int) -> set[int]:
    """The days of the second year that are unusual and on which a five-hundredth of the book or more was lost."""
    return {
        now.day
        for place, now in enumerate(days)
        if place >= SECOND and now.amount * 500 >= now.opening
        and unusual(days[max(0, place - LOOK_DAYS) : place], now, deviations)
    }


def told_by_mean(days: list[Day], deviations: int) -> set[int]:
    """The same by mean and standard deviation of the shares lost in the year before."""
    shares = [one.amount / one.opening for one in days]
    found: set[int] = set()
    for place in range(SECOND, DAYS):
        past = shares[place - 365 : place]
        if shares[place] >= 1 / 500 and shares[place] > mean(past) + deviations * stdev(past):
            found.add(days[place].day)
    return found


def main() -> None:
    """Prints what is found by both."""
    for size, deviations, teller in (
        ((3.0, 8.0), 3, told),
        ((3.0, 8.0), 5, told),
        ((1.5, 3.0), 3, told),
        ((3.0, 8.0), 3, told_by_mean),
    ):
        found = other = planted = 0
        for seed in range(20):
            days, storms = made_up(seed, size=size)
            days_told = teller(days, deviations)
            found, other = found + len(days_told & storms), other + len(days_told - storms)
            planted += len(storms)
        what = f"storms of {size[0]:g} to {size[1]:g} times, {deviations} deviations, {teller.__name__}"
        sys.stdout.write(f"{what}: {found} of {planted} storms, {other} other days of {20 * (DAYS - SECOND):,}\n")


if __name__ == "__main__":
    main()
