"""Rates: what was published about two currencies, and which rate is in force on a day."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from datetime import tzinfo
from fractions import Fraction
from typing import Final

import msgspec
from msgspec import Struct

from events import vocabulary as v
from events.days import day_of_moment, day_of_text, moment_of
from events.facts import key_of
from events.money import MINOR_DIGITS

RETRACTED: Final = "retracted"
"""Key of the view of what was taken back under the subject of the book: the keys of those events."""

Kept = dict[str, dict[str, bytes]]
"""Key of a view -> field -> value."""


class Quote(Struct, frozen=True, array_like=True):
    """What one event published: 1 `base` = `rate` `quote`; `moment` in microseconds, `seq` its arrival."""

    base: str
    quote: str
    rate: str
    effective_at: str | None
    moment: int
    seq: int


class Rate(Struct, frozen=True):
    """A rate in force since a day: 1 `base` = `rate` `quote`, as it was published."""

    base: str
    quote: str
    rate: str
    since: int

    def factor(self, currency: str) -> Fraction:
        """What one minor unit of a currency of the pair is worth in minor units of the other, exactly."""
        scaled = Fraction(self.rate) * Fraction(10) ** (MINOR_DIGITS[self.quote] - MINOR_DIGITS[self.base])
        return scaled if currency == self.base else scaled**-1


class NoRate(Exception):
    """No rate of a pair is in force on a day; `first` is the first day that one is, if any."""

    def __init__(self, base: str, quote: str, day: int, first: int | None) -> None:
        super().__init__(f"no rate from {base} to {quote} is in force on day {day}")
        self.base = base
        self.quote = quote
        self.day = day
        self.first = first


def rates_key(one: str, other: str) -> str:
    """The view of all that was published about two currencies, in the fields named by the events."""
    return f"rates:{min(one, other)}:{max(one, other)}"


_QUOTE: Final = msgspec.json.Decoder(Quote)


def kept_of(event: v.Event, seq: int) -> Kept:
    """What the views keep of an event of the book, so that rates can be told from them; nothing of most."""
    key = key_of(event.source, event.id)
    if isinstance(event, v.RatePublished):
        data = event.data
        quote = Quote(data.base, data.quote, data.rate, data.effective_at, moment_of(event.time), seq)
        return {rates_key(data.base, data.quote): {key: msgspec.json.encode(quote)}}
    if isinstance(event, v.EventRetracted):
        return {RETRACTED: {key_of(event.data.source, event.data.id): str(seq).encode()}}
    return {}


class Rates:
    """The rates of all pairs, by the day in a zone from which they hold.

    In force on a day is the one with the latest effective day up to then, published in either direction; of one
    day, first the one published in the direction asked for, then the one with the latest time, then the last to
    arrive. Rates are not chained through a third currency.
    """

    def __init__(self, kept: Mapping[str, Mapping[str, bytes]], zone: tzinfo | None = None) -> None:
        gone = kept.get(RETRACTED, {})
        self._zone = zone
        self._pairs = {
            key: [_QUOTE.decode(data) for name, data in fields.items() if name not in gone]
            for key, fields in kept.items()
            if key != RETRACTED
        }
        self._ordered: dict[tuple[str, str], tuple[list[int], list[Rate]]] = {}

    def in_force(self, base: str, quote: str, day: int) -> Rate:
        """The rate to convert `base` to `quote` with on a day; raises NoRate."""
        days, rates = self._in_order(base, quote)
        place = bisect_right(days, day)
        if not place:
            raise NoRate(base, quote, day, days[0] if days else None)
        return rates[place - 1]

    def changes(self, base: str, quote: str, start: int, until: int) -> list[int]:
        """The days between two, without the first, from which another rate is in force."""
        days, _ = self._in_order(base, quote)
        return sorted({*days[bisect_right(days, start) : bisect_left(days, until)]})

    def _in_order(self, base: str, quote: str) -> tuple[list[int], list[Rate]]:
        found = self._ordered.get((base, quote))
        if found is None:
            quotes = self._pairs.get(rates_key(base, quote), [])
            found = self._ordered[base, quote] = _by_day(quotes, base, self._zone)
        return found


def _by_day(quotes: Iterable[Quote], base: str, zone: tzinfo | None) -> tuple[list[int], list[Rate]]:
    dated = [(_day(one, zone), one.base == base, one.moment, one.seq, one) for one in quotes]
    dated.sort(key=lambda each: each[:4])
    rates = [Rate(one.base, one.quote, one.rate, day) for day, *_, one in dated]
    return [rate.since for rate in rates], rates


def _day(quote: Quote, zone: tzinfo | None) -> int:
    if quote.effective_at is None:
        return day_of_moment(quote.moment, zone)
    return day_of_text(quote.effective_at, zone)
