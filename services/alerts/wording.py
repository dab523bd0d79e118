"""Wording: what an alert says in one line."""

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from events.days import day_of_text
from projections.alerts import Alert
from projections.figures import CATALOGUE, Unit
from projections.unusual import FIRST, kind_of
from services import shown

_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def summary_of(alert: Alert) -> str:
    """One line that says what happened, to whom, and how much it is about."""
    return _WORDS[alert.kind](alert)


def _churned(alert: Alert) -> str:
    return f"{alert.account} has left: {_lost(alert)}{_why(alert)}"


def _shrunk(alert: Alert) -> str:
    return f"{alert.account} pays less: {_lost(alert)}{_why(alert)}"


def _noticed(alert: Alert) -> str:
    return f"{alert.account} has given notice: {_lost(alert)} from {alert.effective}{_why(alert)}"


def _scored(alert: Alert) -> str:
    now, *others = alert.scores
    before = [one for one in others if (one.survey, one.respondent) == (now.survey, now.respondent)]
    scale = f" of {now.scale_max}" if now.scale_max else ""
    fall = f" after {before[0].score}" if before else ""
    return f"{alert.account} gave {now.score}{scale}{fall} ({now.survey}){_pays(alert)}"


def _unpaid(alert: Alert) -> str:
    attempt = f", attempt {alert.attempt}" if alert.attempt else ""
    return f"a payment of {alert.account} failed{attempt}{_why(alert)}{_pays(alert)}"


def _ending(alert: Alert) -> str:
    ends = "renews itself" if alert.renews else "ends"
    said = [f"{one.score}{f' of {one.scale_max}' if one.scale_max else ''} ({one.survey})" for one in alert.scores[:1]]
    last = f"the last score is {said[0]}" if said else "there is no score"
    amount = f"{_amount(alert.mrr_minor or 0, alert)} of MRR{_of_all(alert)}"
    return f"{alert.contracts[0]} of {alert.account} {ends} on {alert.effective}: {amount}; {last}"


def _unusual(alert: Alert) -> str:
    outlier = alert.unusual
    assert outlier is not None, "an alert on an unusual day has one"
    where = "".join(f" of {name} {value or 'none'}" for name, value in outlier.group.items())
    kind = kind_of(day_of_text(alert.effective))
    days = "first days of a month" if kind == FIRST else f"{_WEEKDAYS[kind]}s"
    usual = f"of {outlier.days} {days} before half had up to {shown.money(outlier.usual_minor, alert.currency)}"
    limit = f"{shown.money(outlier.limit_minor, alert.currency)} is still usual"
    amount = f"{_amount(outlier.mrr_minor, alert)} of MRR{_of_all(alert)}"
    return f"unusual {outlier.movement}{where} on {alert.effective}: {amount}; {usual}, {limit}"


def _crossed(alert: Alert) -> str:
    crossing = alert.figure
    assert crossing is not None, "an alert on a figure has one"
    unit = CATALOGUE[crossing.figure].unit
    value = shown.figure(CATALOGUE[crossing.figure], crossing.value, alert.currency)
    money, among = (f" {alert.currency}", "") if unit == "minor" else ("", f" in {alert.currency}")
    line, side = (crossing.above, "above") if crossing.above is not None else (crossing.below, "below")
    where = "".join(f" of {name} {value or 'none'}" for name, value in crossing.group.items())
    window = f", from {crossing.from_} until {crossing.until}" if crossing.from_ else ""
    return f"{crossing.figure}{where}{among} is {value}{money}, {side} {_line(unit, str(line))}{window}"


def _line(unit: Unit, line: str) -> str:
    """A line in the form that values of its figure have."""
    return shown.RATIOS[unit](line) if unit in shown.RATIOS else f"{Decimal(line):,}"


def _stale(alert: Alert) -> str:
    return alert.reason


def _lost(alert: Alert) -> str:
    return f"{_amount(-(alert.mrr_minor or 0), alert)} of MRR{_of_all(alert)}"


def _pays(alert: Alert) -> str:
    if not alert.currency or alert.account_mrr_minor is None:
        return ""
    return f"; it pays {_amount(alert.account_mrr_minor, alert)} a month{_of_all(alert)}"


def _amount(minor: int, alert: Alert) -> str:
    return f"{shown.money(minor, alert.currency)} {alert.currency}"


def _of_all(alert: Alert) -> str:
    return "" if alert.share is None else f", {shown.percent(alert.share)} of all"


def _why(alert: Alert) -> str:
    return f" ({alert.reason})" if alert.reason else ""


_WORDS: Final[dict[str, Callable[[Alert], str]]] = {
    "churn": _churned,
    "contraction": _shrunk,
    "notice": _noticed,
    "score": _scored,
    "payment_failed": _unpaid,
    "renewal": _ending,
    "unusual": _unusual,
    "figure": _crossed,
    **dict.fromkeys(("input_stalled", "lag", "projection_behind"), _stale),
}
