"""The journal: every posting of a ledger with the event that made it, in the order in which they were recorded."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Final, NamedTuple, TypeVar

from msgspec import Struct

from events.days import date_of_day
from events.money import MRR_DIVISOR
from services.archive.tables import Tables
from services.audit.selecting import day_sql

T = TypeVar("T")

SPAN_POSTINGS: Final = 50_000
"""About how many postings are read and written at once; memory grows with it."""
STEP_ENTRIES: Final = 256
"""Entries that are never parted: spans are made of these."""


class Line(NamedTuple):
    """A posting and its event; times in microseconds. The names of its fields are those of the columns, and stay."""

    partition: int
    height: int
    seq: int
    posting: int
    recorded_at: int
    source: str
    id: str
    type: str
    time: int
    day: date
    account: str
    contract: str
    line: str
    plan: str
    product: str
    owner: str
    campaign: str
    channel: str
    term_months: int | None
    movement: str
    reason: str
    initiative: str
    currency: str
    mrr_minor: int
    annual_e4: int
    attributes: dict[str, str]


COLUMNS: Final = Line._fields

# Postings of one event are in one order, whichever file they come from: that of all that tells them apart.
_ORDER: Final = (
    "day, movement, contract, line, plan, product, currency, owner, campaign, channel, term_months, reason,"
    " initiative, amount_e4, attributes"
)
# Half up in integers: the remainder of a fall is made positive first.
_MRR: Final = "({0} - (({0}) % {1} + {1}) % {1}) // {1}".format(
    f"(amount_e4::HUGEINT + {MRR_DIVISOR // 2})", MRR_DIVISOR
)
_WRITTEN: Final = {
    "recorded_at": "epoch_us(p.recorded_at)",
    "time": "epoch_us(e.time)",
    "mrr_minor": f"({_MRR})::BIGINT",
    "annual_e4": "p.amount_e4",
    **{name: f"e.{name}" for name in ("source", "id", "type")},
}
_NUMBERED: Final = f"""
    SELECT *, row_number() OVER (PARTITION BY seq ORDER BY {_ORDER}) AS posting
    FROM postings WHERE partition = {{partition}} AND seq >= {{start}} AND seq < {{until}}
"""  # noqa: S608
_LINES: Final = f"""
    SELECT {", ".join(f"{_WRITTEN.get(name, 'p.' + name)} AS {name}" for name in COLUMNS)}
    FROM ({_NUMBERED}) AS p JOIN (
        SELECT seq, source, id, type, time
        FROM entries WHERE partition = {{partition}} AND seq >= {{start}} AND seq < {{until}}
    ) AS e ON p.seq = e.seq
    WHERE {{within}} ORDER BY p.seq, p.posting
"""  # noqa: S608
_STEPS: Final = """
    SELECT partition, seq // {entries} AS step, count(*) FROM postings
    WHERE {within} GROUP BY ALL ORDER BY ALL
"""
_OPENED: Final = """
    SELECT movement = 'ahead', account, contract, min(day) FROM postings
    WHERE {within} GROUP BY ALL ORDER BY ALL
"""
_TOTALS: Final = """
    SELECT movement, currency, sum(amount_e4)::HUGEINT, min(day), max(day) FROM postings
    WHERE {within} GROUP BY ALL ORDER BY ALL
"""


class Window(Struct, frozen=True):
    """Postings of which days count: from `start` on and before `until`, numbers of days; None for no bound."""

    start: int | None = None
    until: int | None = None

    def sql(self) -> str:
        """The same as a condition."""
        bounds = ((">=", self.start), ("<", self.until))
        return " AND ".join(f"day {sign} {day_sql(day)}" for sign, day in bounds if day is not None) or "true"

    def texts(self) -> dict[str, str]:
        """The bounds there are, by name, as `YYYY-MM-DD`."""
        named = {"from": self.start, "until": self.until}
        return {name: date_of_day(day).isoformat() for name, day in named.items() if day is not None}


class Span(NamedTuple):
    """Entries `start` to `until - 1` of a partition, whose postings fit into memory."""

    partition: int
    start: int
    until: int
    postings: int


class Total(NamedTuple):
    """What the postings of one movement and currency come to, and the first and last of their days."""

    movement: str
    currency: str
    annual_e4: int
    first: date
    last: date


class Opened(NamedTuple):
    """A contract that something was posted to, what is agreed for later apart, and the first day of that."""

    is_ahead: bool
    account: str
    contract: str
    first: date


class Journal:
    """The postings of a window, in order, a span at a time; needs the tables `postings` and `entries`."""

    def __init__(self, tables: Tables, window: Window) -> None:
        self._tables = tables
        self._within = window.sql()

    async def spans(self) -> list[Span]:
        """All that has postings in the window, in the order of the ledger."""
        steps = await self._tables.rows(_STEPS.format(within=self._within, entries=STEP_ENTRIES))
        return list(_joined(steps, SPAN_POSTINGS))

    async def totals(self) -> list[Total]:
        """The sum of each movement and currency, by SQL and not by what is written."""
        rows = await self._tables.rows(_TOTALS.format(within=self._within))
        return [Total(movement, currency, int(total), first, last) for movement, currency, total, first, last in rows]

    async def opened(self, taken: Callable[[Iterator[Opened]], T]) -> T:
        """What a function makes of the contracts, which it is handed in the thread that asks."""
        return await self._tables.streamed(
            _OPENED.format(within=self._within), lambda rows: taken(Opened(*row) for row in rows)
        )

    async def lines(self, span: Span, taken: Callable[[Iterator[Line]], T]) -> T:
        """What a function makes of the postings of a span, which it is handed in the thread that asks."""
        query = _LINES.format(partition=span.partition, start=span.start, until=span.until, within=self._within)
        return await self._tables.streamed(query, lambda rows: taken(Line(*row) for row in rows))


def _joined(steps: Sequence[tuple[int, int, int]], postings: int) -> Iterator[Span]:
    """Steps of a partition put together until they are large enough."""
    span: Span | None = None
    for partition, step, count in steps:
        start, until = step * STEP_ENTRIES, (step + 1) * STEP_ENTRIES
        if span is not None and (span.partition != partition or span.postings >= postings):
            yield span
            span = None
        first, before = (start, 0) if span is None else (span.start, span.postings)
        span = Span(partition, first, until, before + count)
    if span is not None:
        yield span
