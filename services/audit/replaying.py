"""Replaying: bridges and figures worked out from the postings of the ledger alone, by SQL, as known at any moment.

Nothing of the live projection takes part, neither what it keeps nor how it adds up: postings are selected, summed
and counted by DuckDB; only the formulas over sums are those of every report.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from events.block import Genesis
from events.money import Exact
from events.policy import Policy
from events.timeline import Cell
from projections.basis import Details, Figure, Source
from projections.buckets import Buckets, buckets_of
from projections.concentration import Shares, shares_of_levels
from projections.conversion import Converter, Holding
from projections.groups import Group
from projections.lives import Lives
from projections.pages import Amount
from projections.periods import PeriodError
from projections.records import Key
from projections.retention import Retention
from projections.sales import Sources
from projections.sales import Told as SalesTold
from projections.satisfaction import Item
from projections.tables import SALES
from projections.tally import EVERY
from projections.worth import as_it_is
from services.archive.manifests import Table
from services.archive.tables import Told
from services.audit.alternatives import asking_under
from services.audit.asking import NAMES, Asked, asking, genesis_at, known_or_now
from services.audit.noting import items_of, notes_of, stated_of
from services.audit.selecting import (
    LIVES,
    RETENTION,
    SHARES,
    check_names,
    chosen_sql,
    currency_in,
    day_sql,
    rates_in,
)
from services.audit.valuing import check_currency, check_values
from services.comparing import bounds_before, rows_compared
from services.converting import bridge_converted, details_converted, figures_converted, rates_required, told_of
from services.details import IN_SUMS, NOTED, OF_POSTINGS, Accounts, details_told, months_of
from services.evidence import AsOf, parts_of
from services.ledgers.port import Chains
from services.listing import bounds_of_table, listed, question_of_labels
from services.moments import Known, known_now
from services.questions import Question, QuestionError, bounds_for, window_of
from services.reports import bounds_of_figures, chosen_figures, newest_day, sources_of
from services.rows import Answer, rows_of_bridge, rows_of_figures
from services.selling import sold
from services.settings import Settings
from services.values import says_nothing

POSTINGS: Final[tuple[Table, ...]] = ("postings",)
"""All that is read of a ledger to replay it, unless rates, notes or terms are needed."""
_UNCOUNTED: Final = frozenset(("nrr", "grr", "gross_mrr_churn_rate", "net_mrr_churn_rate", "quick_ratio"))
"""Figures that no number of accounts goes into: to count a million of them takes longer than all the rest."""
_AMOUNTS: Final = """
    SELECT {place} AS place, movement, {grp} AS grp, sum(amount) AS total FROM chosen WHERE {within} GROUP BY ALL
"""
# What happened to an account, day by day; all days before the window are one. An account counts as active while its
# level is above zero, and counts as new, back or gone on each day on which that sums up to anything.
_ACCOUNTS: Final = """
    SELECT place, unnest(['active', 'n_new', 'n_reactivated', 'n_churned']), {whole}, unnest([active, new, back, gone])
    FROM (
        SELECT {place} AS place, grp,
            count_if(level > 0) - count_if(level - change > 0) AS active,
            count(*) FILTER (new <> 0) AS new, count(*) FILTER (back <> 0) AS back, count(*) FILTER (gone <> 0) AS gone
        FROM (
            SELECT *, sum(change) OVER (PARTITION BY grp, account ORDER BY day) AS level
            FROM (
                SELECT grp, account, greatest(day, {eve}) AS day, sum(amount) AS change,
                    sum(amount) FILTER (movement = 'new') AS new,
                    sum(amount) FILTER (movement = 'reactivation') AS back,
                    sum(amount) FILTER (movement = 'churn') AS gone
                FROM chosen WHERE movement <> 'ahead' AND day < {end} GROUP BY ALL
            )
        )
        GROUP BY ALL
    )
"""
_ANNUAL: Final = """
    SELECT {place} AS place, 'annual', {grp} AS grp, sum(amount) AS total
    FROM chosen WHERE term_months >= 12 AND {within} GROUP BY ALL
"""
# What each account held in each currency at both ends of a window.
_HELD: Final = """
    SELECT account, grp, currency, sum(CASE WHEN day < {start} THEN amount ELSE 0 END), sum(amount)
    FROM chosen WHERE movement <> 'ahead' AND day < {end} GROUP BY ALL ORDER BY account
"""


class _Settled(Struct, frozen=True):
    """A question with all that it leaves open settled: currency and bounds of the periods, and what converts."""

    question: Question
    currency: str
    bounds: Sequence[int]
    converter: Converter | None = None

    def sql(self, *queries: str) -> str:
        """Queries over the postings chosen, their rows one after the other; what is in braces is filled in."""
        start, end = day_sql(self.bounds[0]), day_sql(self.bounds[-1])
        eve = day_sql(self.bounds[0] - 1)
        grp, whole = ("grp", "grp") if self.converter is None else ("currency || '|' || grp", f"'{EVERY}|' || grp")
        filled = [
            query.format(place=self._place_sql(), start=start, eve=eve, end=end, grp=grp, whole=whole)
            for query in queries
        ]
        chosen = chosen_sql(self.question, self.currency if self.converter is None else None)
        return f"WITH chosen AS ({chosen}) {' UNION ALL '.join(filled)}"

    def _place_sql(self) -> str:
        """The first day of the period that a day is in, as a number; of a day before all, the one before the first."""
        start, end = self.bounds[0], self.bounds[-1]
        first = f"date_trunc('{self.question.every}', day)" if len(self.bounds) > 2 else day_sql(start)
        number = f"date_diff('day', DATE '1970-01-01', greatest({day_sql(start)}, {first}))"
        outside = f"WHEN day < {day_sql(start)} THEN {start - 1} WHEN day >= {day_sql(end)} THEN {end}"
        return f"CASE {outside} ELSE {number} END"


async def replayed(
    ledger: Chains,
    genesis: Genesis,
    question: Question,
    *,
    is_bridge: bool = True,
    settings: Settings | None = None,
    policy: Policy | None = None,
    told: Told = lambda _: None,
) -> Answer:
    """The bridge of every period, or figures of a day or a window, in the form of the live reports.

    Read from the archive of the settings as far as it goes; under another policy every event is booked again first.
    Raises QuestionError, NotBookable, ArchiveDamaged, ArchiveUnavailable, BlockDamaged, LedgerError.
    """
    known = await known_or_now(ledger, genesis, question.known_at)
    if policy is None:
        names = _tables_of(question, is_bridge=is_bridge)
        async with asking(ledger, genesis, known, settings, told, names) as asked:
            return await _checked(asked, known, question, settings, is_bridge=is_bridge)
    async with asking_under(policy, ledger, genesis, known, told) as asked:
        answer = await _checked(asked, known, question, settings, is_bridge=is_bridge)
        return {**answer, "recorded_policy": (await genesis_at(ledger, genesis, known)).policy.stamp}


async def _checked(
    asked: Asked, known: Known, question: Question, settings: Settings | None, *, is_bridge: bool
) -> Answer:
    """An answer to a question whose names and values there are."""
    await _check_names(asked, question, settings)
    await check_currency(asked, question, settings)
    answer = await replay(asked, known, question, is_bridge=is_bridge)
    if says_nothing(answer["rows"]):
        await check_values(asked, question.where, settings)
    return answer


def _tables_of(question: Question, *, is_bridge: bool) -> Sequence[Table]:
    """The tables that a question is answered from; raises QuestionError."""
    sources = set() if is_bridge else sources_of(chosen_figures(question))
    return POSTINGS if question.convert is None and sources <= OF_POSTINGS | IN_SUMS else NAMES


async def replayed_table(
    ledger: Chains,
    genesis: Genesis,
    name: str,
    question: Question,
    settings: Settings | None = None,
    policy: Policy | None = None,
    told: Told = lambda _: None,
) -> Answer:
    """A table of the catalogue from the ledger alone, in the form of the live one; raises as `replayed`."""
    labels = question_of_labels(name, question)
    known = await known_or_now(ledger, genesis, question.known_at)
    asking_so = (
        asking(ledger, genesis, known, settings, told)
        if policy is None
        else asking_under(policy, ledger, genesis, known, told)
    )
    async with asking_so as asked:
        await _check_names(asked, labels, settings)
        await check_currency(asked, question, settings)
        as_of = await asked.as_of(known, question.known_at)
        currency = await currency_in(asked.tables, question, converts=False)
        bounds = bounds_of_table(name, question, newest_day(as_of, asked.zone))
        notes, items = await notes_of(asked.tables, asked.zone), await items_of(asked.tables, currency)
        if name in SALES:
            everyone = [(account, items.get(account, []), notes.get(account, [])) for account in {**items, **notes}]
            found = sold(SALES[name], await _sources(asked, everyone), question, currency, bounds)
        else:
            accounts = ((account, some, notes.get(account, [])) for account, some in items.items())
            found = listed(name, accounts, question, currency, bounds)
        if says_nothing(found["rows"]):
            await check_values(asked, question.where, settings)
    return {**_answer(asked, currency, as_of, []), **found, "report": name}


async def _sources(asked: Asked, told: Iterable[SalesTold]) -> Sources:
    """What tables of sales are worked out from."""
    policy = asked.genesis.policy
    off = await stated_of(asked.tables, policy)
    if policy.discounts == "net":
        return Sources(told, lambda account: off.get(account, ()))
    deducted = await stated_of(asked.tables, policy, policy.discounts)
    return Sources(told, lambda account: off.get(account, ()), lambda account: deducted.get(account, ()))


async def _check_names(asked: Asked, question: Question, settings: Settings | None) -> None:
    """Raises QuestionError for a name that nothing is labelled with, neither then nor by later events."""
    try:
        await check_names(asked.tables, question)
    except QuestionError:
        known = await known_now(asked.ledger, range(asked.genesis.partitions))
        if known.heights == asked.tables.heights:
            raise
        async with asking(asked.ledger, asked.genesis, known, settings, names=POSTINGS) as now:
            await check_names(now.tables, question)


async def replay(asked: Asked, known: Known, question: Question, *, is_bridge: bool = True) -> Answer:
    """The answer from tables of what was known; raises QuestionError."""
    as_of = await asked.as_of(known, question.known_at)
    newest = newest_day(as_of, asked.zone)
    try:
        if is_bridge:
            settled = await _settled(asked, question, bounds_for(question, *window_of(question, newest)))
        else:
            settled = await _settled(asked, question, bounds_of_figures(question, newest))
        with rates_required(question):
            rows = await (_bridge(asked, settled) if is_bridge else _figures_compared(asked, settled))
    except PeriodError as error:
        raise QuestionError("every", str(error)) from error
    converted = {} if settled.converter is None else told_of(settled.converter)
    return {**_answer(asked, settled.currency, as_of, rows), **converted}


async def _settled(asked: Asked, question: Question, bounds: Sequence[int]) -> _Settled:
    currency = await currency_in(asked.tables, question, converts=True)
    if question.convert is None:
        return _Settled(question, currency, bounds)
    rates = await rates_in(asked.tables, asked.zone)
    return _Settled(question, currency, bounds, Converter(rates, currency, question.convert, bounds))


def _answer(asked: Asked, currency: str, as_of: AsOf, rows: list[Answer]) -> Answer:
    return {
        "report": "replay",
        "currency": currency,
        "policy": asked.genesis.policy.stamp,
        "as_of": as_of.shown(),
        "rows": rows,
    }


async def _bridge(asked: Asked, settled: _Settled) -> list[Answer]:
    question, bounds, converter = settled.question, settled.bounds, settled.converter
    found = await _buckets(asked, settled, "day < {end}")
    if converter is None:
        rows = rows_of_bridge(found, question, bounds)
    else:
        rows = bridge_converted(parts_of(found), question, bounds, converter)
    if question.accounts:
        return rows
    return [{name: part for name, part in row.items() if name != "accounts"} for row in rows]


async def _figures_compared(asked: Asked, settled: _Settled) -> list[Answer]:
    chosen = chosen_figures(settled.question)
    before = bounds_before(settled.question, settled.bounds)
    rows = await _figures(asked, settled, chosen)
    if before is None:
        return rows
    beside = None if settled.converter is None else settled.converter.beside(before)
    then = await _figures(asked, replace(settled, bounds=before, converter=beside), chosen)
    return rows_compared((settled.bounds, rows), (before, then), chosen)


async def _figures(asked: Asked, settled: _Settled, chosen: Sequence[Figure]) -> list[Answer]:
    question, bounds, converter = settled.question, settled.bounds, settled.converter
    counted = settled
    if all(figure.name in _UNCOUNTED for figure in chosen):
        counted = replace(settled, question=replace(question, accounts=False))
    found = await _buckets(asked, counted, "true")
    sources = sources_of(chosen)
    lives = await _lives(asked, settled) if "lives" in sources else {}
    looked_at = _details if converter is None else _details_converted
    details, accounts = await looked_at(asked, settled, sources), await _accounts(asked, settled, sources)
    currency, worth = (settled.currency, as_it_is) if converter is None else (None, converter.over)
    details = details_told(details, accounts, question, currency, bounds, sources, worth)
    details = replace(details, months=months_of(bounds), margin=asked.genesis.policy.margin, lives=lives)
    if converter is not None:
        return figures_converted(parts_of(found), details, question, bounds, chosen, converter)
    return rows_of_figures(found, details, question, bounds, chosen)


async def _details(asked: Asked, settled: _Settled, sources: set[Source]) -> Details:
    retention: dict[str, Retention] = {}
    shares: dict[str, Shares] = {}
    if "retention" in sources:
        rows = await asked.tables.rows(settled.sql(RETENTION))
        retention = {group: Retention(*map(int, sums)) for group, *sums in rows}
    if "shares" in sources:
        rows = await asked.tables.rows(settled.sql(SHARES))
        shares = {group: shares_of_levels(map(int, levels)) for group, levels in rows}
    return Details(retention, shares)


async def _accounts(asked: Asked, settled: _Settled, sources: set[Source]) -> Accounts:
    """What is told of accounts besides sums, as far as it is needed."""
    notes = {} if sources.isdisjoint(NOTED) else await notes_of(asked.tables, asked.zone)
    held: dict[str, list[Item]] = {}
    if "answers" in sources:
        held = await items_of(asked.tables, None, frozenset(notes))
    posted: dict[str, list[Item]] = {}
    if not sources.isdisjoint(("contracts", "begun")):
        posted = await items_of(asked.tables, settled.currency if settled.converter is None else None)
    facts = await stated_of(asked.tables, asked.genesis.policy) if "discounts" in sources else {}
    return Accounts(
        lambda: ((name, some, held.get(name, [])) for name, some in notes.items()),
        lambda: ((name, some, notes.get(name, [])) for name, some in posted.items()),
        facts.items,
    )


async def _lives(asked: Asked, settled: _Settled) -> dict[str, Lives]:
    rows = await asked.tables.rows(settled.sql(LIVES))
    return {value.removeprefix(f"{EVERY}|"): Lives(int(months), int(lost)) for value, months, lost in rows}


async def _details_converted(asked: Asked, settled: _Settled, sources: set[Source]) -> Details:
    converter = settled.converter
    if converter is None or sources.isdisjoint(OF_POSTINGS):
        return Details()

    def groups(_account: str, cell: Cell) -> tuple[Group, ...]:
        return ((settled.question.by or "", cell.plan),)

    def summed(rows: Iterator[tuple[Any, ...]]) -> Details:
        return details_converted(_holdings(rows, settled.bounds), settled.bounds, groups, sources, converter)

    return await asked.tables.streamed(settled.sql(_HELD), summed)


def _holdings(rows: Iterator[tuple[Any, ...]], bounds: Sequence[int]) -> Iterator[tuple[str, Holding]]:
    """What accounts hold by currency and group; the group takes the place of the plan in a cell."""
    for account, own in groupby(rows, itemgetter(0)):
        changes: dict[Key, Exact] = {}
        for _, group, currency, opening, closing in own:
            cell = Cell(currency, "", "", group, "", ())
            changes[bounds[0] - 1, "new", cell, None] = int(opening)
            changes[bounds[-1] - 1, "transfer", cell, None] = int(closing) - int(opening)
        yield account, Holding(changes)


async def _buckets(asked: Asked, settled: _Settled, within: str) -> dict[str, Buckets]:
    """The sums of every group, and its accounts if they are asked for."""
    queries = [one.replace("{within}", within) for one in (_AMOUNTS, _ANNUAL)]
    if settled.question.accounts:
        queries.append(_ACCOUNTS)

    def sorted_in(rows: Iterator[tuple[Any, ...]]) -> dict[str, Buckets]:
        return buckets_of(settled.bounds, (), map(_amount, rows), frozenset())

    return await asked.tables.streamed(settled.sql(*queries), sorted_in)


def _amount(row: tuple[Any, ...]) -> Amount:
    day, kind, value, amount = row
    return day, kind, value, int(amount)
