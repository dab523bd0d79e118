"""Unusual days: how much of a movement the last two days had, against days of the same kind before them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from events.block import Block, raw_bookings_of
from events.days import day_of_text, text_of_day
from events.facts import Pairs
from events.money import mrr_minor
from events.vocabulary import BOOK_SUBJECT
from projections.alerts import Alert, Outlier, Position, alert_id, quoted, share_text
from projections.rules import Rule, Stake, is_large
from projections.unusual import LOOK_DAYS, Day, Unusual, unusual
from services.alerts.wording import summary_of
from services.questions import QuestionError, question_of
from services.reports import Reports

DAYS: Final = 2
"""So many days are looked at, today among them: what comes late to yesterday counts too."""
Found = dict[tuple[str, ...], Alert]
"""(rule, currency, group, day) -> the alert."""
Moved = Mapping[str, int]
"""What moved on a day by movement, and what it opened with, in annual_e4."""
Groups = Mapping[Pairs, Mapping[int, Moved]]
"""Group -> its days."""


class Asked(Struct, frozen=True):
    """What several rules ask alike."""

    currency: str
    by: str | None
    where: Pairs


class Past:
    """The days of each group as they were last looked at, for whoever says which of them changed since.

    A replay looks once for each of its days, at a year of days before it.
    """

    def __init__(self) -> None:
        self._days: dict[Asked, dict[Pairs, dict[int, Moved]]] = {}
        self._seen: dict[Asked, int] = {}
        self._changed: dict[Asked, int] = {}

    def changed(self, day: int) -> None:
        """Notes that something moved on a day, or does not any more."""
        for asked, first in self._changed.items():
            self._changed[asked] = min(day, first)

    async def look(self, reports: Reports, asked: Asked, today: int) -> tuple[Groups, Mapping[str, int]]:
        """The days of each group up to today, and the position; raises QuestionError, ViewsError."""
        begin = today + 1 - LOOK_DAYS
        first = max(begin, min(self._changed.get(asked, begin), self._seen.get(asked, begin) + 1))
        answer = await reports.bridge(question_of(_parameters(asked, min(first, today), today)))
        kept = {
            group: {day: moved for day, moved in days.items() if begin <= day < first}
            for group, days in self._days.get(asked, {}).items()
        }
        for row in answer["rows"]:
            group = tuple((name, text or "") for name, text in row.get("group", {}).items())
            kept.setdefault(group, {})[day_of_text(row["from"])] = row["annual_e4"]
        self._days[asked] = {group: days for group, days in kept.items() if days}
        self._seen[asked], self._changed[asked] = today, today + 1
        return self._days[asked], answer["as_of"]["position"]


async def unusual_days(
    reports: Reports,
    rules: Iterable[Rule],
    currencies: Sequence[str],
    today: int,
    moment: int,
    past: Past | None = None,
) -> tuple[Found, dict[str, str]]:
    """What is unusual about today, as far as it has come, and yesterday; and what is wrong with which rule.

    `past` is what was looked at before; without it all days are looked at. Raises ViewsError.
    """
    asked: dict[Asked, list[Rule]] = {}
    for rule in rules:
        for currency in currencies if rule.currency is None else (rule.currency,):
            asked.setdefault(Asked(currency, rule.by, rule.where), []).append(rule)
    found: Found = {}
    wrong: dict[str, str] = {}
    ledger, past = await reports.ledger(), past or Past()
    for one, some in asked.items():
        try:
            groups, position = await past.look(reports, one, today)
        except QuestionError as error:
            wrong.update(dict.fromkeys([rule.name for rule in some], error.message))
            continue
        for rule in some:
            found.update(_of_rule(ledger, rule, one.currency, groups, today, position, moment))
    return found, wrong


def days_of(block: Block) -> list[int]:
    """The days on which the entries of a block move something; raises BlockDamaged."""
    return [posting.day for booking in raw_bookings_of(block.entries) for posting in booking.postings]


def _parameters(asked: Asked, first: int, last: int) -> dict[str, list[str]]:
    return {
        "from": [text_of_day(first)],
        "until": [text_of_day(last + 1)],
        "every": ["day"],
        "currency": [asked.currency],
        "by": [asked.by] if asked.by else [],
        "where": [f"{name}={value}" for name, value in asked.where],
    }


def _of_rule(
    ledger: str, rule: Rule, currency: str, groups: Groups, today: int, position: Mapping[str, int], moment: int
) -> Found:
    found: Found = {}
    for group, moves in groups.items():
        days = [Day(day, abs(moved[rule.movement]), moved["opening"]) for day, moved in sorted(moves.items())]
        for one in (one for one in days[-DAYS:] if one.day > today - DAYS):
            alert = _alert(ledger, rule, currency, group, days, one, position, moment)
            if alert is not None:
                found[rule.name, currency, *(text for _, text in group), text_of_day(one.day)] = alert
    return found


def _alert(
    ledger: str,
    rule: Rule,
    currency: str,
    group: Pairs,
    days: Sequence[Day],
    now: Day,
    position: Mapping[str, int],
    moment: int,
) -> Alert | None:
    stake = Stake(currency, now.amount, now.opening)
    found = unusual(days, now, rule.deviations) if now.amount and is_large(rule, stake) else None
    if found is None:
        return None
    first = min(position, key=int)
    subject = "|".join(("unusual", currency, *(f"{name}={text}" for name, text in group)))
    alert = Alert(
        id=alert_id(ledger, rule.name, int(first), now.day, subject),
        rule=rule.name,
        kind="unusual",
        severity=rule.severity,
        subject=BOOK_SUBJECT,
        summary="",
        recorded_at=moment,
        position=Position(int(first), position[first]),
        currency=currency,
        share=share_text(stake.share),
        effective=text_of_day(now.day),
        unusual=_outlier(rule, dict((*rule.where, *group)), found),
        explain=_explanation(rule, currency, group, now.day),
    )
    return replace(alert, summary=summary_of(alert))


def _outlier(rule: Rule, group: Mapping[str, str], found: Unusual) -> Outlier:
    amount, usual, limit = (mrr_minor(one) for one in (found.amount, found.usual, found.limit))
    return Outlier(rule.movement, amount, usual, limit, found.days, group)


def _explanation(rule: Rule, currency: str, group: Pairs, day: int) -> str:
    where = "".join(f" --where {quoted(f'{name}={text}')}" for name, text in (*rule.where, *group))
    window = f"--from {text_of_day(day)} --until {text_of_day(day + 1)}"
    return f"revledger explain {rule.movement} {window} --currency {currency}{where}"
