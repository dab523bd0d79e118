"""Rules: what an alert fires on, and whether a happening is that."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Final, Literal

from msgspec import Struct

from events.facts import Pairs
from events.money import MINOR_DIGITS, MRR_DIVISOR
from projections.happenings import Happening, Score, Wanted
from projections.holdings import NOTHING, Holding

On = Literal[
    "churn",
    "contraction",
    "notice",
    "score",
    "payment_failed",
    "renewal",
    "unusual",
    "figure",
    "input_stalled",
    "lag",
    "projection_behind",
]
Severity = Literal["info", "warning", "critical"]
OF_ENTRIES: Final = ("churn", "contraction", "notice", "score", "payment_failed")
"""What a rule finds in the entries of the ledger, one by one."""
OF_DATES: Final = ("renewal", "unusual")
"""What it finds by looking at the books now and then, once for each date that they tell of."""
OF_OPERATION: Final = ("input_stalled", "lag", "projection_behind")
"""What tells that the data is stale: such an alert comes first, and others wait until it is over."""
LASTING: Final = ("figure", *OF_OPERATION)
"""What tells of something that may be over later."""

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
    score_at_least: int | None = None
    within_days: int = 0
    attempt_at_least: int = 1
    movement: str = "churn"
    deviations: int = 3
    figure: str = ""
    above: Fraction | None = None
    below: Fraction | None = None
    window_days: int | None = None
    by: str | None = None
    after_seconds: int = 0
    cool_down_seconds: int = 0
    escalate_seconds: int = 0
    escalate_to: tuple[str, ...] = ()
    group_seconds: int | None = None
    group_by: tuple[str, ...] = ()


class Context(Struct, frozen=True):
    """What is known beside a happening: what its account holds, and all MRR by currency (annual_e4).

    `before` is the score that the same respondent gave before, `scores` all the last ones, the newest first.
    """

    holding: Holding = NOTHING
    book: Mapping[str, int] = {}
    before: Score | None = None
    scores: tuple[Score, ...] = ()


class Stake(Struct, frozen=True):
    """The money an alert is about, in annual_e4, and all MRR that it is a part of (0: none, or not known)."""

    currency: str
    annual: int
    whole: int

    @property
    def share(self) -> Fraction | None:
        """What the money is of all MRR."""
        return Fraction(self.annual, self.whole) if self.whole > 0 else None


def stakes_of(happening: Happening, context: Context) -> list[Stake]:
    """What is lost, or what the account pays in each currency, the largest share first.

    What is lost already is a part of the MRR before the loss.
    """
    if happening.annual:
        gone = happening.annual if happening.kind != "notice" else 0
        whole = context.book.get(happening.currency, 0) + gone
        return [Stake(happening.currency, happening.annual, whole)]
    stakes = [Stake(one, annual, context.book.get(one, 0)) for one, annual in context.holding.levels.items()]
    return stakes if len(stakes) < 2 else sorted(stakes, key=lambda one: (-(one.share or 0), one.currency))


def fires(rule: Rule, happening: Happening, context: Context) -> Stake | None:
    """The money at stake if a rule fires on a happening, else None; of a happening without money a stake of nothing."""
    if says(rule, happening) and all(happening.label(name) == value for name, value in rule.where):
        return stake_in(rule, happening, context)
    return None


def stake_in(rule: Rule, happening: Happening, context: Context) -> Stake | None:
    """The same for a rule that is about such a thing, and about whom it happened to."""
    if not _has_fallen(rule, happening, context):
        return None
    stakes = [one for one in stakes_of(happening, context) if rule.currency in (None, one.currency)]
    if rule.mrr_at_least is None and rule.share_at_least is None:
        return stakes[0] if stakes else Stake("", 0, 0) if rule.currency is None else None
    return next((one for one in stakes if is_large(rule, one)), None)


def says(rule: Rule, happening: Happening) -> bool:
    """Whether a rule is about such a thing at all, whoever it happened to and however much it is about."""
    if rule.on != happening.kind:
        return False
    if rule.on == "score":
        score = happening.score
        if score is None or score.survey != rule.survey:
            return False
        return rule.score_at_most is None or score.score <= rule.score_at_most
    if rule.on == "payment_failed":
        return max(happening.attempt, 1) >= rule.attempt_at_least
    return not rule.reasons or happening.reason in rule.reasons


def least_annual(rule: Rule, currency: str) -> int | None:
    """The least amount a rule asks for in a currency, in annual_e4; None if there is no such."""
    amount = rule.mrr_at_least
    least = amount.get(currency) if isinstance(amount, Mapping) else amount
    if least is None:
        return None
    scaled: int = least.numerator * 10 ** MINOR_DIGITS[currency] * MRR_DIVISOR
    return -(-scaled // least.denominator)


def _has_fallen(rule: Rule, happening: Happening, context: Context) -> bool:
    if rule.fall_at_least is None:
        return True
    now, before = happening.score, context.before
    return now is not None and before is not None and before.score - now.score >= rule.fall_at_least


def is_large(rule: Rule, stake: Stake) -> bool:
    """Whether an amount is as large as a rule asks for; it is, if the rule asks for nothing."""
    share = rule.share_at_least
    if share is None and rule.mrr_at_least is None:
        return True
    if share is not None and 0 < stake.whole * share.numerator <= stake.annual * share.denominator:
        return True
    least = least_annual(rule, stake.currency)
    return least is not None and stake.annual >= least


NEVER: Final = 2**200
"""More than there ever is."""


class _Sized:
    """Rules by the amount they ask for; those that ask for a share, or for nothing, may fire on any amount."""

    def __init__(self) -> None:
        self._any: list[Rule] = []
        self._bounded: list[Rule] = []
        self._sorted: dict[str, tuple[list[int], list[Rule]]] = {}
        self._least: dict[str, int] = {}

    def add(self, rule: Rule) -> None:
        is_bounded = rule.share_at_least is None and rule.mrr_at_least is not None
        (self._bounded if is_bounded else self._any).append(rule)

    def may_fire(self, amounts: Mapping[str, int]) -> bool:
        """Whether any of them may fire on amounts by currency, in annual_e4."""
        return bool(self._any) or any(annual >= self._least_in(currency) for currency, annual in amounts.items())

    def _least_in(self, currency: str) -> int:
        """The least amount that any of them asks for."""
        if currency not in self._least:
            limits, _ = self._sorted.get(currency) or self._sort(currency)
            self._least[currency] = limits[0] if limits else NEVER
        return self._least[currency]

    def within(self, amounts: Mapping[str, int]) -> list[Rule]:
        """Those that may fire on amounts by currency, in annual_e4."""
        found = list(self._any)
        if self._bounded:
            for currency, annual in amounts.items():
                limits, rules = self._sorted.get(currency) or self._sort(currency)
                found += rules[: bisect_right(limits, annual)]
        return found

    def _sort(self, currency: str) -> tuple[list[int], list[Rule]]:
        limits = ((least_annual(rule, currency), rule) for rule in self._bounded)
        known = sorted(((least, rule) for least, rule in limits if least is not None), key=lambda one: one[0])
        self._sorted[currency] = [least for least, _ in known], [rule for _, rule in known]
        return self._sorted[currency]


class Candidates:
    """Rules that say something about such a thing; those for some labels alone are found by the first of them."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._all, self._anywhere = _Sized(), _Sized()
        self._by_label: dict[tuple[str, str], _Sized] = {}
        self._order: dict[str, int] = {}
        for rule in rules:
            self._order[rule.name] = len(self._order)
            self._all.add(rule)
            (self._by_label.setdefault(rule.where[0], _Sized()) if rule.where else self._anywhere).add(rule)
        self._names = {name for name, _ in self._by_label}

    def __bool__(self) -> bool:
        return bool(self._order)

    def may_fire(self, amounts: Mapping[str, int]) -> bool:
        """Whether any of them may fire on such amounts, whomever they are about: a first look."""
        return self._all.may_fire(amounts)

    def among(self, happening: Happening, amounts: Mapping[str, int]) -> list[Rule]:
        """Those that are about the account of a happening, and may fire on such amounts; each once, in their order."""
        found = {rule.name: rule for rule in self._anywhere.within(amounts)}
        for name in self._names:
            sized = self._by_label.get((name, happening.label(name)))
            for rule in sized.within(amounts) if sized is not None else ():
                if all(happening.label(one) == value for one, value in rule.where):
                    found[rule.name] = rule
        return sorted(found.values(), key=lambda rule: self._order[rule.name]) if len(found) > 1 else [*found.values()]


SAID_MAX: Final = 10_000
"""For how many different things it is remembered which rules are about them."""


class RuleBox:
    """Rules that are looked up for many happenings: what is alike of these is looked for once."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules: dict[str, list[Rule]] = {}
        self._said: dict[tuple[object, ...], Candidates] = {}
        for rule in rules:
            if rule.on in OF_ENTRIES:
                self._rules.setdefault(rule.on, []).append(rule)
        self.wanted: Final = self._wanted()

    def _wanted(self) -> Wanted:
        """What any of the rules is about."""
        scores: dict[str, int | None] = {}
        for rule in self._rules.get("score", ()):
            known, line = scores.get(rule.survey, -1), rule.score_at_most
            scores[rule.survey] = None if known is None or line is None else max(known, line)
        is_of_losses = not self._rules.keys().isdisjoint(("churn", "contraction", "notice"))
        return Wanted(losses=is_of_losses, payments="payment_failed" in self._rules, scores=scores)

    def about(self, happening: Happening) -> Candidates:
        """The rules that are about such a thing."""
        score = happening.score
        if score is not None:
            alike: tuple[object, ...] = (score.survey, score.score)
        else:
            alike = (happening.kind, happening.reason, happening.attempt)
        found = self._said.get(alike)
        if found is None:
            if len(self._said) >= SAID_MAX:
                self._said.clear()
            rules = self._rules.get(happening.kind, ())
            found = self._said[alike] = Candidates(rule for rule in rules if says(rule, happening))
        return found
