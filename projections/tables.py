"""Tables: lists of accounts and contracts as a day begins, each a row of a catalogue with its columns."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, Literal

from msgspec import Struct

from events.days import MONTH_PARTS, day_months_later, first_day_of_month, month_of_day, text_of_day
from events.money import mrr_minor, ratio_text, round_half_up
from events.notes import Answer, AnyNote
from projections.groups import selected_groups
from projections.satisfaction import Item, band_of
from projections.terms import Held, held_on, values_of_contract

Row = dict[str, Any]
"""Column -> value, as JSON has it: days as YYYY-MM-DD, money in minor units, ratios as decimal strings."""
Told = tuple[str, list[Item], Sequence[AnyNote]]
"""An account, the sums of what was posted to it, and its notes."""


class Asked(Struct, frozen=True):
    """What a table is about: a currency, as a day begins."""

    currency: str
    day: int


class Column(Struct, frozen=True):
    """A column: its name in JSON, and how it is told."""

    name: str
    unit: Literal["text", "day", "minor", "ratio", "count", "list"]


class Table(Struct, frozen=True):
    """One table: its columns, and what makes its rows, in their order.

    `warned` is what had better be said of them; one that `is_whole` is never cut off.
    """

    name: str
    definition: str
    columns: tuple[Column, ...]
    rows: Callable[[Iterable[Told], Asked], list[Row]]
    warned: Callable[[Sequence[Row]], str | None] = lambda _: None
    is_whole: bool = False


RENEWAL_DAYS: Final = (7, 30, 90)
"""How far ahead terms that end are told, nearest first."""
PATTERN_MONTHS: Final = 12
TAGS_DAYS: Final = 90
BAND_DAYS: Final = 90
BANDS: Final = ("promoters", "passives", "detractors", "silent")


def _level(items: Iterable[Item], asked: Asked, day: int) -> int:
    """What an account is worth as a day begins, in annual_e4."""
    return sum(
        [
            amount
            for (at, movement, cell), amount in items
            if at < day and movement != "ahead" and cell.currency == asked.currency
        ]
    )


def _concentration(told: Iterable[Told], asked: Asked) -> list[Row]:
    levels = [(_level(items, asked, asked.day), account) for account, items, _ in told]
    largest = sorted((-level, account) for level, account in levels if level > 0)
    total, so_far = -sum(level for level, _ in largest), 0
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


def _last_answers(notes: Iterable[AnyNote], survey: str, day: int) -> Iterator[Answer]:
    """The answers to a survey with a score before a day, the latest first."""
    answers = [n for n in notes if type(n) is Answer and n.survey == survey and n.score is not None and n.day < day]
    answers.sort(key=lambda one: one.moment)
    return reversed(answers)


def _score(notes: Iterable[AnyNote], survey: str, day: int) -> int | None:
    return next((answer.score for answer in _last_answers(notes, survey, day)), None)


def _tags(notes: Iterable[AnyNote], day: int) -> list[str]:
    """What people mentioned in the last months, each once."""
    said = [n.tags for n in notes if type(n) is Answer and day - TAGS_DAYS <= n.day < day]
    return sorted({tag for tags in said for tag in tags})


def _last_movement(items: Iterable[Item], day: int) -> tuple[str | None, str | None]:
    """The latest movement before a day that is no transfer, and its day."""
    moved = [(at, movement) for (at, movement, _), _ in items if at < day and movement not in ("ahead", "transfer")]
    if not moved:
        return None, None
    at, movement = max(moved)
    return movement, text_of_day(at)


def _held(told: Iterable[Told], asked: Asked) -> Iterator[tuple[Held, Told]]:
    for account, items, notes in told:
        for held in held_on(account, items, notes, asked.currency, asked.day):
            yield held, (account, items, notes)


def _yearly_minor(held: Held) -> int:
    """What a contract is worth a year of its term, in minor units."""
    total = sum(values_of_contract(held, selected_groups(None, {})).values())
    return round_half_up(total * 12 * MONTH_PARTS, held.term.parts)


def _renewals(told: Iterable[Told], asked: Asked) -> list[Row]:
    rows: list[Row] = []
    for held, (_, items, notes) in _held(told, asked):
        days = held.term.end - asked.day
        if held.term.is_open or days >= RENEWAL_DAYS[-1]:
            continue
        movement, moved = _last_movement(items, asked.day)
        rows.append(
            {
                "ends": text_of_day(held.term.end),
                "account": held.account,
                "contract": held.contract,
                "within_days": next(limit for limit in RENEWAL_DAYS if days < limit),
                "renews": "yes" if held.term.renews else "no",
                "mrr_minor": mrr_minor(held.level),
                "acv_minor": _yearly_minor(held),
                "nps": _score(notes, "nps", asked.day),
                "csat": _score(notes, "csat", asked.day),
                "last_movement": movement,
                "moved": moved,
                "tags": _tags(notes, asked.day),
            }
        )
    return sorted(rows, key=lambda row: (row["ends"], -row["mrr_minor"], row["account"], row["contract"]))


def _accounts(told: Iterable[Told], asked: Asked) -> list[Row]:
    then = day_months_later(asked.day, -PATTERN_MONTHS)
    rows: list[Row] = []
    for account, items, _ in told:
        before, now = _level(items, asked, then), _level(items, asked, asked.day)
        if before > 0 or now > 0:
            pattern = "growing" if now > before else "shrinking" if now < before else "flat"
            amounts = {"then_minor": mrr_minor(before), "mrr_minor": mrr_minor(now)}
            rows.append({"account": account, "pattern": pattern, **amounts, "change_minor": mrr_minor(now - before)})
    return sorted(rows, key=lambda row: (-row["mrr_minor"], -row["then_minor"], row["account"]))


def _risk(told: Iterable[Told], asked: Asked) -> list[Row]:
    rows: list[Row] = []
    for account, items, notes in told:
        level = _level(items, asked, asked.day)
        last = next(_last_answers(notes, "nps", asked.day), None)
        if level > 0 and last is not None and band_of(last) < 0:
            said = {"nps": last.score, "answered": text_of_day(last.day), "tags": _tags(notes, asked.day)}
            rows.append({"account": account, "mrr_minor": mrr_minor(level), **said})
    return sorted(rows, key=lambda row: (-row["mrr_minor"], row["account"]))


def _upsell(told: Iterable[Told], asked: Asked) -> list[Row]:
    """Promoters that are worth less a year than the average account of their segment."""
    yearly: dict[tuple[str, str], int] = {}
    scores: dict[str, Answer] = {}
    for held, (account, _, notes) in _held(told, asked):
        place = (account, dict(held.labels).get("segment", ""))
        yearly[place] = yearly.get(place, 0) + _yearly_minor(held)
        last = next(_last_answers(notes, "nps", asked.day), None)
        if last is not None and band_of(last) > 0:
            scores[account] = last
    of_segment: dict[str, list[int]] = {}
    for (_, segment), worth in yearly.items():
        of_segment.setdefault(segment, []).append(worth)
    rows: list[Row] = []
    for (account, segment), worth in yearly.items():
        average = round_half_up(sum(of_segment[segment]), len(of_segment[segment]))
        if account in scores and worth < average:
            amounts = {"acv_minor": worth, "segment_acv_minor": average, "gap_minor": average - worth}
            rows.append({"account": account, "segment": segment, "nps": scores[account].score, **amounts})
    return sorted(rows, key=lambda row: (-row["gap_minor"], row["account"], row["segment"]))


def _bands(told: Iterable[Told], asked: Asked) -> list[Row]:
    """Accounts by what they last answered a while ago, and which of them have left since."""
    then = asked.day - BAND_DAYS
    sums = {band: [0, 0, 0, 0] for band in BANDS}
    for _, items, notes in told:
        before, now = _level(items, asked, then), _level(items, asked, asked.day)
        if before > 0:
            last = next(_last_answers(notes, "nps", then), None)
            own = sums["silent" if last is None else BANDS[1 - band_of(last)]]
            own[0] += 1
            own[1] += before
            if now <= 0:
                own[2] += 1
                own[3] += before
    return [
        {
            "band": band,
            "accounts": accounts,
            "mrr_minor": mrr_minor(worth),
            "churned": gone,
            "churned_minor": mrr_minor(lost),
            "churn_rate": ratio_text(gone, accounts),
        }
        for band, (accounts, worth, gone, lost) in sums.items()
    ]


def _tags_by_month(told: Iterable[Told], asked: Asked) -> list[Row]:
    """What people mentioned in the last twelve months, by month, with the revenue of those who did."""
    then = day_months_later(asked.day, -PATTERN_MONTHS)
    said: dict[tuple[int, str], tuple[int, dict[str, int]]] = {}
    for account, items, notes in told:
        level = _level(items, asked, asked.day)
        for note in notes:
            if type(note) is Answer and then <= note.day < asked.day:
                for tag in note.tags:
                    count, accounts = said.get((month_of_day(note.day), tag), (0, {}))
                    said[month_of_day(note.day), tag] = (count + 1, {**accounts, account: level})
    rows: list[Row] = [
        {
            "month": text_of_day(first_day_of_month(month))[:7],
            "tag": tag,
            "answers": count,
            "accounts": len(accounts),
            "mrr_minor": mrr_minor(sum(accounts.values())),
        }
        for (month, tag), (count, accounts) in said.items()
    ]
    rows.sort(key=lambda row: (-row["answers"], row["tag"]))
    return sorted(rows, key=lambda row: row["month"], reverse=True)


def _cohorts(told: Iterable[Told], asked: Asked) -> list[Row]:
    """By month of first revenue, month after month: how many of its accounts have revenue as it ends, and how much."""
    first: dict[int, list[list[Item]]] = {}
    last = month_of_day(asked.day - 1)
    for _, items, _ in told:
        own = [one for one in items if one[0][1] != "ahead" and one[0][2].currency == asked.currency]
        days = [day for (day, _, _), amount in own if amount > 0 and day < asked.day]
        if days:
            first.setdefault(month_of_day(min(days)), []).append(own)
    return [row for month, members in sorted(first.items()) for row in _cohort(month, last, members, asked)]


def _cohort(month: int, last: int, members: Sequence[list[Item]], asked: Asked) -> Iterator[Row]:
    start = 0
    for age in range(last - month + 1):
        end = min(asked.day, first_day_of_month(month + age + 1))
        levels = [_level(items, asked, end) for items in members]
        active, worth = sum(level > 0 for level in levels), sum(levels)
        start = start if age else worth
        yield {
            "cohort": text_of_day(first_day_of_month(month))[:7],
            "month": age,
            "size": len(members),
            "accounts": active,
            "kept": ratio_text(active, len(members)),
            "mrr_minor": mrr_minor(worth),
            "mrr_kept": ratio_text(worth, start),
        }


def _columns(**units: Literal["text", "day", "minor", "ratio", "count", "list"]) -> tuple[Column, ...]:
    return tuple(Column(name, unit) for name, unit in units.items())


TABLES: Final = {
    one.name: one
    for one in (
        Table(
            "concentration",
            "The largest accounts, and how much of the revenue hangs on them.",
            _columns(account="text", rank="count", mrr_minor="minor", share="ratio", share_so_far="ratio"),
            _concentration,
            _top_heavy,
        ),
        Table(
            "renewals",
            "Contracts whose term ends within 7, 30 and 90 days, with what a seller asks before the call.",
            _columns(
                ends="day", account="text", contract="text", within_days="count", renews="text",
                mrr_minor="minor", acv_minor="minor", nps="count", csat="count",
                last_movement="text", moved="day", tags="list",
            ),
            _renewals,
        ),
        Table(
            "accounts",
            "Every account against a year before: growing, flat or shrinking.",
            _columns(account="text", pattern="text", then_minor="minor", mrr_minor="minor", change_minor="minor"),
            _accounts,
        ),
        Table(
            "risk",
            "Revenue at risk: the accounts whose last answer was that of a detractor.",
            _columns(account="text", mrr_minor="minor", nps="count", answered="day", tags="list"),
            _risk,
        ),
        Table(
            "upsell",
            "Promoters that are worth less a year than the average account of their segment.",
            _columns(
                account="text", segment="text", nps="count",
                acv_minor="minor", segment_acv_minor="minor", gap_minor="minor",
            ),
            _upsell,
        ),
        Table(
            "bands",
            "By the last answer of 90 days ago: accounts with revenue then, and how many have left since.",
            _columns(
                band="text", accounts="count", mrr_minor="minor",
                churned="count", churned_minor="minor", churn_rate="ratio",
            ),
            _bands,
            is_whole=True,
        ),
        Table(
            "tags",
            "What answers mentioned in the last twelve months, with the revenue of the accounts that did.",
            _columns(month="text", tag="text", answers="count", accounts="count", mrr_minor="minor"),
            _tags_by_month,
        ),
        Table(
            "cohorts",
            "By month of first revenue: accounts and MRR that are still there after so many months.",
            _columns(
                cohort="text", month="count", size="count", accounts="count",
                kept="ratio", mrr_minor="minor", mrr_kept="ratio",
            ),
            _cohorts,
            is_whole=True,
        ),
    )
}
"""Every table there is; adding one means adding a row."""
