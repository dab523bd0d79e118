"""Pages: the sums of one month, kept for every currency and group, day by day.

A page is kept as JSON (`{kind: {day: amount}}`), because sums over many accounts may outgrow 64 bits, and
because whoever is on call can read it. Beside it stands the month's total of every kind.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from events.days import month_of_day
from projections.groups import Group
from projections.tally import Counts, Shared, Tally

ACCOUNTS: Final = "accounts"
"""Key of the view that holds the record of every account."""

BOOK: Final = "book"
"""Key of the view of what is counted over the whole book, and of `names|currency|name`: the names in use."""

FORMAT: Final = 1
"""The form of records, pages and book, kept in the field `format` of the book: views of another form are built anew.

Raise it with every change of what is written under a key.
"""

BOOK_COUNTS: Final = ("entries", "unmatched", "postings")
"""What is counted over the whole book: entries, facts that wait for their contract or target, postings."""

Amount = tuple[int, str, str, int]
"""(day or month, kind, value, amount)."""


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


Page = dict[str, dict[int, int]]
"""kind -> day -> annual_e4 or number of accounts, without zeros."""

PageChanges = dict[tuple[str, int], dict[Group, Counts]]
"""(currency, month) -> group -> (kind, day) -> what to add."""

_ENCODE: Final = msgspec.json.Encoder().encode
_PAGE: Final[msgspec.json.Decoder[Page]] = msgspec.json.Decoder(Page)
_TOTALS: Final[msgspec.json.Decoder[dict[str, int]]] = msgspec.json.Decoder(dict[str, int])
_month_of = lru_cache(maxsize=20_000)(month_of_day)


def months_key(currency: str, name: str) -> str:
    """The view with the totals of every month by the values of a name; the empty name is the whole."""
    return f"months:{currency}:{name}"


def days_key(currency: str, name: str, month: int) -> str:
    """The view with the pages of a month by the values of a name."""
    return f"days:{currency}:{name}:{month}"


def add_shared(changes: PageChanges, shared: Shared) -> None:
    """Adds the counts of groups that count the same to what is to be added to the pages."""
    months: dict[int, list[tuple[tuple[str, int], int]]] = {}
    for item in shared.counts.items():
        months.setdefault(_month_of(item[0][1]), []).append(item)
    for month, items in months.items():
        pages = changes.setdefault((shared.currency, month), {})
        for group in shared.groups:
            page = pages.get(group)
            if page is None:
                page = pages[group] = {}
            for key, amount in items:
                page[key] = page.get(key, 0) + amount


def changed_page(
    old: bytes | None, changes: Mapping[tuple[str, int], int]
) -> tuple[bytes | None, bytes | None]:
    """A page and its totals in bytes after changes; None where nothing is left of it.

    Kinds and days are written in order, so that the bytes tell nothing of the batches that led to them.
    """
    page: Page = {} if old is None else _PAGE.decode(old)
    grown: set[str] = set()
    for (kind, day), change in changes.items():
        days = page.setdefault(kind, {})
        amount = days.get(day)
        if amount is None:
            grown.add(kind)
        days[day] = (amount or 0) + change
        if not days[day]:
            del days[day]
    for kind in grown:
        page[kind] = dict(sorted(page[kind].items()))
    page = {kind: page[kind] for kind in sorted(page) if page[kind]}
    if not page:
        return None, None
    return _ENCODE(page), _ENCODE({kind: sum(days.values()) for kind, days in page.items()})


def amounts_of_months(fields: Mapping[bytes, bytes]) -> Iterator[Amount]:
    """The totals of a view of months, read back."""
    for field, totals in fields.items():
        month, _, value = field.decode().partition("|")
        for kind, amount in _TOTALS.decode(totals).items():
            yield int(month), kind, value, amount


def amounts_of_days(fields: Mapping[bytes, bytes]) -> Iterator[Amount]:
    """The pages of a view of days, read back."""
    for field, data in fields.items():
        value = field.decode()
        for kind, days in _PAGE.decode(data).items():
            for day, amount in days.items():
                yield day, kind, value, amount


def amounts_of_tallies(tallies: Iterable[Tally], currency: str) -> Iterator[Amount]:
    """The same from tallies, day by day, in one currency."""
    for tally in tallies:
        for (one, (_, value), day, kind), amount in tally.items():
            if one == currency:
                yield day, kind, value, amount
