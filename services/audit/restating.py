"""Restating: what changed about a period between two moments of knowledge, and which events did it.

What was known at the later moment and not at the earlier is postings of the blocks in between, and nothing
else: so the change of a period is the sum of those whose day lies in it, and each belongs to one event.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from events.block import Genesis
from events.days import text_of_day
from events.money import mrr_minor
from events.movements import BRIDGE_MOVEMENTS
from projections.bridge import BridgeRow, bridge_rows, level_of
from projections.buckets import Buckets, buckets_of, empty_buckets
from projections.pages import Amount
from services import shown
from services.archive.tables import Told
from services.audit.asking import Asked, asking, known_between
from services.audit.selecting import check_names, chosen_sql, currency_in, day_sql, known_sql
from services.audit.telling import EventTold, Place, told_of
from services.audit.valuing import check_currency, check_values
from services.audit.wording import effects_words
from services.evidence import AsOf
from services.ledgers.port import Chains
from services.moments import Known
from services.questions import Question, QuestionError, bounds_for, window_of
from services.reports import Answer, newest_day
from services.rows import in_order
from services.settings import Settings

OPENING: Final = "opening"


class _Asked(Struct, frozen=True):
    """A question with all that is left open in it settled; `known` at the earlier moment."""

    question: Question
    currency: str
    bounds: list[int]
    known: Known

    @property
    def changed_sql(self) -> str:
        """The postings of the question, and those of them that came between; `period` is null before the first."""
        starts = ", ".join(day_sql(day) for day in self.bounds)
        return f"""
            WITH bounds AS (SELECT unnest([{starts}]) AS period),
            chosen AS (
                SELECT * FROM ({chosen_sql(self.question, self.currency)}) ASOF LEFT JOIN bounds ON day >= period
                WHERE day < {day_sql(self.bounds[-1])}
            ),
            changed AS (SELECT * FROM chosen WHERE NOT {known_sql(self.known.heights)})"""  # noqa: S608


class _Effect(Struct, frozen=True):
    """What one event changed in one row, by movement; `days` are the first and last it posted to."""

    place: Place
    days: tuple[int, int]
    changes: dict[str, int]


class _Effects(Struct, frozen=True):
    """The largest effects on one row, and how many there are in all."""

    largest: list[_Effect]
    count: int


async def restatement(
    ledger: Chains,
    genesis: Genesis,
    question: Question,
    settings: Settings | None = None,
    told: Told = lambda _: None,
) -> Answer:
    """What changed between two moments, by period; raises QuestionError, and as `asking`."""
    if question.between is None:
        raise QuestionError("between", "say between which two moments: give the earlier and the later, such as now")
    first, second = await known_between(ledger, genesis, question.between)
    async with asking(ledger, genesis, second, settings, told) as asked:
        then = [await asked.as_of(*one) for one in zip((first, second), question.between, strict=True)]
        await check_names(asked.tables, question)
        await check_currency(asked, question, settings)
        await check_values(asked, question.where, settings)
        currency = await currency_in(asked.tables, question, converts=False)
        bounds = bounds_for(question, *window_of(question, newest_day(then[1], asked.zone)))
        settled = _Asked(question, currency, bounds, first)
        return _answer(settled, asked.genesis, then, await _rows(asked, settled))


def _answer(settled: _Asked, genesis: Genesis, then: Sequence[AsOf], rows: list[Answer]) -> Answer:
    return {
        "report": "restate",
        "currency": settled.currency,
        "policy": genesis.policy.stamp,
        "between": [as_of.shown() for as_of in then],
        "rows": rows,
    }


async def _rows(asked: Asked, settled: _Asked) -> list[Answer]:
    amounts = [*await _amounts(asked, settled), *await _accounts(asked, settled)]
    found = buckets_of(settled.bounds, (), amounts, frozenset())
    effects = await _effects(asked, settled)
    places = sorted({one.place for row in effects.values() for one in row.largest})
    told = await told_of(asked.tables, places, asked.zone, asked.genesis.partitions)
    groups = {value for value, buckets in found.items() if not buckets.is_empty} | {value for value, _ in effects}
    if settled.question.by is None:
        groups = {""}
    nothing = empty_buckets(len(settled.bounds) - 1)
    rows: dict[str, list[Answer]] = {}
    for value in groups:
        buckets = found.get(value, nothing)
        rows[value] = [
            _row(settled, value, row, committed, effects.get((value, row.start), _Effects([], 0)), told)
            for row, committed in zip(bridge_rows(settled.bounds, buckets), _committed(buckets), strict=True)
        ]
    return [rows[value][index] for index in range(len(settled.bounds) - 1) for value in in_order(groups)]


def _committed(buckets: Buckets) -> Iterable[int]:
    """How the committed level at the end of each period changed."""
    level = 0
    for sums in (buckets.before, *buckets.within):
        level += level_of(sums) + sums.get("ahead", 0)
        if sums is not buckets.before:
            yield level


def _row(
    settled: _Asked, value: str, row: BridgeRow, committed: int, effects: _Effects, told: Mapping[Place, EventTold]
) -> Answer:
    start, until = text_of_day(row.start), text_of_day(row.until)
    period = shown.period(start, until)
    answer: Answer = {
        "from": start,
        "until": until,
        **({} if settled.question.by is None else {"group": {settled.question.by: value or None}}),
        "annual_e4": row.annual_e4,
        "mrr_minor": row.mrr_minor,
        "accounts": row.accounts,
        "committed": {"annual_e4": committed, "mrr_minor": mrr_minor(committed)},
        "events": [_event(one, told[one.place], settled.currency, period) for one in effects.largest],
    }
    if effects.count > len(effects.largest):
        kinds = BRIDGE_MOVEMENTS if row.start != settled.bounds[0] else (OPENING, *BRIDGE_MOVEMENTS)
        rest = {kind: row.annual_e4[kind] - sum(one.changes.get(kind, 0) for one in effects.largest) for kind in kinds}
        answer["more"] = {"events": effects.count - len(effects.largest), **_changes(rest)}
    return answer


def _event(effect: _Effect, told: EventTold, currency: str, period: str) -> Answer:
    first, last = effect.days
    is_of_one_day = first == last != told.day and OPENING not in effect.changes
    when = f"on {text_of_day(first)}" if is_of_one_day else f"in {period}"
    words = f"{told.sentence}: {effects_words(effect.changes, currency)} {when}"
    return {**told.shown(), **_changes(effect.changes), "words": words}


def _changes(changes: Mapping[str, int]) -> Answer:
    moved = {kind: amount for kind, amount in changes.items() if amount}
    return {"changes": moved, "mrr_minor": {kind: mrr_minor(amount) for kind, amount in moved.items()}}


async def _amounts(asked: Asked, settled: _Asked) -> list[Amount]:
    """What was posted in between, by period, movement and group."""
    query = f"{settled.changed_sql} {_SUMS}"
    return [_amount(settled, row) for row in await asked.tables.rows(query)]


async def _accounts(asked: Asked, settled: _Asked) -> list[Amount]:
    """How the counts of accounts changed: those that were posted to, counted with what came between and without."""
    query = f"{settled.changed_sql} {_COUNTED.format(known=known_sql(settled.known.heights))}"
    rows = await asked.tables.rows(query)
    kinds = ("active", "n_new", "n_reactivated", "n_churned")
    return [
        _amount(settled, (row[0], kind, row[1], count))
        for row in rows
        for kind, count in zip(kinds, row[2:], strict=True)
    ]


def _amount(settled: _Asked, row: Sequence[Any]) -> Amount:
    day, kind, value, amount = row
    return (settled.bounds[0] - 1 if day is None else day), kind, value, int(amount)


async def _effects(asked: Asked, settled: _Asked) -> dict[tuple[str, int], _Effects]:
    """The effects of the events in between by group and first day of the period, the largest of each."""
    begun = day_sql(settled.bounds[0])
    named = _EFFECTS.format(first=begun)
    counts = await asked.tables.rows(f"{settled.changed_sql}, {named} {_EFFECT_COUNTS}")
    found = {(group, start): _Effects([], count) for group, start, count in counts}
    rows = await asked.tables.rows(f"{settled.changed_sql}, {named} {_LARGEST}", [settled.question.limit])
    for group, start, partition, seq, first, last, kinds, amounts in rows:
        by_kind = dict(zip(kinds, amounts, strict=True))
        changes = {kind: int(by_kind[kind]) for kind in (OPENING, *BRIDGE_MOVEMENTS) if kind in by_kind}
        found[group, start].largest.append(_Effect((partition, seq), (first, last), changes))
    return found


_SUMS: Final = "SELECT period - DATE '1970-01-01', movement, grp, sum(amount) FROM changed GROUP BY ALL"
_COUNTED: Final = """,
daily AS (
    SELECT grp, account, period, day,
        coalesce(sum(amount) FILTER ({known}), 0) AS old,
        sum(amount) AS now,
        coalesce(sum(amount) FILTER ({known} AND movement = 'new'), 0) <> 0 AS old_new,
        coalesce(sum(amount) FILTER (movement = 'new'), 0) <> 0 AS now_new,
        coalesce(sum(amount) FILTER ({known} AND movement = 'reactivation'), 0) <> 0 AS old_back,
        coalesce(sum(amount) FILTER (movement = 'reactivation'), 0) <> 0 AS now_back,
        coalesce(sum(amount) FILTER ({known} AND movement = 'churn'), 0) <> 0 AS old_gone,
        coalesce(sum(amount) FILTER (movement = 'churn'), 0) <> 0 AS now_gone
    FROM chosen WHERE movement <> 'ahead' AND account IN (SELECT account FROM changed)
    GROUP BY ALL
),
levels AS (
    SELECT *, sum(old) OVER path AS old_level, sum(now) OVER path AS now_level
    FROM daily WINDOW path AS (PARTITION BY grp, account ORDER BY day)
)
SELECT period - DATE '1970-01-01', grp,
    sum((now_level > 0)::INT - (now_level - now > 0)::INT - (old_level > 0)::INT + (old_level - old > 0)::INT),
    sum(now_new::INT - old_new::INT), sum(now_back::INT - old_back::INT), sum(now_gone::INT - old_gone::INT)
FROM levels GROUP BY ALL
"""
_EFFECTS: Final = """
sums AS (
    SELECT grp, coalesce(period, {first}) AS start, partition, seq,
        CASE WHEN period IS NULL THEN 'opening' ELSE movement END AS kind,
        sum(amount) AS moved, min(day) AS first_day, max(day) AS last_day
    FROM changed WHERE movement <> 'ahead' GROUP BY ALL HAVING moved <> 0
),
effects AS (
    SELECT grp, start - DATE '1970-01-01' AS start, partition, seq,
        min(first_day) - DATE '1970-01-01' AS first_day, max(last_day) - DATE '1970-01-01' AS last_day,
        list(kind) AS kinds, list(moved) AS amounts, sum(abs(moved)) AS size
    FROM sums GROUP BY ALL
)
"""
_EFFECT_COUNTS: Final = "SELECT grp, start, count(*) FROM effects GROUP BY ALL"
_LARGEST: Final = """
SELECT grp, start, partition, seq, first_day, last_day, kinds, amounts FROM effects
QUALIFY row_number() OVER (PARTITION BY grp, start ORDER BY size DESC, partition, seq) <= ?
ORDER BY grp, start, size DESC, partition, seq
"""
