"""Pages: the sums of one month, kept for every currency and group, day by day.

A page is kept as JSON (`{kind: {"05": amount on the 5th, ...}}`, nothing that is zero), because sums over many
accounts may outgrow 64 bits, and because whoever is on call can read it. Beside it stands the month's total of
every kind.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from events.days import first_day_of_month, month_of_day
from projections.groups import Group, Spread
from projections.tally import KINDS, Count, Tally

ACCOUNTS: Final = "accounts"
"""Key of the view that holds the record of every account."""

NOTES: Final = "notes"
"""Key of the view that holds the notes of every account, as `events.notes` writes them."""

STATED: Final = "stated"
"""Key of the view that holds what events say about the contracts of every account, as `events.stated` writes it.

A ledger without discounts has none; one with any has the field without a name too.
"""

BOOK: Final = "book"
"""Key of the view of what is counted over the whole book, and of `names|currency|name`: the names in use."""

FORMAT: Final = 10
"""The form of records, pages and book, kept in the field `format` of the book: views of another form are built anew.

Raise it with every change of what is written under a key.
"""

BOOK_COUNTS: Final = ("entries", "unmatched", "postings")
"""What is counted over the whole book: entries, facts that wait for their contract or target, postings."""

Amount = tuple[int, str, str, int]
"""(day, kind, value, amount)."""
Totals = tuple[int, str, Mapping[str, int]]
"""(month, value, amounts by kind)."""


class PageName(NamedTuple):
    """Which page: the empty name and value are the whole; `month` counts from January 1970."""

    currency: str
    name: str
    value: str
    month: int

    @property
    def days_key(self) -> str:
        """The view that holds the page, in the field named by its value."""
        return days_key(self.currency, self.name, self.month)

    @property
    def months_key(self) -> str:
        """The view that holds its totals, in the field named by month and value."""
        return months_key(self.currency, self.name)

    @property
    def months_field(self) -> str:
        """The field of its totals."""
        return f"{self.month}|{self.value}"


Page = dict[str, dict[str, int]]
"""kind -> day of the month in two digits -> annual_e4 or number of accounts; in order, nothing zero or empty."""

Changes = dict[int, int]
"""Place in a page -> what is to be added there, zeros among it."""

Added = dict[tuple[str, int], dict[Spread, Changes]]
"""(currency, month) -> groups -> what is to be added to the page of each."""

_DAYS: Final = 31
"""The days a page has room for, whatever the month."""

FEW_KINDS: Final = 4
"""Up to so many of the dozen kinds of a page are cheaper changed one by one than with all of it."""

# The places of a page: 31 for each kind, in order of kind.
_START: Final = {kind: _DAYS * index for index, kind in enumerate(sorted(KINDS))}
_PLACES: Final = [(kind, f"{day:02}") for kind in sorted(KINDS) for day in range(1, _DAYS + 1)]

_ENCODE: Final = msgspec.json.Encoder(order="deterministic").encode
_PAGE: Final[msgspec.json.Decoder[Page]] = msgspec.json.Decoder(Page)
_KINDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_DAYS_OF_KIND: Final = msgspec.json.Decoder(dict[str, int])
_TOTALS: Final[msgspec.json.Decoder[dict[str, int]]] = msgspec.json.Decoder(dict[str, int])


@lru_cache(maxsize=10_000)
def months_key(currency: str, name: str) -> str:
    """The view with the totals of every month by the values of a name; the empty name is the whole."""
    return f"months:{currency}:{name}"


@lru_cache(maxsize=50_000)
def days_key(currency: str, name: str, month: int) -> str:
    """The view with the pages of a month by the values of a name."""
    return f"days:{currency}:{name}:{month}"


@lru_cache(maxsize=20_000)
def _month_of(day: int) -> tuple[int, int]:
    """The month of a day, and its first day."""
    month = month_of_day(day)
    return month, first_day_of_month(month)


def add_counts(added: Added, spread: Spread, counts: Iterable[Count]) -> None:
    """Adds what counts in some groups to what is to be added to their pages."""
    found = None
    for kind, day, amount in counts:
        if day != found:
            month, first = _month_of(day)
            part = added.setdefault((spread.currency, month), {}).setdefault(spread, {})
            found = day
        place = _START[kind] + day - first
        part[place] = part.get(place, 0) + amount


def page_changes(parts: Mapping[Spread, Changes]) -> dict[Group, Changes]:
    """What is to be added to the pages of one month and currency; groups are there also where that is nothing.

    Month by month, because the pages of one fit into the processor's cache.
    """
    shared: dict[Group, list[Changes]] = {}
    for spread, part in parts.items():
        for group in spread.groups:
            some = shared.get(group)
            if some is None:
                shared[group] = [part]
            else:
                some.append(part)
    return {group: _summed(some) for group, some in shared.items()}


def _summed(parts: Sequence[Changes]) -> Changes:
    """Several changes in one; a single one, as most are while the projector keeps pace, as it is."""
    if len(parts) == 1:
        return parts[0]
    whole = parts[0].copy()
    for part in parts[1:]:
        for place, amount in part.items():
            if place in whole:
                whole[place] += amount
            else:
                whole[place] = amount
    return whole


def changed_page(
    old: bytes | None, changes: Changes, totals: bytes | None = None
) -> tuple[bytes, bytes] | tuple[None, None]:
    """A page and its totals in bytes after changes; None where nothing is left of it.

    `totals` are those of `old`, for whoever has them: then only the kinds that change are looked into, if they are few.
    Kinds and days are written in order, so that the bytes tell nothing of the batches that led to them.
    """
    added = _by_kind(changes)
    if old is None or totals is None or len(added) > FEW_KINDS:
        page: Page = {} if old is None else _PAGE.decode(old)
        _add(page, added)
        return bytes_of_page(page) if page else (None, None)
    kinds, sums = _KINDS.decode(old), _TOTALS.decode(totals)
    changed = {kind: _DAYS_OF_KIND.decode(kinds[kind]) for kind in added if kind in kinds}
    _add(changed, added)
    for kind in added:
        if kind in changed:
            kinds[kind], sums[kind] = msgspec.Raw(_ENCODE(changed[kind])), sum(changed[kind].values())
        else:
            kinds.pop(kind, None)
            sums.pop(kind, None)
    return (_ENCODE(kinds), _ENCODE(sums)) if kinds else (None, None)


def _by_kind(changes: Changes) -> dict[str, list[tuple[str, int]]]:
    """The days of each kind with what is to be added there."""
    found: dict[str, list[tuple[str, int]]] = {}
    for place, amount in changes.items():
        kind, day = _PLACES[place]
        some = found.get(kind)
        if some is None:
            found[kind] = [(day, amount)]
        else:
            some.append((day, amount))
    return found


def _add(page: Page, added: Mapping[str, Sequence[tuple[str, int]]]) -> None:
    """Adds to the days of some kinds; what comes to nothing is gone."""
    for kind, some in added.items():
        days = page.get(kind, {})
        for day, amount in some:
            amount += days.get(day, 0)  # noqa: PLW2901
            if amount:
                days[day] = amount
            else:
                days.pop(day, None)
        if days:
            page[kind] = days
        else:
            page.pop(kind, None)


def bytes_of_page(page: Page) -> tuple[bytes, bytes]:
    """A page and its totals as they are kept, kinds and days in order."""
    return _ENCODE(page), _ENCODE({kind: sum(days.values()) for kind, days in page.items()})


def page_of_bytes(data: bytes) -> Page:
    """A page from its bytes; raises msgspec.MsgspecError."""
    return _PAGE.decode(data)


def totals_of_months(fields: Mapping[bytes, bytes]) -> Iterator[Totals]:
    """The totals of a view of months, read back."""
    for field, totals in fields.items():
        month, _, value = field.decode().partition("|")
        yield int(month), value, _TOTALS.decode(totals)


def amounts_of_days(fields: Mapping[bytes, bytes], month: int) -> Iterator[Amount]:
    """The pages of a view of the days of a month, read back."""
    before = first_day_of_month(month) - 1
    for field, data in fields.items():
        value = field.decode()
        for kind, days in _PAGE.decode(data).items():
            for day, amount in days.items():
                yield before + int(day), kind, value, amount


def amounts_of_tallies(tallies: Iterable[Tally], currency: str | None) -> Iterator[Amount]:
    """The same from tallies, day by day, in one currency; None: in all of them, before the value, as in `EUR|pro`."""
    for tally in tallies:
        for (one, (_, value), day, kind), amount in tally.items():
            if currency is None:
                yield day, kind, f"{one}|{value}", amount
            elif one == currency:
                yield day, kind, value, amount
