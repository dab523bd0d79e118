"""Comparing pages: the sums of every day, month and group that the projection keeps, worked out anew by SQL."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import groupby
from typing import Any, Final

import msgspec
from msgspec import Struct

from events.days import date_of_day, first_day_of_month, month_of_day, text_of_day
from projections.groups import CONTRACT_NAMES
from projections.pages import Page, PageName, bytes_of_page, page_of_bytes
from projections.rates import RETRACTED, rates_key
from projections.tally import EVERY
from services.archive.tables import Tables
from services.audit.differing import Difference, as_text, differing
from services.audit.holding import Hashes
from services.audit.selecting import kept_in, quoted

_FOUND: Final = ("days:", "months:")
"""What the keys of pages begin with."""
_RATES: Final = rates_key("", "")[:-1]
"""What the keys of rates begin with."""

# What an account was posted, day by day, in every group of a name; a group counts an account as active while its level
# is above zero, and as new, back or gone on each day on which that sums up to anything. An account with several
# currencies also counts as one, under all of them together, less what it counts in each.
_CELLS: Final = """
    WITH chosen AS (
        SELECT currency, {value} AS value, account, day, movement, amount_e4 AS amount, term_months
        FROM postings WHERE {within}
    ),
    several AS (
        SELECT * FROM chosen SEMI JOIN
            (SELECT account FROM chosen GROUP BY account HAVING count(DISTINCT currency) > 1) USING (account)
    ),
    counted AS (
        SELECT currency, currency AS series, 1 AS sign, value, account, day, movement, amount FROM chosen
        UNION ALL
        SELECT '{every}', '{every}', 1, value, account, day, movement, amount FROM several
        UNION ALL
        SELECT '{every}', currency, -1, value, account, day, movement, amount FROM several
    )
    SELECT currency, date_diff('day', DATE '1970-01-01', day) AS number, value, kind, CAST(total AS VARCHAR) FROM (
        SELECT currency, value, day, movement AS kind, sum(amount) AS total FROM chosen GROUP BY ALL
        UNION ALL
        SELECT currency, value, day, 'annual', sum(amount) FROM chosen WHERE term_months >= 12 GROUP BY ALL
        UNION ALL
        SELECT currency, value, day, unnest(['active', 'n_new', 'n_reactivated', 'n_churned']),
            unnest([active, new, back, gone])
        FROM (
            SELECT currency, value, day,
                sum(sign * ((level > 0)::INT - (level - change > 0)::INT)) AS active,
                sum(sign) FILTER (new <> 0) AS new, sum(sign) FILTER (back <> 0) AS back,
                sum(sign) FILTER (gone <> 0) AS gone
            FROM (
                SELECT *, sum(change) OVER (PARTITION BY currency, series, sign, value, account ORDER BY day) AS level
                FROM (
                    SELECT currency, series, sign, value, account, day, sum(amount) AS change,
                        sum(amount) FILTER (movement = 'new') AS new,
                        sum(amount) FILTER (movement = 'reactivation') AS back,
                        sum(amount) FILTER (movement = 'churn') AS gone
                    FROM counted WHERE movement <> 'ahead' GROUP BY ALL
                )
            )
            GROUP BY ALL
        )
    )
    WHERE total <> 0 ORDER BY currency, date_trunc('month', day), value
"""
_NAMES: Final = "SELECT DISTINCT unnest(map_keys(attributes)) AS name FROM postings WHERE {within} ORDER BY name"


class Pages(Struct):
    """Pages compared so far: how many, and how many cells they have."""

    pages: int = 0
    cells: int = 0


async def pages_compared(
    tables: Tables, hashes: Hashes, partition: int, within: str, count: Pages, said: Callable[[str], None]
) -> list[Difference]:
    """Where days and months differ from what the postings `within` come to; takes what it compares out of `hashes`."""
    found: list[Difference] = []
    for name, value, carried in await _names(tables, within):
        said(f"sums by {name}" if name else "sums of the whole")
        query = _CELLS.format(value=value, within=f"{within}{carried}", every=EVERY)
        found += await tables.streamed(query, partial(_compared, hashes, partition, name, count))
    for key in [one for one in hashes if one.startswith(_FOUND)]:
        for field, live in hashes[key].items():
            found += _differing(partition, key, as_text(field), live, None)
    return found


async def rates_compared(tables: Tables, hashes: Hashes, partition: int, within: str) -> list[Difference]:
    """Where what is kept of published rates differs from what the events `within` say."""
    due = await kept_in(tables, within)
    found: list[Difference] = []
    for key in sorted({*due, *(one for one in hashes if one == RETRACTED or one.startswith(_RATES))}):
        live = {as_text(field): as_text(value) for field, value in hashes.pop(key, {}).items()}
        found += differing(partition, key, live, {name: as_text(value) for name, value in due.get(key, {}).items()})
    return found


async def _names(tables: Tables, within: str) -> list[tuple[str, str, str]]:
    """The names that sums are kept by: each with its value in SQL, and what else a posting must fulfil."""
    own = [("", "''", ""), ("plan", "plan", ""), ("product", "product", "")]
    own += [(name, f"coalesce(CAST({name} AS VARCHAR), '')", "") for name in CONTRACT_NAMES]
    carried = [row[0] for row in await tables.rows(_NAMES.format(within=within))]
    return own + [
        (one, f"attributes[{quoted(one)}]", f" AND map_contains(attributes, {quoted(one)})") for one in carried
    ]


def _compared(
    hashes: Hashes, partition: int, name: str, count: Pages, rows: Iterator[tuple[Any, ...]]
) -> list[Difference]:
    """Where pages differ, in the order of the rows."""
    found: list[Difference] = []
    for (currency, month, value), some in groupby(rows, lambda row: (row[0], month_of_day(row[1]), row[2])):
        page: Page = {}
        for _, day, _, kind, amount in some:
            page.setdefault(kind, {})[f"{date_of_day(day).day:02}"] = int(amount)
            count.cells += 1
        of = PageName(currency, name, value, month)
        days, totals = bytes_of_page(page)
        count.pages += 1
        for key, field, due in ((of.days_key, of.value, days), (of.months_key, of.months_field, totals)):
            live = hashes.get(key, {}).pop(field.encode(), None)
            found += _differing(partition, key, field, live, due)
    return found


def _differing(partition: int, key: str, field: str, live: bytes | None, due: bytes | None) -> Iterator[Difference]:
    """Where a field differs from what it is due to be, cell by cell."""
    if live == due:
        return
    try:
        cells = [_cells(key, field, data) for data in (live, due)]
    except (msgspec.MsgspecError, ValueError):
        cells = [{}, {}]
    named = f"{key} {field!r}" if field else key
    if cells[0] != cells[1]:
        yield from differing(partition, named, *cells)
        return
    texts = [None if data is None else as_text(data) for data in (live, due)]
    yield Difference(partition=partition, place=named, cell="the text", live=texts[0], replayed=texts[1])


def _cells(key: str, field: str, data: bytes | None) -> dict[str, int]:
    """The cells of a field, by day or month and kind; raises msgspec.MsgspecError for one that says none."""
    if data is None:
        return {}
    if key.startswith("months:"):
        month = int(field.partition("|")[0])
        totals = msgspec.json.decode(data, type=dict[str, int])
        return {f"{text_of_day(first_day_of_month(month))[:7]} {kind}": amount for kind, amount in totals.items()}
    first = first_day_of_month(int(key.rpartition(":")[2]))
    return {
        f"{text_of_day(first + int(day) - 1)} {kind}": amount
        for kind, days in page_of_bytes(data).items()
        for day, amount in days.items()
    }
