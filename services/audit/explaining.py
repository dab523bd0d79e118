"""Explaining: a figure taken apart into its sums, the accounts that make them up, and their postings and events."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from events.block import Genesis
from events.days import text_of_day
from events.money import arr_minor, mrr_minor
from projections.figures import CATALOGUE, Figure
from projections.parts import EXPLAINED, PARTS, basis_of, parts_of
from services import shown
from services.archive.tables import Told
from services.audit.asking import Asked, asking, known_or_now
from services.audit.selecting import check_names, chosen_sql, currency_in, day_sql
from services.audit.telling import EventTold, Place, told_of
from services.audit.valuing import check_currency, check_values
from services.ledgers.port import Chains
from services.questions import Question, QuestionError, nearest
from services.reports import Answer, bounds_of_figures, newest_day
from services.settings import Settings


class _Asked(Struct, frozen=True):
    """A question with all that is left open in it settled; a day is a window that ends as it starts."""

    question: Question
    figure: Figure
    currency: str
    start: int
    until: int

    @property
    def sql(self) -> str:
        """What each account is worth and what it moved, by group; amounts in annual_e4."""
        days = {"start": day_sql(self.start), "until": day_sql(self.until)}
        return _BASE.format(chosen=chosen_sql(self.question, self.currency), **days)

    def span(self) -> Answer:
        """What the answer is about, as JSON says it."""
        if self.start == self.until:
            return {"at": text_of_day(self.until)}
        return {"from": text_of_day(self.start), "until": text_of_day(self.until)}


class _Account(Struct, frozen=True):
    """What one account adds to a part; `opening` and `closing` in annual_e4."""

    group: str
    name: str
    amount: int
    opening: int
    closing: int


class _Posting(Struct, frozen=True):
    """One posting behind an account; of all behind it, `count` and `total` in annual_e4."""

    day: int
    movement: str
    amount: int
    contract: str
    line: str
    plan: str
    partition: int
    seq: int
    count: int
    total: int


_Totals = Mapping[str, tuple[int, int]]
"""Part -> what it is, and how many accounts add to it."""


async def explanation(
    ledger: Chains,
    genesis: Genesis,
    name: str,
    question: Question,
    settings: Settings | None = None,
    told: Told = lambda _: None,
) -> Answer:
    """A figure or a movement with all that makes it up; raises QuestionError, and as `asking`."""
    figure = EXPLAINED.get(name)
    if name in CATALOGUE and figure is None:
        sentence = (
            f"{name} is not taken apart: that is done for {', '.join(EXPLAINED)}. Ask for its value with report figures"
        )
        raise QuestionError("figures", sentence)
    if figure is None:
        raise QuestionError("figures", f"there is no figure {name!r}{nearest(name, EXPLAINED)}")
    if figure.needs == "window" and question.at is not None:
        raise QuestionError("from", f"{name} is about a window: ask with from and until")
    known = await known_or_now(ledger, genesis, question.known_at)
    async with asking(ledger, genesis, known, settings, told) as asked:
        as_of = await asked.as_of(known, question.known_at)
        await check_names(asked.tables, question)
        await check_currency(asked, question, settings)
        await check_values(asked, question.where, settings)
        currency = await currency_in(asked.tables, question, converts=False)
        bounds = bounds_of_figures(question, newest_day(as_of, asked.zone), [figure])
        settled = _Asked(question, figure, currency, bounds[0], bounds[-1])
        return {
            "report": "explain",
            "figure": name,
            "currency": currency,
            "policy": asked.genesis.policy.stamp,
            "as_of": as_of.shown(),
            "rows": await _rows(asked, settled),
        }


async def _rows(asked: Asked, settled: _Asked) -> list[Answer]:
    names = parts_of(settled.figure)
    totals = await _totals(asked, settled, names)
    found = {name: await _accounts(asked, settled, name) for name in names}
    postings = {name: await _postings(asked, settled, name, found[name]) for name in names}
    places = {(one.partition, one.seq) for part in postings.values() for some in part.values() for one in some}
    told = await told_of(asked.tables, sorted(places), asked.zone, asked.genesis.partitions)
    rows: list[Answer] = []
    for value in sorted(totals, key=lambda value: (not value, value)):
        parts: list[Answer] = []
        for name in names:
            accounts = [one for one in found[name] if one.group == value]
            rest = [_account(settled, name, one, postings[name].get((value, one.name), []), told) for one in accounts]
            parts.append(_part(name, totals[value][name], accounts, rest))
        rows.append(_row(settled, value, totals[value], parts))
    return rows


def _row(settled: _Asked, value: str, totals: _Totals, parts: list[Answer]) -> Answer:
    figure, by = settled.figure, settled.question.by
    answer = figure.value(basis_of({name: amount for name, (amount, _) in totals.items()}))
    return {
        **settled.span(),
        **({} if by is None else {"group": {by: value or None}}),
        "value": answer,
        "unit": figure.unit,
        "definition": figure.definition,
        "formula": figure.formula,
        "worked": f"{_worked(figure, totals, settled.currency)} = {shown.figure(figure, answer, settled.currency)}",
        "parts": parts,
    }


def _worked(figure: Figure, totals: _Totals, currency: str) -> str:
    """The formula with the numbers in it."""
    return figure.worked.format(**{name: _number(name, amount, currency) for name, (amount, _) in totals.items()})


def _number(part: str, amount: int, currency: str) -> str:
    unit = PARTS[part].unit
    if unit == "accounts":
        return shown.count(amount)
    return shown.money(arr_minor(amount) if unit == "year" else mrr_minor(amount), currency)


def _sums(part: str, amount: int) -> Answer:
    if PARTS[part].unit == "accounts":
        return {"count": amount}
    return {"annual_e4": amount, "mrr_minor": mrr_minor(amount)}


def _part(name: str, total: tuple[int, int], accounts: Sequence[_Account], told: list[Answer]) -> Answer:
    amount, count = total
    part = {"part": name, "meaning": PARTS[name].meaning, **_sums(name, amount), "accounts": told}
    if count > len(accounts):
        rest = amount - sum(one.amount for one in accounts)
        part["more"] = {"accounts": count - len(accounts), **_sums(name, rest)}
    return part


def _account(
    settled: _Asked, part: str, account: _Account, postings: Sequence[_Posting], told: Mapping[Place, EventTold]
) -> Answer:
    found = {"account": account.name, **_sums(part, account.amount)}
    if "retention" in settled.figure.reads:
        found |= {
            "opening": {"annual_e4": account.opening, "mrr_minor": mrr_minor(account.opening)},
            "closing": {"annual_e4": account.closing, "mrr_minor": mrr_minor(account.closing)},
        }
    found["postings"] = [_posting(one, told[one.partition, one.seq]) for one in postings]
    if postings and postings[0].count > len(postings):
        rest = postings[0].total - sum(one.amount for one in postings)
        found["more"] = {"postings": postings[0].count - len(postings), "annual_e4": rest, "mrr_minor": mrr_minor(rest)}
    return found


def _posting(one: _Posting, told: EventTold) -> Answer:
    return {
        "day": text_of_day(one.day),
        "movement": one.movement,
        "annual_e4": one.amount,
        "mrr_minor": mrr_minor(one.amount),
        "contract": one.contract,
        "line": one.line,
        "plan": one.plan,
        "event": {**told.shown(), "words": told.sentence},
    }


async def _totals(asked: Asked, settled: _Asked, names: Sequence[str]) -> dict[str, _Totals]:
    """The parts by group; the whole is there also where there is nothing."""
    columns = ", ".join(f"sum({_OF_ACCOUNT[name]}), count_if({_OF_ACCOUNT[name]} <> 0)" for name in names)
    query = f"{settled.sql} {_TOTALS.format(columns=columns)}"
    rows = await asked.tables.rows(query)
    found: dict[str, _Totals] = {row[0]: dict(zip(names, _pairs(row[1:]), strict=True)) for row in rows}
    if settled.question.by is None:
        return found or {"": dict.fromkeys(names, (0, 0))}
    return {value: parts for value, parts in found.items() if any(count for _, count in parts.values())}


def _pairs(numbers: Sequence[Any]) -> list[tuple[int, int]]:
    return [(int(total), count) for total, count in zip(numbers[::2], numbers[1::2], strict=True)]


async def _accounts(asked: Asked, settled: _Asked, part: str) -> list[_Account]:
    """The accounts that add most to a part, in every group."""
    query = f"{settled.sql} {_LARGEST.format(amount=_OF_ACCOUNT[part])}"
    rows = await asked.tables.rows(query, [settled.question.limit])
    return [_Account(group, name, *map(int, sums)) for group, name, *sums in rows]


async def _postings(
    asked: Asked, settled: _Asked, part: str, accounts: Sequence[_Account]
) -> dict[tuple[str, str], list[_Posting]]:
    """The postings behind some accounts, by group and account: the largest, in order of their days."""
    if not accounts:
        return {}
    days = {"start": day_sql(settled.start), "until": day_sql(settled.until)}
    query = f"{settled.sql} {_BEHIND.format(fitting=_OF_POSTING[part].format(**days))}"
    asked_for = [[one.group for one in accounts], [one.name for one in accounts], settled.question.limit]
    found: dict[tuple[str, str], list[_Posting]] = {}
    for group, account, *posting in await asked.tables.rows(query, asked_for):
        found.setdefault((group, account), []).append(_Posting(*posting))
    return found


_BASE: Final = """
WITH chosen AS ({chosen}),
daily AS (SELECT grp, account, day, movement, sum(amount) AS amount,
        sum(amount) FILTER (term_months >= 12) AS annual FROM chosen GROUP BY ALL),
sums AS (
    SELECT grp, account,
        sum(amount) FILTER (movement <> 'ahead' AND day < {start}) AS opening,
        sum(amount) FILTER (movement <> 'ahead' AND day < {until}) AS closing,
        sum(amount) FILTER (movement = 'ahead' AND day < {until}) AS ahead,
        sum(annual) FILTER (day < {until}) AS annual,
        sum(amount) FILTER (movement IN ('churn', 'contraction') AND day >= {until}) AS scheduled,
        sum(amount) FILTER (movement = 'new' AND day >= {start} AND day < {until}) AS new,
        sum(amount) FILTER (movement = 'reactivation' AND day >= {start} AND day < {until}) AS reactivation,
        sum(amount) FILTER (movement = 'expansion' AND day >= {start} AND day < {until}) AS expansion,
        sum(amount) FILTER (movement = 'contraction' AND day >= {start} AND day < {until}) AS contraction,
        sum(amount) FILTER (movement = 'churn' AND day >= {start} AND day < {until}) AS churn,
        sum(amount) FILTER (movement = 'transfer' AND day >= {start} AND day < {until}) AS transfer,
        count_if(movement = 'new' AND amount <> 0 AND day >= {start} AND day < {until}) AS new_accounts
    FROM daily GROUP BY ALL
),
accounts AS (SELECT grp, account, coalesce(columns(* EXCLUDE (grp, account)), 0) FROM sums)
"""
"""Sums are exact: DuckDB adds whole numbers in 128 bits."""
_OF_ACCOUNT: Final[dict[str, str]] = {
    "annual": "closing",
    "level": "closing",
    "ahead": "ahead",
    "committed_annual": "annual",
    "scheduled": "scheduled",
    "active": "(closing > 0)::INT",
    "new_accounts": "new_accounts",
    "opening_level": "opening",
    "opening_mrr": "greatest(opening, 0)",
    "opening_accounts": "(opening > 0)::INT",
    "retained": "CASE WHEN opening > 0 THEN closing ELSE 0 END",
    "kept": "CASE WHEN opening > 0 THEN least(opening, closing) ELSE 0 END",
    "lost": "(opening > 0 AND closing <= 0)::INT",
    **{name: name for name in ("new", "reactivation", "expansion", "contraction", "churn", "transfer")},
}
"""Part -> what one account adds to it."""
_BEFORE_START: Final = "movement <> 'ahead' AND day < {start}"
_BEFORE_END: Final = "movement <> 'ahead' AND day < {until}"
_OF_POSTING: Final[dict[str, str]] = {
    **dict.fromkeys(("annual", "level", "active", "retained", "kept", "lost"), _BEFORE_END),
    **dict.fromkeys(("opening_level", "opening_mrr", "opening_accounts"), _BEFORE_START),
    "ahead": "movement = 'ahead' AND day < {until}",
    "committed_annual": "term_months >= 12 AND day < {until}",
    "scheduled": "movement IN ('churn', 'contraction') AND day >= {until}",
    "new_accounts": "movement = 'new' AND day >= {start} AND day < {until}",
    **{
        name: f"movement = '{name}' AND day >= {{start}} AND day < {{until}}"
        for name in ("new", "reactivation", "expansion", "contraction", "churn", "transfer")
    },
}
"""Part -> the postings behind it."""
_TOTALS: Final = "SELECT grp, {columns} FROM accounts GROUP BY grp"
_LARGEST: Final = """
SELECT grp, account, {amount} AS amount, opening, closing FROM accounts WHERE amount <> 0
QUALIFY row_number() OVER (PARTITION BY grp ORDER BY abs(amount) DESC, greatest(opening, closing) DESC, account) <= ?
ORDER BY grp, abs(amount) DESC, greatest(opening, closing) DESC, account
"""
_BEHIND: Final = """
SELECT grp, account, day - DATE '1970-01-01' AS day, movement, amount, contract, line, plan, partition, seq,
    count(*) OVER of_account, sum(amount) OVER of_account
FROM chosen JOIN (SELECT unnest(?) AS grp, unnest(?) AS account) AS asked USING (grp, account)
WHERE {fitting}
WINDOW of_account AS (PARTITION BY grp, account)
QUALIFY row_number() OVER (
    PARTITION BY grp, account ORDER BY abs(amount) DESC, day, partition, seq, movement, contract, line, plan, amount
) <= ?
ORDER BY grp, account, day, partition, seq, movement, contract, line, plan, amount
"""
