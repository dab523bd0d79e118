"""Silences: when alerts are kept until later, by hours of the day, days of the week, or from one time until another."""

import re
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

from msgspec import Struct

from events.days import moment_of, moment_of_text
from projections.rules import OF_OPERATION, Rule
from services.alerts.rules import reading
from services.alerts.rules.reading import Wrong

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")
_AHEAD_DAYS: Final = 14
"""How far ahead the end of a silence is looked for; one that never ends holds alerts back for so long."""


class Silence(Struct, frozen=True, kw_only=True):
    """A time in which alerts wait; hours are minutes of the day in the reporting zone, times in microseconds.

    With hours that go over midnight, the days are those on which they begin. Without rules it is about all but those
    that tell of stale data.
    """

    name: str
    hours: tuple[int, int] = (0, 24 * 60)
    days: tuple[str, ...] = DAYS
    start: int | None = None
    until: int | None = None
    rules: tuple[str, ...] = ()

    def is_about(self, rule: Rule) -> bool:
        """Whether alerts of a rule wait."""
        return rule.name in self.rules if self.rules else rule.on not in OF_OPERATION

    def ends(self, moment: int, zone: tzinfo | None) -> int | None:
        """When the silence at a moment ends; None if there is none then."""
        if not (self.start or 0) <= moment < (2**62 if self.until is None else self.until):
            return None
        at = datetime.fromtimestamp(moment // 1_000_000, zone or UTC)
        first, last = self.hours
        length = (last - first) % (24 * 60) or 24 * 60
        for before in (0, 1):
            day = (at - timedelta(days=before)).replace(hour=0, minute=0, second=0, microsecond=0)
            begin, end = day + timedelta(minutes=first), day + timedelta(minutes=first + length)
            if DAYS[day.weekday()] in self.days and begin <= at < end:
                found = moment_of(end)
                return found if self.until is None else min(found, self.until)
        return None


def silent_until(silences: Iterable[Silence], rule: Rule, moment: int, zone: tzinfo | None) -> int:
    """When alerts of a rule may be sent that fire at a moment: then, or when no silence is left."""
    mine = [one for one in silences if one.is_about(rule)]
    last = moment + _AHEAD_DAYS * 86_400_000_000
    due = moment
    while due < last:
        ends = [end for one in mine if (end := one.ends(due, zone)) is not None]
        if not ends:
            return due
        due = max(ends)
    return last


def _hours(value: Any) -> tuple[int, int]:
    found = _HOURS.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError('write hours and minutes, such as "22:00-07:00"')
    first, last = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
    if first == last or last > 24 * 60:
        raise ValueError('write two different times of a day, such as "22:00-07:00"')
    return first, last


def _days(value: Any) -> tuple[str, ...]:
    found = reading.texts(value)
    for one in found:
        if one not in DAYS:
            raise ValueError(f"write days such as {', '.join(DAYS)}")
    return found


def _time(value: Any) -> int:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return moment_of(value)
    if not isinstance(value, str):
        raise ValueError("write an RFC 3339 time with an offset, such as 2026-12-24T18:00:00Z")  # noqa: TRY004
    return moment_of_text(value)


SILENCE_KEYS: Final[dict[str, tuple[str, reading.Reader]]] = {
    "name": ("name", reading.text),
    "hours": ("hours", _hours),
    "days": ("days", _days),
    "from": ("start", _time),
    "until": ("until", _time),
    "rules": ("rules", reading.texts),
}
"""Key of a silence -> its field, and how it is read."""


def problems_of_silence(silence: Silence, unread: Collection[str], rules: Iterable[str]) -> list[Wrong]:
    """What is wrong in a silence beside its keys that are `unread`, because they cannot be."""
    known = sorted(rules)
    missing = [one for one in silence.rules if one not in known]
    wrong = [Wrong("rules", f"there is no rule {one!r}{reading.near(one, known)}") for one in missing]
    if silence == Silence(name=silence.name, rules=silence.rules):
        times = ("hours", "days", "from", "until")
        wrong.append(Wrong("name", "it would last for ever: write hours, days, from or until", times))
    if silence.start is not None and silence.until is not None and silence.until <= silence.start:
        wrong.append(Wrong("until", "it ends before it begins: exchange or mend its times", ("from",)))
    return reading.causes(wrong, unread)
