"""One contract of the model: what each fact makes of it, and what its lines are worth on a day."""

from fractions import Fraction
from typing import Any, NamedTuple

from tests.model.choices import USUAL, Choices
from tests.model.days import Event, day_of, effective_day, whole_months

Stop = tuple[str | None, str | None]

UNITS_A_YEAR = {"month": 12, "year": 1, "week": 52, "day": 365}
CONTRACT = "revledger.contract."
SELLER = ("campaign", "channel", "owner")


class Term(NamedTuple):
    """A term in force; `end` None is open-ended, `months` counts whole months."""

    end: int | None = None
    auto_renew: bool = True
    months: int | None = None


class Contract(NamedTuple):
    """A contract that was signed once; `stop` is why it is closed: (reason, initiative)."""

    currency: str
    lines: list[dict[str, Any]]
    seller: tuple[tuple[str, str], ...]
    term: Term
    trial_end: int | None
    is_open: bool = True
    is_paused: bool = False
    stop: Stop = (None, None)


def term_of(fact: Event) -> Term:
    """The term that a signing or a renewal gives from its day."""
    term = fact["data"].get("term") or {}
    if term.get("end") is None:
        return Term()
    start = day_of(term["start"]) if term.get("start") else effective_day(fact)
    end = day_of(term["end"])
    return Term(end, term.get("auto_renew", True), whole_months(start, end))


def sign(fact: Event) -> Contract:
    """A contract as its signing states it: everything afresh."""
    data = fact["data"]
    seller = tuple((name, data[name]) for name in SELLER if data.get(name) is not None)
    trial_end = day_of(data["trial_end"]) if data.get("trial_end") else None
    return Contract(data["currency"], data["lines"], seller, term_of(fact), trial_end)


def renew(contract: Contract, fact: Event) -> Contract:
    """A new term, open (again), with new lines if it brings any."""
    lines = fact["data"].get("lines") or contract.lines
    return contract._replace(lines=lines, term=term_of(fact), is_open=True, stop=(None, None))


def close(contract: Contract, stop: Stop) -> Contract:
    """The contract closed, which ends a pause; it remembers its lines."""
    return contract._replace(is_open=False, is_paused=False, stop=stop)


def change_open(contract: Contract, kind: str, data: dict[str, Any]) -> Contract:
    """An open contract after an amendment, a cancellation, a pause or its end."""
    if kind in ("upgraded", "downgraded"):
        return contract._replace(lines=data["lines"])
    if kind == "cancelled":
        return close(contract, (data.get("reason"), data.get("initiative")))
    return contract._replace(is_paused={"paused": True, "resumed": False}[kind])


def after_fact(contract: Contract | None, fact: Event) -> Contract | None:
    """The contract after one more fact about it; None as long as nobody signed it."""
    kind = fact["type"].removeprefix(CONTRACT).removesuffix(".v1")
    if kind == "signed":
        return sign(fact)
    if contract is None:
        return None
    contract = after_term(contract, effective_day(fact) - 1)  # a term may have ended before it was agreed
    if kind == "renewed":
        return renew(contract, fact)
    return change_open(contract, kind, fact["data"]) if contract.is_open else contract


def after_term(contract: Contract, day: int) -> Contract:
    """The contract once its term may have ended on or before this day."""
    end = contract.term.end
    ends = contract.is_open and not contract.term.auto_renew and end is not None and end <= day
    return close(contract, ("expired", "voluntary")) if ends else contract


def applies(piece: dict[str, Any], day: int) -> bool:
    """Whether a line or a discount is in force: from <= day < until, each edge optional."""
    begun = piece.get("from") is None or day_of(piece["from"]) <= day
    over = piece.get("until") is not None and day_of(piece["until"]) <= day
    return begun and not over


def is_priced(line: dict[str, Any], day: int) -> bool:
    """Whether a line costs something on a day before any discount."""
    is_recurring = line.get("kind", "recurring") == "recurring"
    return is_recurring and applies(line, day) and line["amount_minor"] * line.get("quantity", 1) > 0


def lowers(discount: dict[str, Any], choices: Choices) -> bool:
    """Whether a discount lowers revenue at all."""
    is_forever = discount.get("until") is None
    return {"net": True, "forever_only": is_forever, "list": False}[choices.discounts]


def line_annual_e4(line: dict[str, Any], day: int, choices: Choices = USUAL) -> int:
    """What a line is worth a year on one day, in 1/10,000 minor units, rounded half to even once."""
    if line.get("kind", "recurring") != "recurring" or not applies(line, day):
        return 0
    net = Fraction(line["amount_minor"] * line.get("quantity", 1))
    for discount in line.get("discounts", []):
        if not applies(discount, day) or not lowers(discount, choices):
            continue
        if "percent" in discount:
            net -= net * Fraction(discount["percent"]) / 100
        else:
            net -= discount["amount_minor"]
        net = max(net, Fraction(0))
    factor = Fraction(UNITS_A_YEAR[line.get("interval", "month")], line.get("interval_count", 1))
    return round(net * 10_000 * factor)


def counts(contract: Contract, day: int, choices: Choices = USUAL) -> bool:
    """Whether a contract counts at all on a day: open, not paused (if that matters), its trial over."""
    on_trial = contract.trial_end is not None and day < contract.trial_end
    stands_still = contract.is_paused and choices.paused == "zero"
    return contract.is_open and not stands_still and not on_trial
