"""Rules: what an alert fires on, and whether a happening is that."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Final, Literal

from msgspec import Struct

from events.facts import Pairs
from events.money import MINOR_DIGITS, MRR_DIVISOR
from projections.happenings import Happening, Score
from projections.holdings import NOTHING, Holding

On = Literal[
    "churn", "contraction", "notice", "score", "payment_failed", "figure", "input_stalled", "lag", "projection_behind"
]
Severity = Literal["info", "warning", "critical"]
OF_ENTRIES: Final = ("churn", "contraction", "notice", "score", "payment_failed")
"""What a rule finds in the entries of the ledger, one by one."""
OF_OPERATION: Final = ("input_stalled", "lag", "projection_behind")
"""What tells that the data is stale: such an alert comes first, and others wait until it is over."""

Amount = Fraction | Mapping[str, Fraction]
"""MRR in whole units of its currency: in whatever currency, or by currency (those left out have no limit to reach)."""


class Rule(Struct, frozen=True, kw_only=True):
    """One rule; what is None is not asked for. `above` and `below` of money are in whole units of the currency.

    `mrr_at_least` and `share_at_least` (of the MRR of the whole book) are of what is lost; where nothing is lost yet,
    as by a survey, of what the account pays. One of the two is enough.
    """

    name: str
    on: On
    severity: Severity = "warning"
    sinks: tuple[str, ...] | None = None
    where: Pairs = ()
    currency: str | None = None
    mrr_at_least: Amount | None = None
    share_at_least: Fraction | None = None
    reasons: tuple[str, ...] = ()
    survey: str = "nps"
    score_at_most: int | None = None
    fall_at_least: int | None = None
    attempt_at_least: int = 1
    figure: str = ""
    above: Fraction | None = None
    below: Fraction | None = None
    window_days: int | None = None
    by: str | None = None
    after_seconds: int = 0
    cool_down_seconds: int = 0


class Context(Struct, frozen=True):
    """What is known beside a happening: what its account holds, and all MRR by currency (annual_e4).

    `before` is the score that the same respondent gave before, `scores` all the last ones, the newest first.
    """

    holding: Holding = NOTHING
    book: Mapping[str, int] = {}
    before: Score | None = None
    scores: tuple[Score, ...] = ()

    def share(self, currency: str, annual: int, kind: str) -> Fraction | None:
        """What an amount is of all MRR; of that before the loss, where it is lost already."""
        whole = self.book.get(currency, 0) + (annual if kind in ("churn", "contraction") else 0)
        return Fraction(annual, whole) if whole > 0 else None


class Stake(Struct, frozen=True):
    """The money an alert is about, in annual_e4, and what it is of all MRR."""

    currency: str
    annual: int
    share: Fraction | None


def stakes_of(happening: Happening, context: Context) -> list[Stake]:
    """What is lost, or what the account pays in each currency, the largest share first."""
    kind = happening.kind
    amounts = {happening.currency: happening.annual} if happening.annual else dict(context.holding.levels)
    stakes = [Stake(one, annual, context.share(one, annual, kind)) for one, annual in amounts.items()]
    return sorted(stakes, key=lambda one: (-(one.share or 0), one.currency))


def fires(rule: Rule, happening: Happening, context: Context) -> Stake | None:
    """The money at stake if a rule fires on a happening, else None; of a happening without money a stake of nothing."""
    if not (_is_about(rule, happening) and _SAYS[rule.on](rule, happening, context)):
        return None
    stakes = [one for one in stakes_of(happening, context) if rule.currency in (None, one.currency)]
    if rule.mrr_at_least is None and rule.share_at_least is None:
        return stakes[0] if stakes else Stake("", 0, None) if rule.currency is None else None
    return next((one for one in stakes if _is_large(rule, one)), None)


def _is_about(rule: Rule, happening: Happening) -> bool:
    return rule.on == happening.kind and all(happening.label(name) == value for name, value in rule.where)


def _is_large(rule: Rule, stake: Stake) -> bool:
    if rule.share_at_least is not None and stake.share is not None and stake.share >= rule.share_at_least:
        return True
    least = _least(rule.mrr_at_least, stake.currency)
    return least is not None and stake.annual >= least * 10 ** MINOR_DIGITS[stake.currency] * MRR_DIVISOR


def _least(amount: Amount | None, currency: str) -> Fraction | None:
    return amount.get(currency) if isinstance(amount, Mapping) else amount


def _any(_rule: Rule, _happening: Happening, _context: Context) -> bool:
    return True


def _lost(rule: Rule, happening: Happening, _context: Context) -> bool:
    return not rule.reasons or happening.reason in rule.reasons


def _scored(rule: Rule, happening: Happening, context: Context) -> bool:
    score = happening.score
    if score is None or score.survey != rule.survey:
        return False
    if rule.score_at_most is not None and score.score > rule.score_at_most:
        return False
    if rule.fall_at_least is None:
        return True
    before = context.before
    return before is not None and before.score - score.score >= rule.fall_at_least


def _unpaid(rule: Rule, happening: Happening, _context: Context) -> bool:
    return max(happening.attempt, 1) >= rule.attempt_at_least


_SAYS: Final = {"churn": _lost, "contraction": _any, "notice": _lost, "score": _scored, "payment_failed": _unpaid}
"""What a rule says beyond where and how much."""
