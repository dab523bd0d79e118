"""Telling rules: what each fires on, in words."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Final

from projections.rules import Rule
from services.alerts.rules.reading import UNITS


def text_of_line(line: Fraction) -> str:
    """A line as people read it: decimal, as exact as six digits."""
    whole, rest = divmod(abs(line), 1)
    digits = f"{int(rest * 10**6):06}".rstrip("0")
    sign = "-" if line < 0 else ""
    return f"{sign}{int(whole)}{f'.{digits}' if digits else ''}"


def text_of_rule(rule: Rule) -> str:
    """What a rule fires on, in words."""
    parts = (_SUBJECTS[rule.on](rule), _text_of_amount(rule), _text_of_where(rule))
    return " ".join(part for part in parts if part) + _text_of_escalation(rule)


def _text_of_escalation(rule: Rule) -> str:
    if not rule.escalate_to:
        return ""
    after = _duration(rule.escalate_seconds)
    return f"; to {' and '.join(rule.escalate_to)} if nobody has acknowledged it after {after}"


def _text_of_figure(rule: Rule) -> str:
    window = f" of the last {rule.window_days} days" if rule.window_days else ""
    by = f" of any {rule.by}" if rule.by else ""
    sides = {"above": rule.above, "below": rule.below}
    lines = " or ".join(f"{word} {text_of_line(line)}" for word, line in sides.items() if line is not None)
    return f"{rule.figure}{by}{window} {lines}"


def _text_of_score(rule: Rule) -> str:
    most = "" if rule.score_at_most is None else f" of at most {rule.score_at_most}"
    fall = "" if rule.fall_at_least is None else f" that fell by {rule.fall_at_least} or more"
    return f"a score{most}{fall} ({rule.survey})"


def _text_of_renewal(rule: Rule) -> str:
    good = "" if rule.score_at_least is None else f" without a last {rule.survey} of {rule.score_at_least} or more"
    return f"a term that ends within {rule.within_days} days{good}"


def _text_of_unusual(rule: Rule) -> str:
    by = f" of any {rule.by}" if rule.by else ""
    return f"a day of unusual {rule.movement}{by} ({rule.deviations} times the spread)"


def _text_of_amount(rule: Rule) -> str:
    least = rule.mrr_at_least
    amounts: list[str] = []
    if isinstance(least, Mapping):
        amounts += [f"{text_of_line(one)} {currency}" for currency, one in least.items()]
    elif least is not None:
        amounts.append(f"{text_of_line(least)}{f' {rule.currency}' if rule.currency else ''} of MRR")
    if rule.share_at_least is not None:
        amounts.append(f"{text_of_line(rule.share_at_least * 100)}% of all MRR")
    return f"from {' or '.join(amounts)} on" if amounts else ""


def _text_of_where(rule: Rule) -> str:
    return ", ".join(f"where {name} is {value}" for name, value in rule.where)


def _text_of_after(what: str) -> Callable[[Rule], str]:
    return lambda rule: f"{what} for more than {_duration(rule.after_seconds)}"


def _duration(seconds: int) -> str:
    """A duration as a file of rules states it."""
    size, unit = next((size, unit) for unit, size in reversed(UNITS.items()) if seconds % size == 0)
    return f"{seconds // size}{unit}"


def _text_of_losses(what: str) -> Callable[[Rule], str]:
    return lambda rule: what + (f" because of {' or '.join(rule.reasons)}" if rule.reasons else "")


_SUBJECTS: Final[dict[str, Callable[[Rule], str]]] = {
    "churn": _text_of_losses("an account lost"),
    "contraction": _text_of_losses("an account that pays less"),
    "notice": _text_of_losses("notice given"),
    "score": _text_of_score,
    "payment_failed": lambda rule: f"a failed payment, attempt {rule.attempt_at_least} or later,",
    "renewal": _text_of_renewal,
    "unusual": _text_of_unusual,
    "figure": _text_of_figure,
    "input_stalled": _text_of_after("no event"),
    "lag": _text_of_after("alerts behind the ledger"),
    "projection_behind": _text_of_after("projections behind the ledger"),
}
