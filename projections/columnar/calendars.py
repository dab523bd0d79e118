"""Calendars: what `events.days` says of one day, of many at once, in whole numbers."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from events.days import MONTH_PARTS
from projections.periods import MONTHS, Every

Days = NDArray[np.int64]

_FIRST: Final = -40_000
_LAST: Final = 90_000
"""Days between which months are looked up, from 1860 to 2216; others are worked out, which takes five times as long."""
_MONTHS: Final = np.arange(_FIRST, _LAST).view("M8[D]").astype("M8[M]").view(np.int64)
_FIRST_MONTH: Final = int(_MONTHS[0])
_FIRST_DAYS: Final = np.arange(_FIRST_MONTH, int(_MONTHS[-1]) + 1).view("M8[M]").astype("M8[D]").view(np.int64)


def months_of_days(days: Days) -> Days:
    """As `month_of_day`."""
    if _is_within(days, _FIRST, len(_MONTHS)):
        return _MONTHS[days - _FIRST]
    return days.view("M8[D]").astype("M8[M]").view(np.int64)


def first_days_of_months(months: Days) -> Days:
    """As `first_day_of_month`."""
    if _is_within(months, _FIRST_MONTH, len(_FIRST_DAYS)):
        return _FIRST_DAYS[months - _FIRST_MONTH]
    return months.view("M8[M]").astype("M8[D]").view(np.int64)


def _is_within(numbers: Days, first: int, count: int) -> bool:
    return not len(numbers) or (int(numbers.min()) >= first and int(numbers.max()) < first + count)


def days_months_later(days: Days, months: Days) -> Days:
    """As `day_months_later`."""
    begun = months_of_days(days)
    return _later(begun, days - first_days_of_months(begun), months)


def whole_months_between(starts: Days, ends: Days) -> Days:
    """As `whole_months`."""
    begun, last = months_of_days(starts), months_of_days(ends)
    return _whole(begun, starts - first_days_of_months(begun), last, ends - first_days_of_months(last))


def month_parts_between(starts: Days, days: Days) -> Days:
    """As `month_parts`."""
    month, last = months_of_days(starts), months_of_days(days)
    within = starts - first_days_of_months(month)
    months = _whole(month, within, last, days - first_days_of_months(last))
    begun, ends = _later(month, within, months), _later(month, within, months + 1)
    over = np.flatnonzero(days >= ends)
    months[over] += 1
    begun[over] = ends[over]
    ends[over] = _later(month[over], within[over], months[over] + 1)
    return months * MONTH_PARTS + (days - begun) * MONTH_PARTS // (ends - begun)


def _later(months: Days, within: Days, more: Days) -> Days:
    """Days so many months later, or the last ones of their months, given their months and how far they are in these."""
    later: Days = first_days_of_months(months + more)
    np.minimum(later + within, first_days_of_months(months + more + 1) - 1, out=later)
    return later


def _whole(months: Days, within: Days, last: Days, within_last: Days) -> Days:
    """Whole months from days to later ones, given the months of both and how far they are in these."""
    whole: Days = last - months
    whole -= within_last < within
    return whole


def calendar_parts_of(days: Days) -> Days:
    """As `calendar_parts`."""
    months = months_of_days(days)
    first, following = (first_days_of_months(months + more) for more in (0, 1))
    return months * MONTH_PARTS + (days - first) * MONTH_PARTS // (following - first)


def first_days_of_periods(days: Days, every: Every) -> Days:
    """As `first_day_of_period`."""
    if every == "day":
        return days
    return first_days_of_months(months_of_days(days) // MONTHS[every] * MONTHS[every])
