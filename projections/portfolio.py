"""Portfolio: which accounts and contracts the revenue consists of, how it moves, and what is up for renewal."""

from collections.abc import Iterable, Sequence
from typing import Final

from events.days import day_months_later, text_of_day
from events.money import mrr_minor, ratio_text
from projections.columns import (
    Asked,
    Row,
    Table,
    Told,
    columns,
    contracts_held,
    last_score,
    level_before,
    tags_said,
    yearly_minor,
)
from projections.periods import months_held
from projections.satisfaction import Item

RENEWAL_DAYS: Final = (7, 30, 90)
"""How far ahead terms that end are told, nearest first."""
PATTERN_MONTHS: Final = 12
"""How far back an account is looked at to tell how it grows."""


def _concentration(told: Iterable[Told], asked: Asked) -> list[Row]:
    levels = [(level_before(items, asked, asked.day), account) for account, items, _ in told]
    largest = sorted((-level, account) for level, account in levels if level > 0)
    return concentration_rows(largest, -sum(level for level, _ in largest))


def concentration_rows(largest: Iterable[tuple[int, str]], total: int) -> list[Row]:
    """The rows of the largest accounts, given what each is worth as a negative number, and all of them together."""
    so_far = 0
    rows: list[Row] = []
    for place, (level, account) in enumerate(largest, 1):
        so_far -= level
        rows.append(
            {
                "account": account,
                "rank": place,
                "mrr_minor": mrr_minor(-level),
                "share": ratio_text(-level, total),
                "share_so_far": ratio_text(so_far, total),
            }
        )
    return rows


def _top_heavy(rows: Sequence[Row]) -> str | None:
    """Three accounts that make more than half, of more than three."""
    if len(rows) > 3 and rows[2]["share_so_far"] > "0.50000000":
        return "three accounts make more than half of the revenue"
    return None


def _last_movement(items: Iterable[Item], day: int) -> tuple[str | None, int | None]:
    """The latest movement before a day that is no transfer, and its day."""
    moved = [(at, movement) for (at, movement, _, _), _ in items if at < day and movement not in ("ahead", "transfer")]
    if not moved:
        return None, None
    at, movement = max(moved)
    return movement, at


def renewal_row(
    named: tuple[str, str],
    term: tuple[int, bool],
    level: int,
    yearly: int,
    nps: int | None,
    csat: int | None,
    moved: tuple[str | None, int | None],
    tags: list[str],
    day: int,
) -> Row:
    """The row of an account's contract on a day, given the end of its term and whether that begins again.

    `yearly` is what it is worth a year of its term, in minor units, `moved` its account's last movement and its day.
    """
    (account, contract), (end, renews), (movement, on) = named, term, moved
    return {
        "ends": text_of_day(end),
        "account": account,
        "contract": contract,
        "within_days": next(limit for limit in RENEWAL_DAYS if end - day < limit),
        "renews": "yes" if renews else "no",
        "mrr_minor": mrr_minor(level),
        "acv_minor": yearly,
        "nps": nps,
        "csat": csat,
        "last_movement": movement,
        "moved": None if on is None else text_of_day(on),
        "tags": tags,
    }


def _renewals(told: Iterable[Told], asked: Asked) -> list[Row]:
    rows: list[Row] = []
    for held, (_, items, notes) in contracts_held(told, asked):
        if held.term.is_open or held.term.end - asked.day >= RENEWAL_DAYS[-1]:
            continue
        named, ends = (held.account, held.contract), (held.term.end, held.term.renews)
        scores = (last_score(notes, "nps", asked.day), last_score(notes, "csat", asked.day))
        said = (*scores, _last_movement(items, asked.day), tags_said(notes, asked.day))
        rows.append(renewal_row(named, ends, held.level, yearly_minor(held), *said, asked.day))
    return sorted(rows, key=lambda row: (row["ends"], -row["mrr_minor"], row["account"], row["contract"]))


def _so_far(items: Iterable[Item], asked: Asked) -> int:
    """MRR as each month ended so far, and of the last one as the day begins, added up; in annual_e4."""
    return sum(
        [
            amount * months_held(at, asked.day)
            for (at, movement, cell, _), amount in items
            if at < asked.day and movement != "ahead" and cell.currency == asked.currency
        ]
    )


def _accounts(told: Iterable[Told], asked: Asked) -> list[Row]:
    then = year_before(asked.day)
    levels: list[tuple[str, int, int, int, bool]] = []
    for account, items, _ in told:
        before, now = level_before(items, asked, then), level_before(items, asked, asked.day)
        if before > 0 or now > 0:
            levels.append((account, before, now, _so_far(items, asked), _had_before(items, asked, then)))
    return account_rows(levels)


def _had_before(items: Iterable[Item], asked: Asked, day: int) -> bool:
    """Whether an account ever had revenue before a day."""
    return any(
        at < day and movement != "ahead" and amount > 0
        for (at, movement, cell, _), amount in items
        if cell.currency == asked.currency
    )


def year_before(day: int) -> int:
    """The day an account is compared with."""
    return day_months_later(day, -PATTERN_MONTHS)


def pattern_of(before: int, now: int, *, had_before: bool) -> str:
    """How an account went since a year before; `had_before`: it had revenue by then, be it none on that day."""
    if before <= 0 < now:
        return "returned" if had_before else "new"
    return "growing" if now > before else "shrinking" if now < before else "flat"


def account_rows(levels: Iterable[tuple[str, int, int, int, bool]]) -> list[Row]:
    """The rows of accounts: what each was worth a year before, is, and came to; and whether it had any by then."""
    rows: list[Row] = []
    for account, before, now, so_far, had_before in levels:
        pattern = pattern_of(before, now, had_before=had_before)
        amounts = {"then_minor": mrr_minor(before), "mrr_minor": mrr_minor(now)}
        amounts |= {"change_minor": mrr_minor(now - before), "realised_ltv_minor": mrr_minor(so_far)}
        rows.append({"account": account, "pattern": pattern, **amounts})
    return sorted(rows, key=lambda row: (-row["mrr_minor"], -row["then_minor"], row["account"]))


CONCENTRATION: Final = Table(
    "concentration",
    "The largest accounts, and how much of the revenue hangs on them.",
    columns(account="text", rank="count", mrr_minor="minor", share="ratio", share_so_far="ratio"),
    _concentration,
    _top_heavy,
)

RENEWALS: Final = Table(
    "renewals",
    "Contracts whose term ends within 7, 30 and 90 days, with what a seller asks before the call.",
    columns(
        ends="day", account="text", contract="text", within_days="count", renews="text",
        mrr_minor="minor", acv_minor="minor", nps="count", csat="count",
        last_movement="text", moved="day", tags="list",
    ),
    _renewals,
)

ACCOUNTS: Final = Table(
    "accounts",
    "Every account against a year before: growing, flat, shrinking, new since or returned; and its months so far, each"
    " at its last MRR.",
    columns(
        account="text", pattern="text", then_minor="minor", mrr_minor="minor", change_minor="minor",
        realised_ltv_minor="minor",
    ),
    _accounts,
)
