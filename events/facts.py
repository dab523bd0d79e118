"""Facts: events reduced to what the books need of them, every day and price worked out and checked."""

from collections.abc import Callable, Mapping
from datetime import tzinfo
from functools import lru_cache
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from events import vocabulary as v
from events.days import DAY_MICROSECONDS, FIRST_DAY, LAST_DAY, day_of_moment, moment_of, whole_months
from events.money import rate_of_text, require_currency
from events.policy import Rules
from events.pricing import PricedLine, day_named, day_or_none, period_named, priced_lines
from events.refusals import Refused

Kind = Literal["signed", "amended", "renewed", "noticed", "cancelled", "paused", "resumed", "changed", "noted"]
"""What a fact does. `noticed`: a cancellation counts already, before its day; `noted`: it moves nothing."""
Pairs = tuple[tuple[str, str], ...]

RESERVED_ATTRIBUTES: Final = frozenset(
    (
        "account",
        "contract",
        "line",
        "plan",
        "product",
        "currency",
        "owner",
        "campaign",
        "channel",
        "term_months",
    )
)
"""Names one can group by that are not attributes of an account."""

_SCALES: Final = {"nps": 10, "csat": 5}
"""Survey -> the best score there is, where the survey fixes it."""

NEVER: Final = LAST_DAY + 1
"""The day of what has no day: a contract that expires NEVER is open-ended."""


class Fact(Struct, frozen=True, array_like=True, gc=False):
    """One event as the books see it; days since 1970-01-01, `moment` in microseconds, `seq` its arrival."""

    kind: Kind
    seq: int
    day: int
    moment: int
    moment_day: int
    contract_id: str = ""
    currency: str = ""
    lines: tuple[PricedLine, ...] | None = None
    expires: int = NEVER
    term_months: int = 0
    trial_end: int = FIRST_DAY
    seller: Pairs = ()
    attributes: tuple[tuple[str, str | None], ...] = ()
    reason: str = ""
    initiative: str = ""

    @property
    def order(self) -> tuple[int, int, int]:
        """Where the fact stands among those of its account: effective day, time, arrival."""
        return (self.day, self.moment, self.seq)


def key_of(source: str, event_id: str) -> str:
    """The name of an event for ever; unambiguous because a source holds no line break."""
    return f"{source}\n{event_id}"


def fact_of(event: v.Event, seq: int, rules: Rules) -> Fact | None:
    """The fact an event states, None where it states nothing about revenue; raises Refused.

    `seq` is its arrival (the ledger's entry number).
    """
    if "\n" in event.source:
        raise Refused("invalid_field", "`source` holds a line break: write a URI reference on one line", "source")
    return REDUCERS[type(event)](event, seq, rules)


def notice_of(fact: Fact, rules: Rules) -> Fact | None:
    """The notice of a cancellation, where it counts before the cancellation itself."""
    if fact.kind != "cancelled" or fact.moment_day >= fact.day or rules.policy.churn == "effective":
        return None
    return replace(fact, kind="noticed", day=fact.moment_day)


def _when(event: v.Event, effective_at: str | None, zone: tzinfo | None) -> tuple[int, int, int]:
    """Effective day, moment, and day of the moment; also checks that the event is about an account."""
    _require_account(event)
    moment = moment_of(event.time)
    moment_day = moment // DAY_MICROSECONDS if zone is None else day_of_moment(moment, zone)
    if effective_at is None:
        return moment_day, moment, moment_day
    return day_named(effective_at, zone, "data.effective_at"), moment, moment_day


def _require_account(event: v.Event) -> None:
    if event.subject == v.BOOK_SUBJECT:
        raise Refused("invalid_subject", "an event of this type needs an account id as its subject", "subject")


def _attributes(named: Mapping[str, v.AttributeValue | None]) -> tuple[tuple[str, str | None], ...]:
    pairs: list[tuple[str, str | None]] = []
    for name, value in named.items():
        if name in RESERVED_ATTRIBUTES:
            sentence = f"{name!r} is no name for an attribute: reports already group by {name}"
            raise Refused("reserved_attribute", sentence, f"data.attributes.{name}")
        pairs.append((name, None if value is None else _text(value)))
    return tuple(pairs)


def _text(value: v.AttributeValue) -> str:
    """50 is "50", true is "true"."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _term(term: v.Term | None, day: int, zone: tzinfo | None) -> tuple[int, int]:
    """The day the contract expires (NEVER if it renews itself) and the whole months of its term (0: no end)."""
    if term is None:
        return NEVER, 0
    start = day if term.start is None else day_named(term.start, zone, "data.term.start")
    end = day_or_none(term.end, zone, "data.term.end")
    if end is None:
        return NEVER, 0
    if end < start:
        raise Refused("invalid_period", "the term ends before it starts: exchange or mend its days", "data.term.end")
    return NEVER if term.auto_renew else end, whole_months(start, end)


def _signed(event: v.ContractSigned, seq: int, rules: Rules) -> Fact:
    data = event.data
    day, moment, moment_day = _when(event, data.effective_at, rules.zone)
    expires, term_months = (NEVER, 0) if data.term is None else _term(data.term, day, rules.zone)
    trial_end = FIRST_DAY if data.trial_end is None else day_named(data.trial_end, rules.zone, "data.trial_end")
    return Fact(
        "signed",
        seq,
        day,
        moment,
        moment_day,
        data.contract_id,
        require_currency(data.currency, "data.currency"),
        priced_lines(data.lines, rules),
        expires,
        term_months,
        trial_end,
        _seller(data.campaign, data.channel, data.owner) if data.owner or data.campaign or data.channel else (),
        _attributes(data.attributes) if data.attributes else (),
    )


@lru_cache(maxsize=10_000)
def _seller(campaign: str | None, channel: str | None, owner: str | None) -> Pairs:
    """Who sold a contract and how, in order of name; remembered, because many contracts share it."""
    named = (("campaign", campaign), ("channel", channel), ("owner", owner))
    return tuple([(name, value) for name, value in named if value is not None])


def _amended(event: v.ContractUpgraded | v.ContractDowngraded, seq: int, rules: Rules) -> Fact:
    data = event.data
    when = _when(event, data.effective_at, rules.zone)
    return Fact("amended", seq, *when, data.contract_id, "", priced_lines(data.lines, rules))


def _renewed(event: v.ContractRenewed, seq: int, rules: Rules) -> Fact:
    data = event.data
    day, moment, moment_day = _when(event, data.effective_at, rules.zone)
    expires, term_months = _term(data.term, day, rules.zone)
    lines = None if data.lines is None else priced_lines(data.lines, rules)
    return Fact("renewed", seq, day, moment, moment_day, data.contract_id, "", lines, expires, term_months)


def _cancelled(event: v.ContractCancelled, seq: int, rules: Rules) -> Fact:
    data = event.data
    day, moment, moment_day = _when(event, data.effective_at, rules.zone)
    reason, initiative = data.reason or "", data.initiative or ""
    return Fact("cancelled", seq, day, moment, moment_day, data.contract_id, reason=reason, initiative=initiative)


def _paused(event: v.ContractPaused, seq: int, rules: Rules) -> Fact:
    kind: Kind = "paused" if rules.policy.paused == "zero" else "noted"
    return Fact(kind, seq, *_when(event, event.data.effective_at, rules.zone), event.data.contract_id)


def _resumed(event: v.ContractResumed, seq: int, rules: Rules) -> Fact:
    kind: Kind = "resumed" if rules.policy.paused == "zero" else "noted"
    return Fact(kind, seq, *_when(event, event.data.effective_at, rules.zone), event.data.contract_id)


def _changed(event: v.AccountChanged, seq: int, rules: Rules) -> Fact:
    day, moment, moment_day = _when(event, event.data.effective_at, rules.zone)
    return Fact("changed", seq, day, moment, moment_day, attributes=_attributes(event.data.attributes))


def _payment(event: v.PaymentFailed | v.PaymentRecovered, seq: int, rules: Rules) -> Fact:
    if event.data.currency is not None:
        require_currency(event.data.currency, "data.currency")
    return Fact("noted", seq, *_when(event, None, rules.zone), event.data.contract_id)


def _survey(event: v.SurveyAnswered, _seq: int, _rules: Rules) -> None:
    _require_account(event)
    data = event.data
    scale_max = data.scale_max or _SCALES.get(data.survey)
    if data.score is not None and scale_max is not None and data.score > scale_max:
        sentence = f"score {data.score} is above the scale of {scale_max}: set scale_max or mend the score"
        raise Refused("invalid_field", sentence, "data.score")


def _cost(event: v.CostRecorded, _seq: int, rules: Rules) -> None:
    require_currency(event.data.currency, "data.currency")
    period_named(event.data.from_, event.data.until, rules.zone, "data")


def _rate(event: v.RatePublished, _seq: int, rules: Rules) -> None:
    if event.subject != v.BOOK_SUBJECT:
        raise Refused("invalid_subject", f"a rate belongs to no account: subject {v.BOOK_SUBJECT!r}", "subject")
    base = require_currency(event.data.base, "data.base")
    if base == require_currency(event.data.quote, "data.quote"):
        raise Refused("invalid_rate", "base and quote are the same currency: mend one of them", "data.quote")
    rate_of_text(event.data.rate, "data.rate")
    day_or_none(event.data.effective_at, rules.zone, "data.effective_at")


def _retracted(event: v.EventRetracted, _seq: int, _rules: Rules) -> None:
    if "\n" in event.data.source:
        sentence = "`data.source` holds a line break: write the source of the event to retract as it was sent"
        raise Refused("invalid_field", sentence, "data.source")
    if (event.source, event.id) == (event.data.source, event.data.id):
        raise Refused("invalid_field", "an event cannot retract itself: name the event to retract", "data.id")


def _nothing(_event: v.PolicyAdopted, _seq: int, _rules: Rules) -> None:
    """It says nothing of revenue that the events before it do not say."""


REDUCERS: Final[dict[type[v.Event], Callable[[Any, int, Rules], Fact | None]]] = {
    v.ContractSigned: _signed,
    v.ContractUpgraded: _amended,
    v.ContractDowngraded: _amended,
    v.ContractRenewed: _renewed,
    v.ContractCancelled: _cancelled,
    v.ContractPaused: _paused,
    v.ContractResumed: _resumed,
    v.AccountChanged: _changed,
    v.SurveyAnswered: _survey,
    v.CostRecorded: _cost,
    v.PaymentFailed: _payment,
    v.PaymentRecovered: _payment,
    v.RatePublished: _rate,
    v.EventRetracted: _retracted,
    v.PolicyAdopted: _nothing,
}
"""One reducer per event that a ledger may hold: adding an event means adding a row."""
