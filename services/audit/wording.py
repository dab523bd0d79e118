"""Wording: every event of the vocabulary in an accountant's words, and what a change of the books is called."""

from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from typing import Any, Final

from msgspec import Struct

from events import vocabulary as v
from events.days import day_of_moment, day_of_text, moment_of, text_of_day
from events.money import mrr_minor
from services import shown

LINE_MAX: Final = 200
"""Characters of what somebody else wrote that a sentence quotes."""


class Words(Struct, frozen=True):
    """How one type of event is told: `noun` for it, and what it says happened, given the event and its day."""

    noun: str
    said: Callable[[Any, str], str]


def text_in(text: str) -> str:
    """What somebody else wrote, on one line, without anything that would move a cursor."""
    clean = "".join(one if one.isprintable() else " " for one in text)
    return shown.clipped(clean, LINE_MAX)


def effective_day(event: v.Event, zone: tzinfo | None) -> int:
    """The day from which an event counts: the one it names, else that of its time."""
    named = getattr(event.data, "effective_at", None)  # type: ignore[attr-defined]
    return day_of_text(named, zone) if named is not None else day_of_moment(moment_of(event.time), zone)


def contract_of(event: v.Event) -> str | None:
    """The contract an event is about."""
    contract: str | None = getattr(event.data, "contract_id", None)  # type: ignore[attr-defined]
    return contract


def sentence_of(event: v.Event, zone: tzinfo | None, target: v.Event | None = None) -> str:
    """What an event says happened; `target` is the event that a retraction takes back, where it is there."""
    if isinstance(event, v.EventRetracted):
        return _retracted(event, zone, target)
    day = effective_day(event, zone)
    sentence = WORDS[type(event)].said(event, text_of_day(day))
    agreed = day_of_moment(moment_of(event.time), zone)
    return f"{sentence}, {_AGREED.get(type(event), 'agreed')} on {text_of_day(agreed)}" if agreed < day else sentence


def name_of(event: v.Event, zone: tzinfo | None) -> str:
    """An event as something one can point at: `the cancellation of acme-1 as of 2026-03-10`."""
    of = f" of {text_in(contract_of(event) or event.subject)}" if event.subject != v.BOOK_SUBJECT else ""
    return f"the {WORDS[type(event)].noun}{of} as of {text_of_day(effective_day(event, zone))}"


def recorded_words(day: int, recorded_day: int, place: str) -> str:
    """When the ledger heard of something that counts from a day, and where that stands in it."""
    days = abs(recorded_day - day)
    many = f"{days:,} day{'s' if days != 1 else ''}"
    late = "" if not days else f", {many} later" if recorded_day > day else f", {many} ahead"
    return f"recorded {text_of_day(recorded_day)}{late}, in {place}"


def effects_words(changes: Mapping[str, int], currency: str) -> str:
    """Changes by movement in annual_e4 as sums a month: `churn of 588.00, 20.00 less expansion`."""
    return ", ".join(_effect(kind, amount, currency) for kind, amount in changes.items())


def _effect(kind: str, annual_e4: int, currency: str) -> str:
    money = _money(abs(annual_e4), currency)
    if kind == "opening":
        return f"opening MRR {'higher' if annual_e4 > 0 else 'lower'} by {money}"
    if kind == "transfer":
        return f"transfer {'in' if annual_e4 > 0 else 'out'} of {money}"
    is_more = (annual_e4 > 0) != (kind in _FALLS)
    return f"{_EFFECTS.get(kind, kind)} of {money}" if is_more else f"{money} less {_EFFECTS.get(kind, kind)}"


def _money(annual_e4: int, currency: str) -> str:
    """A sum a month; one that rounds to nothing is said to be something."""
    amount = mrr_minor(annual_e4)
    return shown.money(amount, currency) if amount else f"less than {shown.money(1, currency)}"


_FALLS: Final = ("churn", "contraction")
_EFFECTS: Final = {"new": "new revenue"}


def _retracted(event: v.EventRetracted, zone: tzinfo | None, target: v.Event | None) -> str:
    what = f"event {text_in(event.data.id)} of {text_in(event.data.source)}"
    if target is not None and not isinstance(target, v.EventRetracted):
        what = f"{name_of(target, zone)} ({what})"
    waits = "" if target is not None else ", which has not arrived"
    return f"{what} was retracted (reason {text_in(event.data.reason)}){waits}"


def _of_contract(happened: str) -> Callable[[Any, str], str]:
    def said(event: Any, day: str) -> str:
        return f"{text_in(event.data.contract_id)} {happened} as of {day}"

    return said


def _signed(event: v.ContractSigned, day: str) -> str:
    parts = [_fixed(event.data.term)]
    if event.data.trial_end is not None:
        parts.append(f"on trial until {event.data.trial_end}")
    return f"{text_in(event.data.contract_id)} was signed as of {day}{_aside(parts)}"


def _renewed(event: v.ContractRenewed, day: str) -> str:
    return f"{text_in(event.data.contract_id)} was renewed as of {day}{_aside([_fixed(event.data.term)])}"


def _fixed(term: v.Term | None) -> str:
    return "" if term is None or term.end is None or term.auto_renew else f"for a term that ends {term.end}"


def _cancelled(event: v.ContractCancelled, day: str) -> str:
    reason = "" if event.data.reason is None else f"reason {text_in(event.data.reason)}"
    aside = _aside([reason, event.data.initiative or ""])
    return f"{text_in(event.data.contract_id)} was cancelled as of {day}{aside}"


def _changed(event: v.AccountChanged, day: str) -> str:
    changes = [
        f"{text_in(name)} was removed" if value is None else f"{text_in(name)} became {_value(value)}"
        for name, value in event.data.attributes.items()
    ]
    return f"account {text_in(event.subject)}: {', '.join(changes)} as of {day}"


def _value(value: v.AttributeValue) -> str:
    return str(value).lower() if isinstance(value, bool) else text_in(str(value)) or "empty"


def _answered(event: v.SurveyAnswered, day: str) -> str:
    score = "" if event.data.score is None else f" with a score of {event.data.score}"
    return f"account {text_in(event.subject)} answered the {event.data.survey} survey{score} on {day}"


def _cost(event: v.CostRecorded, _day: str) -> str:
    data = event.data
    money = shown.money(data.amount_minor, data.currency)
    return f"{money} {data.currency} of {data.kind} cost for {data.from_} until {data.until}"


def _payment(happened: str) -> Callable[[Any, str], str]:
    def said(event: Any, day: str) -> str:
        data = event.data
        is_told = data.amount_minor is not None and data.currency is not None
        money = f" of {shown.money(data.amount_minor, data.currency)} {data.currency}" if is_told else ""
        reason = _aside([f"reason {text_in(data.reason)}" if data.reason is not None else ""])
        return f"a payment{money} for {text_in(data.contract_id)} {happened} on {day}{reason}"

    return said


def _rate(event: v.RatePublished, day: str) -> str:
    return f"1 {event.data.base} became {text_in(event.data.rate)} {event.data.quote} as of {day}"


def _adopted(event: v.PolicyAdopted, day: str) -> str:
    then, now = text_in(event.data.instead_of), text_in(event.data.policy)
    return f"the ledger adopted policy {now} on {day}, instead of {then}"


def _aside(parts: Sequence[str]) -> str:
    told = ", ".join(part for part in parts if part)
    return f" ({told})" if told else ""


_AGREED: Final[dict[type[v.Event], str]] = {v.ContractCancelled: "by notice"}

WORDS: Final[dict[type[v.Event], Words]] = {
    v.ContractSigned: Words("signing", _signed),
    v.ContractUpgraded: Words("upgrade", _of_contract("was upgraded")),
    v.ContractDowngraded: Words("downgrade", _of_contract("was downgraded")),
    v.ContractRenewed: Words("renewal", _renewed),
    v.ContractCancelled: Words("cancellation", _cancelled),
    v.ContractPaused: Words("pause", _of_contract("was paused")),
    v.ContractResumed: Words("resumption", _of_contract("went on after its pause")),
    v.AccountChanged: Words("change", _changed),
    v.SurveyAnswered: Words("survey answer", _answered),
    v.CostRecorded: Words("cost", _cost),
    v.PaymentFailed: Words("failed payment", _payment("failed")),
    v.PaymentRecovered: Words("recovered payment", _payment("came after all")),
    v.RatePublished: Words("exchange rate", _rate),
    v.EventRetracted: Words("retraction", lambda event, _: _retracted(event, None, None)),
    v.PolicyAdopted: Words("adoption", _adopted),
}
"""One row per event that a ledger may hold: adding an event means adding a row."""
