"""Periods: a window cut into days, months, quarters or years."""

from typing import Final, Literal

from events.days import LAST_DAY, first_day_of_month, month_of_day, text_of_day

Every = Literal["day", "month", "quarter", "year"]
MONTHS: Final = {"month": 1, "quarter": 3, "year": 12}
PERIODS_MAX: Final = 40_000


class PeriodError(ValueError):
    """A window that cannot be reported on; the message says what to change."""


def bounds_of(start: int, until: int, every: Every) -> list[int]:
    """The days that bound the periods of `[start, until)`: n + 1 for n periods; the outer ones may be short."""
    if until <= start:
        raise PeriodError("the window is empty: `until` has to be later than `from`")
    if every == "day":
        bounds = list(range(start, until + 1)) if until - start <= PERIODS_MAX else []
    else:
        step = MONTHS[every]
        first = month_of_day(start) // step * step + step
        bounds = [start, *_starts(first, until, step), until]
    if not 2 <= len(bounds) <= PERIODS_MAX + 1:
        raise PeriodError(f"more than {PERIODS_MAX} periods: ask for a shorter window or longer periods")
    return bounds


def _starts(first: int, until: int, step: int) -> list[int]:
    days: list[int] = []
    month = first
    while month < _MONTHS_MAX and (day := first_day_of_month(month)) < until:
        days.append(day)
        month += step
    return days


_MONTHS_MAX: Final = (9999 - 1970) * 12 + 12


def first_day_of_period(day: int, every: Every) -> int:
    """The first day of the day, month, quarter or year that a day is in."""
    return day if every == "day" else first_day_of_month(month_of_day(day) // MONTHS[every] * MONTHS[every])


def next_period(first: int, every: Every) -> int:
    """The first day of the period after the one that begins on a day."""
    if every == "day":
        return first + 1
    month = month_of_day(first) + MONTHS[every]
    return first_day_of_month(month) if month < _MONTHS_MAX else LAST_DAY + 1


def period_name(first: int, every: Every) -> str:
    """What a period that begins on a day is called: 2024-03-05, 2024-03, 2024-Q1 or 2024."""
    text = text_of_day(first)
    if every == "quarter":
        return f"{text[:4]}-Q{month_of_day(first) % 12 // 3 + 1}"
    return text[: {"day": 10, "month": 7, "year": 4}[every]]


def months_held(day: int, until: int) -> int:
    """In how many months what comes on a day is there as they end, the last one as `until` begins."""
    return month_of_day(until - 1) - month_of_day(day) + 1


def split_months(bounds: list[int]) -> set[int]:
    """The months that a bound cuts in two, so that their days have to be looked at one by one."""
    return {month for day in bounds if first_day_of_month(month := month_of_day(day)) != day}
