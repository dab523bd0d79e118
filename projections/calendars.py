"""Calendars: what `events.days` says of one day, of many at once, in whole numbers."""

import numpy as np
from numpy.typing import NDArray

from events.days import MONTH_PARTS
from projections.periods import MONTHS, Every

Days = NDArray[np.int64]


def months_of_days(days: Days) -> Days:
    """As `month_of_day`."""
    return days.view("M8[D]").astype("M8[M]").view(np.int64)


def first_days_of_months(months: Days) -> Days:
    """As `first_day_of_month`."""
    return months.view("M8[M]").astype("M8[D]").view(np.int64)


def days_months_later(days: Days, months: Days) -> Days:
    """As `day_months_later`."""
    begun = months_of_days(days)
    first, following = (first_days_of_months(begun + months + more) for more in (0, 1))
    later: Days = np.minimum(first + days - first_days_of_months(begun), following - 1)
    return later


def whole_months_between(starts: Days, ends: Days) -> Days:
    """As `whole_months`."""
    first, last = months_of_days(starts), months_of_days(ends)
    months: Days = last - first
    months -= ends - first_days_of_months(last) < starts - first_days_of_months(first)
    return months


def month_parts_between(starts: Days, days: Days) -> Days:
    """As `month_parts`."""
    months = whole_months_between(starts, days)
    months += days >= days_months_later(starts, months + 1)
    begun, ends = (days_months_later(starts, months + more) for more in (0, 1))
    return months * MONTH_PARTS + (days - begun) * MONTH_PARTS // (ends - begun)


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
