"""Unusual days: how much of a movement the last two days had, against days of the same kind before them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from events.days import day_of_text, text_of_day
from events.facts import Pairs
from events.money import mrr_minor
from projections.alerts import Alert, Outlier, Position, alert_id, quoted, share_text
from projections.rules import Rule, Stake, is_large
from projections.unusual import LOOK_DAYS, Day, Unusual, unusual
from services.alerts.reviewing import BOOK
from services.alerts.wording import summary_of
from services.questions import QuestionError, question_of
from services.reports import Reports

DAYS: Final = 2
"""So many days are looked at, today among them: what comes late to yesterday counts too."""
Found = dict[tuple[str, ...], Alert]
"""(rule, currency, group, day) -> the alert."""


async def unusual_days(
    reports: Reports, rules: Iterable[Rule], currencies: Sequence[str], today: int, moment: int
) -> tuple[Found, dict[str, str]]:
    """What is unusual about today, as far as it has come, and yesterday; and what is wrong with which rule.

    Raises ViewsError.
    """
    found: Found = {}
    wrong: dict[str, str] = {}
    ledger = await reports.ledger()
    for rule in rules:
        for currency in currencies if rule.currency is None else (rule.currency,):
            try:
                answer = await reports.bridge(question_of(_parameters(rule, currency, today)))
            except QuestionError as error:
                wrong[rule.name] = error.message
                break
            for group, days in _by_group(answer, rule.movement).items():
                for one in days[-DAYS:]:
                    position = answer["as_of"]["position"]
                    alert = _alert(ledger, rule, currency, group, days, one, position, moment)
                    if alert is not None:
                        found[rule.name, currency, *(text for _, text in group), text_of_day(one.day)] = alert
    return found, wrong


def _parameters(rule: Rule, currency: str, today: int) -> dict[str, list[str]]:
    return {
        "from": [text_of_day(today + 1 - LOOK_DAYS)],
        "until": [text_of_day(today + 1)],
        "every": ["day"],
        "currency": [currency],
        "by": [rule.by] if rule.by else [],
        "where": [f"{name}={value}" for name, value in rule.where],
    }


def _by_group(answer: Mapping[str, Any], movement: str) -> dict[Pairs, list[Day]]:
    """The days of each group, in order."""
    found: dict[Pairs, list[Day]] = {}
    for row in answer["rows"]:
        group = tuple((name, text or "") for name, text in row.get("group", {}).items())
        moved = row["annual_e4"]
        day = Day(day_of_text(row["from"]), abs(moved[movement]), moved["opening"])
        found.setdefault(group, []).append(day)
    return {group: sorted(days, key=lambda one: one.day) for group, days in found.items()}


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
        subject=BOOK,
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
