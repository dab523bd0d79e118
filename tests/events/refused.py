"""Bad events, one row each: what is sent, the reason it is refused for, and the field to change."""

import json
from typing import Any

from events.envelope import EVENT_BYTES_MAX
from events.money import AMOUNT_MAX
from tests.model.notation import fact, line

REQUIRED = ("id", "source", "type", "subject", "time", "data")


def signing(**said: Any) -> dict[str, Any]:
    """A good event, or one with some of its data said otherwise."""
    return {"specversion": "1.0", **fact("signed", "a1", "2024-01-01", **({"lines": [line(100)]} | said))}


def priced(**said: Any) -> dict[str, Any]:
    """A signing whose one line has these fields."""
    return signing(lines=[line(100) | said])


def other(name: str, subject: str = "a", /, **data: Any) -> dict[str, Any]:
    """An event of another type."""
    return signing() | {"type": f"revledger.{name}.v1", "subject": subject, "data": data}


def without(name: str) -> dict[str, Any]:
    """A signing that lacks an attribute."""
    return {key: value for key, value in signing().items() if key != name}


def discounted(*discounts: dict[str, Any]) -> dict[str, Any]:
    """A signing with discounts on its line."""
    return priced(discounts=list(discounts))


def nested(depth: int) -> bytes:
    """A signing with something deeply nested where an extension attribute may be."""
    return json.dumps(signing())[:-1].encode() + b', "x": ' + b"[" * depth + b"]" * depth + b"}"


def raw_of(bad: dict[str, Any] | bytes) -> bytes:
    """What is sent."""
    return bad if isinstance(bad, bytes) else json.dumps(bad).encode()


GOOD = json.dumps(signing()).encode()
RATE = {"base": "USD", "quote": "KRW", "rate": "1300.5"}
COST = {"kind": "acquisition", "amount_minor": 1, "currency": "USD", "from": "2024-01-01", "until": "2024-02-01"}
SURVEY = {"survey": "nps", "score": 9}
GONE = {"source": "/examples", "id": "e1", "reason": "wrong"}
LINE = "data.lines[0]"
FIRST_DISCOUNT = f"{LINE}.discounts[0]"

REFUSED: dict[str, tuple[dict[str, Any] | bytes, str, str]] = {
    # ------------------------------------------------ what is no event at all
    "nothing": (b"", "not_json", ""),
    "no JSON": (b"hello", "not_json", ""),
    "truncated": (GOOD[:-7], "not_json", ""),
    "two values": (GOOD + GOOD, "not_json", ""),
    "a trailing comma": (GOOD[:-1] + b",}", "not_json", ""),
    "single quotes": (GOOD.replace(b'"', b"'"), "not_json", ""),
    "nested 100,000 deep": (nested(100_000), "not_json", ""),
    "only brackets": (b"[" * 100_000, "not_json", ""),
    "invalid UTF-8 in a field": (GOOD.replace(b'"a"', b'"\xff"'), "not_json", ""),
    "invalid UTF-8 in an extension": (GOOD[:-1] + b', "x": "\xff"}', "not_json", ""),
    "UTF-16": (json.dumps(signing()).encode("utf-16"), "not_json", ""),
    "a lone surrogate": (GOOD.replace(b'"a"', b'"\\ud800"'), "not_json", ""),
    "not a number": (GOOD.replace(b": 100", b": NaN"), "not_json", ""),
    "infinity": (GOOD.replace(b": 100", b": Infinity"), "not_json", ""),
    "a leading zero": (GOOD.replace(b": 100", b": 0100"), "not_json", ""),
    "null": (b"null", "not_cloudevent", "specversion"),
    "a number": (b"7", "not_cloudevent", "specversion"),
    "an array": (b"[" + GOOD + b"]", "not_cloudevent", "specversion"),
    "an empty object": (b"{}", "not_cloudevent", "specversion"),
    "no specversion": (without("specversion"), "not_cloudevent", "specversion"),
    "an older specversion": (signing() | {"specversion": "0.3"}, "not_cloudevent", "specversion"),
    "a specversion that is a number": (signing() | {"specversion": 1.0}, "not_cloudevent", "specversion"),
    "a specversion that is a list": (signing() | {"specversion": ["1.0"]}, "not_cloudevent", "specversion"),
    "more than 256 KiB": (signing() | {"x": "y" * EVENT_BYTES_MAX}, "too_large", ""),
    # ------------------------------------------------ attributes
    **{f"no {name}": (without(name), "missing_field", name) for name in REQUIRED},
    **{f"{name} is null": (signing() | {name: None}, "invalid_field", name) for name in ("id", "source", "type")},
    "id is empty": (signing() | {"id": ""}, "invalid_field", "id"),
    "id is a number": (signing() | {"id": 7}, "invalid_field", "id"),
    "id is too long": (signing() | {"id": "7" * 257}, "invalid_field", "id"),
    "source is empty": (signing() | {"source": ""}, "invalid_field", "source"),
    "source has a line break": (signing() | {"source": "/a\n/b"}, "invalid_field", "source"),
    "subject is empty": (signing() | {"subject": ""}, "invalid_field", "subject"),
    "data is a list": (signing() | {"data": []}, "invalid_field", "data"),
    "type is a list": (signing() | {"type": ["revledger.contract.signed.v1"]}, "invalid_field", "type"),
    "a misspelt type": (other("contract.sigend"), "unknown_type", "type"),
    "a type of somebody else": (signing() | {"type": "com.example.invoice.paid"}, "unknown_type", "type"),
    "an empty type": (signing() | {"type": ""}, "unknown_type", "type"),
    "an unknown version": (signing() | {"type": "revledger.contract.signed.v9"}, "unknown_version", "type"),
    "time without an offset": (signing() | {"time": "2024-01-01T00:00:00"}, "invalid_time", "time"),
    "time is a date": (signing() | {"time": "2024-01-01"}, "invalid_time", "time"),
    "time is a number": (signing() | {"time": 1_704_067_200}, "invalid_time", "time"),
    "a time that does not exist": (signing() | {"time": "2023-02-29T00:00:00Z"}, "invalid_time", "time"),
    "an hour that does not exist": (signing() | {"time": "2024-01-01T24:00:00Z"}, "invalid_time", "time"),
    "the year 1": (signing() | {"time": "0001-01-01T00:00:00+09:00"}, "invalid_time", "time"),
    "the year 9999": (signing() | {"time": "9999-12-31T23:59:59-09:00"}, "invalid_time", "time"),
    # ------------------------------------------------ data
    "no contract": (other("contract.paused"), "missing_field", "data.contract_id"),
    "no lines": (other("contract.upgraded", contract_id="a1"), "missing_field", "data.lines"),
    "an empty set of lines": (signing(lines=[]), "invalid_field", "data.lines"),
    "a line without a price": (
        signing(lines=[{"line_id": "l1", "plan": "p"}]),
        "missing_field",
        f"{LINE}.amount_minor",
    ),
    "a line without a plan": (signing(lines=[{"line_id": "l1", "amount_minor": 1}]), "missing_field", f"{LINE}.plan"),
    "an unknown field": (signing(colour="red"), "unknown_field", "data.colour"),
    "an unknown field of a line": (priced(price=1), "unknown_field", f"{LINE}.price"),
    "an unknown field of a term": (signing(term={"until": "2024-02-01"}), "unknown_field", "data.term.until"),
    "an unknown field of a discount": (
        discounted({"percent": "5", "off": 1}),
        "unknown_field",
        f"{FIRST_DISCOUNT}.off",
    ),
    "contract_id is empty": (signing(contract_id=""), "invalid_field", "data.contract_id"),
    "line_id is empty": (priced(line_id=""), "invalid_field", f"{LINE}.line_id"),
    "an unknown kind of line": (priced(kind="setup"), "invalid_field", f"{LINE}.kind"),
    "an unknown interval": (priced(interval="quarter"), "invalid_field", f"{LINE}.interval"),
    "every 0 months": (priced(interval_count=0), "invalid_field", f"{LINE}.interval_count"),
    "an unknown initiative": (
        other("contract.cancelled", contract_id="a1", initiative="customer"),
        "invalid_field",
        "data.initiative",
    ),
    "two lines of one name": (signing(lines=[line(1), line(2)]), "duplicate_line", "data.lines"),
    # ------------------------------------------------ money
    "a decimal amount": (priced(amount_minor=12.5), "amount_not_integer", f"{LINE}.amount_minor"),
    "an amount of 1.0": (priced(amount_minor=1.0), "amount_not_integer", f"{LINE}.amount_minor"),
    "an amount in a string": (priced(amount_minor="100"), "amount_not_integer", f"{LINE}.amount_minor"),
    "an amount of null": (priced(amount_minor=None), "amount_not_integer", f"{LINE}.amount_minor"),
    "an amount of true": (priced(amount_minor=True), "amount_not_integer", f"{LINE}.amount_minor"),
    "a negative amount": (priced(amount_minor=-1), "amount_negative", f"{LINE}.amount_minor"),
    "an amount of 2^63": (priced(amount_minor=AMOUNT_MAX + 1), "amount_too_large", f"{LINE}.amount_minor"),
    "an amount of 30 digits": (priced(amount_minor=10**30), "amount_too_large", f"{LINE}.amount_minor"),
    "an amount of 5,000 digits": (GOOD.replace(b": 100", b": 1" + b"0" * 5_000), "amount_too_large", ""),
    "more a year than fits": (priced(amount_minor=AMOUNT_MAX), "amount_too_large", f"{LINE}.amount_minor"),
    "more seats than fit": (priced(quantity=AMOUNT_MAX), "amount_too_large", f"{LINE}.amount_minor"),
    "half a seat": (priced(quantity=0.5), "amount_not_integer", f"{LINE}.quantity"),
    "less than no seat": (priced(quantity=-1), "amount_negative", f"{LINE}.quantity"),
    "an unknown currency": (signing(currency="ABC"), "unknown_currency", "data.currency"),
    "a currency in lower case": (signing(currency="usd"), "unknown_currency", "data.currency"),
    "a currency by its symbol": (signing(currency="$"), "unknown_currency", "data.currency"),
    "gold": (signing(currency="XAU"), "unknown_currency", "data.currency"),
    "an unknown currency of a payment": (
        other("payment.failed", contract_id="a1", currency="ABC"),
        "unknown_currency",
        "data.currency",
    ),
    "an unknown currency of a cost": (
        other("cost.recorded", **COST | {"currency": "ABC"}),
        "unknown_currency",
        "data.currency",
    ),
    "a negative cost": (other("cost.recorded", **COST | {"amount_minor": -1}), "amount_negative", "data.amount_minor"),
    # ------------------------------------------------ days and periods
    "29 February 2023": (signing(effective_at="2023-02-29"), "invalid_date", "data.effective_at"),
    "month 13": (signing(effective_at="2024-13-01"), "invalid_date", "data.effective_at"),
    "the year 0": (signing(effective_at="0000-01-01"), "invalid_date", "data.effective_at"),
    "slashes": (signing(effective_at="2024/01/31"), "invalid_date", "data.effective_at"),
    "day first": (signing(effective_at="31-01-2024"), "invalid_date", "data.effective_at"),
    "a week": (signing(effective_at="2024-W01-1"), "invalid_date", "data.effective_at"),
    "digits of another script": (signing(effective_at="٢٠٢٤-01-01"), "invalid_date", "data.effective_at"),
    "no zeros": (signing(effective_at="2024-1-1"), "invalid_date", "data.effective_at"),
    "a moment without an offset": (signing(effective_at="2024-01-01T00:00:00"), "invalid_date", "data.effective_at"),
    "a moment after the year 9999": (
        signing(effective_at="9999-12-31T23:59:59-09:00"),
        "invalid_date",
        "data.effective_at",
    ),
    "a moment before the year 1": (signing(trial_end="0001-01-01T00:00:00+09:00"), "invalid_date", "data.trial_end"),
    "the end of a trial that does not exist": (signing(trial_end="2024-04-31"), "invalid_date", "data.trial_end"),
    "the start of a term that does not exist": (
        signing(term={"start": "2024-04-31", "end": "2025-01-01"}),
        "invalid_date",
        "data.term.start",
    ),
    "the end of a term that does not exist": (signing(term={"end": "2024-04-31"}), "invalid_date", "data.term.end"),
    "a day of a line that does not exist": (priced(**{"from": "2024-04-31"}), "invalid_date", f"{LINE}.from"),
    "a day of a discount that does not exist": (
        discounted({"percent": "5", "until": "2024-04-31"}),
        "invalid_date",
        f"{FIRST_DISCOUNT}.until",
    ),
    "a day of a rate that does not exist": (
        other("rate.published", "~book", **RATE, effective_at="2024-04-31"),
        "invalid_date",
        "data.effective_at",
    ),
    "a line that ends before it starts": (
        priced(**{"from": "2024-02-01", "until": "2024-01-01"}),
        "invalid_period",
        LINE,
    ),
    "a discount that ends before it starts": (
        discounted({"percent": "5", "from": "2024-02-01", "until": "2024-01-01"}),
        "invalid_period",
        FIRST_DISCOUNT,
    ),
    "a term that ends before it starts": (
        signing(term={"start": "2024-02-01", "end": "2024-01-01"}),
        "invalid_period",
        "data.term.end",
    ),
    "a term that ends before the contract starts": (
        signing(term={"end": "2023-12-31"}),
        "invalid_period",
        "data.term.end",
    ),
    "a cost that ends before it starts": (
        other("cost.recorded", **COST | {"until": "2023-12-01"}),
        "invalid_period",
        "data",
    ),
    # ------------------------------------------------ discounts
    "abc per cent": (discounted({"percent": "abc"}), "invalid_percent", f"{FIRST_DISCOUNT}.percent"),
    "101 per cent": (discounted({"percent": "101"}), "invalid_percent", f"{FIRST_DISCOUNT}.percent"),
    "-1 per cent": (discounted({"percent": "-1"}), "invalid_percent", f"{FIRST_DISCOUNT}.percent"),
    "one tenth as a fraction": (discounted({"percent": "1/10"}), "invalid_percent", f"{FIRST_DISCOUNT}.percent"),
    "1e1 per cent": (discounted({"percent": "1e1"}), "invalid_percent", f"{FIRST_DISCOUNT}.percent"),
    "a per cent sign": (discounted({"percent": "10%"}), "invalid_percent", f"{FIRST_DISCOUNT}.percent"),
    "a comma": (discounted({"percent": "12,5"}), "invalid_percent", f"{FIRST_DISCOUNT}.percent"),
    "a percentage that is a number": (discounted({"percent": 10}), "invalid_percent", f"{FIRST_DISCOUNT}.percent"),
    "a discount of neither": (discounted({"label": "x"}), "invalid_field", FIRST_DISCOUNT),
    "a discount of both": (discounted({"percent": "5", "amount_minor": 5}), "invalid_field", FIRST_DISCOUNT),
    # ------------------------------------------------ attributes of an account
    "an attribute that is called plan": (
        signing(attributes={"plan": "x"}),
        "reserved_attribute",
        "data.attributes.plan",
    ),
    "an attribute that is called owner": (
        other("account.changed", attributes={"owner": "x"}),
        "reserved_attribute",
        "data.attributes.owner",
    ),
    "no attribute": (other("account.changed", attributes={}), "invalid_field", "data.attributes"),
    "an attribute without a name": (signing(attributes={"": "x"}), "invalid_field", "data.attributes"),
    "an attribute that is a decimal": (signing(attributes={"x": 0.5}), "invalid_field", "data.attributes[...]"),
    "an attribute that is a list": (signing(attributes={"x": ["y"]}), "invalid_field", "data.attributes[...]"),
    "a number no 64 bits hold": (signing(attributes={"x": 10**30}), "invalid_field", "data.attributes[...]"),
    # ------------------------------------------------ who it is about
    "a contract of the book": (signing() | {"subject": "~book"}, "invalid_subject", "subject"),
    "attributes of the book": (other("account.changed", "~book", attributes={"x": 1}), "invalid_subject", "subject"),
    "an answer of the book": (other("survey.answered", "~book", **SURVEY), "invalid_subject", "subject"),
    "a payment of the book": (other("payment.failed", "~book", contract_id="a1"), "invalid_subject", "subject"),
    "a rate of an account": (other("rate.published", **RATE), "invalid_subject", "subject"),
    # ------------------------------------------------ the rest
    "an unknown survey": (other("survey.answered", survey="stars"), "invalid_field", "data.survey"),
    "a score above 10": (other("survey.answered", survey="nps", score=11), "invalid_field", "data.score"),
    "a score above 5": (other("survey.answered", survey="csat", score=6), "invalid_field", "data.score"),
    "a score above the scale": (
        other("survey.answered", survey="ces", score=8, scale_max=7),
        "invalid_field",
        "data.score",
    ),
    "a negative score": (other("survey.answered", survey="nps", score=-1), "invalid_field", "data.score"),
    "a rate of zero": (other("rate.published", "~book", **RATE | {"rate": "0.00"}), "invalid_rate", "data.rate"),
    "a negative rate": (other("rate.published", "~book", **RATE | {"rate": "-1"}), "invalid_rate", "data.rate"),
    "a rate that is a number": (other("rate.published", "~book", **RATE | {"rate": 1.5}), "invalid_rate", "data.rate"),
    "a rate of a currency to itself": (
        other("rate.published", "~book", **RATE | {"quote": "USD"}),
        "invalid_rate",
        "data.quote",
    ),
    "a rate of an unknown currency": (
        other("rate.published", "~book", **RATE | {"base": "ABC"}),
        "unknown_currency",
        "data.base",
    ),
    "a retraction without a reason": (other("event.retracted", source="/a", id="1"), "missing_field", "data.reason"),
    "a retraction of a source with a line break": (
        other("event.retracted", **GONE | {"source": "/a\n"}),
        "invalid_field",
        "data.source",
    ),
    "a retraction of itself": (
        other("event.retracted", **GONE | {"id": signing()["id"]}),
        "invalid_field",
        "data.id",
    ),
}
