"""Reviewing: which figures are beyond their lines now, by the catalogue of figures and the groups of each rule."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from events.days import text_of_day
from events.money import MINOR_DIGITS
from events.vocabulary import BOOK_SUBJECT
from projections.alerts import Alert, Crossing, Position, alert_id
from projections.figures import CATALOGUE
from projections.rules import Rule
from services.alerts.rules.telling import text_of_line
from services.alerts.wording import summary_of
from services.questions import QuestionError, question_of
from services.reports import Reports


class Reviewed(Struct, frozen=True):
    """What a look at the figures found: alerts by name of their state, and what is wrong with which rule."""

    beyond: Mapping[str, Alert]
    wrong: Mapping[str, str]


class _Asked(Struct, frozen=True):
    """What several rules ask alike."""

    currency: str
    window_days: int | None
    by: str | None
    where: tuple[tuple[str, str], ...]


async def reviewed(reports: Reports, rules: Iterable[Rule], today: int, moment: int) -> Reviewed:
    """What is beyond its line at the end of a day; windows end with it. Raises ViewsError.

    A state is named by rule, currency and group, and lasts while the figure is beyond its line.
    """
    asked: dict[_Asked, list[Rule]] = {}
    figures = [rule for rule in rules if rule.on == "figure"]
    currencies = await currencies_in(reports) if figures else []
    ledger = await reports.ledger() if figures else ""
    for rule in figures:
        for currency in currencies if rule.currency is None else (rule.currency,):
            question = _Asked(currency, rule.window_days, rule.by, rule.where)
            asked.setdefault(question, []).append(rule)
    beyond: dict[str, Alert] = {}
    wrong: dict[str, str] = {}
    for one, some in asked.items():
        try:
            answer = await reports.figures(question_of(_parameters(one, some, today)))
        except QuestionError as error:
            wrong.update(dict.fromkeys([rule.name for rule in some], error.message))
            continue
        for rule in some:
            beyond.update(_beyond(ledger, rule, one, answer, moment))
    return Reviewed(beyond, wrong)


def by_state(names: Iterable[str], rules: Iterable[Rule]) -> dict[str, Rule]:
    """The rules of states, by the names of these."""
    known = {rule.name: rule for rule in rules}
    return {name: known[rule] for name in names if (rule := name.partition("|")[0]) in known}


async def currencies_in(reports: Reports) -> list[str]:
    """The currencies in use."""
    fields = (field.split("|") for field in (await reports.book()).counts() if field.startswith("names|"))
    return sorted({currency for _, currency, *_ in fields})


def _parameters(asked: _Asked, rules: Sequence[Rule], today: int) -> dict[str, list[str]]:
    end = text_of_day(today + 1)
    days = (
        {"at": [end]}
        if asked.window_days is None
        else {"from": [text_of_day(today + 1 - asked.window_days)], "until": [end]}
    )
    return {
        **days,
        "currency": [asked.currency],
        "by": [asked.by] if asked.by else [],
        "where": [f"{name}={value}" for name, value in asked.where],
        "figures": sorted({rule.figure for rule in rules}),
    }


def _beyond(
    ledger: str, rule: Rule, asked: _Asked, answer: Mapping[str, Any], moment: int
) -> dict[str, Alert]:
    found: dict[str, Alert] = {}
    for row in answer["rows"]:
        value = row["figures"][rule.figure]
        group = {name: text or "" for name, text in row.get("group", {}).items()}
        if value is not None and is_beyond(rule, value, asked.currency):
            name = "|".join((rule.name, asked.currency, *group.values()))
            found[name] = _alert(ledger, rule, asked, row, group, answer["as_of"]["position"], moment)
    return found


def is_beyond(rule: Rule, value: int | str, currency: str) -> bool:
    """Whether a figure as the catalogue gives it is above or below the line of a rule."""
    number = Fraction(value)
    if CATALOGUE[rule.figure].unit == "minor":
        number /= 10 ** MINOR_DIGITS[currency]
    is_above = rule.above is not None and number > rule.above
    return is_above or (rule.below is not None and number < rule.below)


def _alert(
    ledger: str,
    rule: Rule,
    asked: _Asked,
    row: Mapping[str, Any],
    group: Mapping[str, str],
    position: Mapping[str, int],
    moment: int,
) -> Alert:
    value = row["figures"][rule.figure]
    is_above = rule.above is not None and is_beyond(replace(rule, below=None), value, asked.currency)
    crossing = Crossing(
        figure=rule.figure,
        value=value,
        above=text_of_line(rule.above) if is_above and rule.above is not None else None,
        below=text_of_line(rule.below) if not is_above and rule.below is not None else None,
        from_=row.get("from"),
        until=row.get("until"),
        at=row.get("at"),
        group={**dict(rule.where), **group},
        position=position,
    )
    first = min(position, key=int)
    subject = "|".join((asked.currency, *(f"{name}={text}" for name, text in group.items())))
    alert = Alert(
        id=alert_id(ledger, rule.name, int(first), position[first], subject),
        rule=rule.name,
        kind="figure",
        severity=rule.severity,
        subject=BOOK_SUBJECT,
        summary="",
        recorded_at=moment,
        position=Position(int(first), position[first]),
        currency=asked.currency,
        figure=crossing,
        explain=_explanation(rule, row, asked, group),
    )
    return replace(alert, summary=summary_of(alert))


def _explanation(rule: Rule, row: Mapping[str, Any], asked: _Asked, group: Mapping[str, str]) -> str:
    days = f"--at {row['at']}" if "at" in row else f"--from {row['from']} --until {row['until']}"
    where = "".join(f" --where '{name}={value}'" for name, value in (*asked.where, *group.items()))
    return f"revledger explain {rule.figure} {days} --currency {asked.currency}{where}"
