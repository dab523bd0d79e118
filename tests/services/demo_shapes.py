"""A strict little checker of the vocabulary, written from the definition of the events alone."""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, Final

Check = Callable[[Any], bool]

CURRENCIES: Final = ("USD", "EUR", "GBP", "JPY", "KRW")


def text(value: Any) -> bool:
    return isinstance(value, str) and value.strip() == value != ""


def whole(value: Any) -> bool:
    return type(value) is int and value >= 0


def flag(value: Any) -> bool:
    return type(value) is bool


def one_of(*values: str) -> Check:
    return lambda value: value in values


def moment(value: Any) -> bool:
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", value):
        return False
    return datetime.fromisoformat(value).tzinfo is not None


def day(value: Any) -> bool:
    return moment(value) if len(value) != 10 else date.fromisoformat(value).isoformat() == str(value)


def decimal(value: Any) -> bool:
    return bool(re.fullmatch(r"(0|[1-9]\d*)(\.\d*[1-9])?", value))


def several(check: Check) -> Check:
    return lambda values: isinstance(values, list) and len(values) > 0 and all(map(check, values))


def attributes(value: Any) -> bool:
    return value != {} and all(text(name) and (item is None or text(item)) for name, item in value.items())


def shape(fields: Mapping[str, Check]) -> Check:
    """An object of these fields and no others; a name that ends in `?` may be left out."""
    checks = {name.removesuffix("?"): check for name, check in fields.items()}
    required = {name for name in fields if not name.endswith("?")}

    def fits(value: Any) -> bool:
        return (
            isinstance(value, dict)
            and required <= value.keys() <= checks.keys()
            and all(checks[name](item) for name, item in value.items())
        )

    return fits


PERCENT: Final = shape({"percent": decimal, "from?": day, "until?": day, "label?": text})
AMOUNT: Final = shape({"amount_minor": whole, "from?": day, "until?": day, "label?": text})
LINE: Final = shape(
    {
        "line_id": text,
        "plan": text,
        "product?": text,
        "kind?": one_of("recurring", "one_time", "usage"),
        "amount_minor": whole,
        "quantity?": whole,
        "interval?": one_of("day", "week", "month", "year"),
        "interval_count?": lambda value: whole(value) and value > 0,
        "discounts?": several(lambda value: PERCENT(value) or AMOUNT(value)),
        "from?": day,
        "until?": day,
    }
)
TERM: Final = shape({"start?": day, "end?": day, "auto_renew?": flag})


def lines(value: Any) -> bool:
    """At least one line, each id once, each interval the right way round."""
    ids = {line["line_id"] for line in value}
    forward = all(line.get("from", "0") < line.get("until", "9") for line in value)
    return several(LINE)(value) and len(ids) == len(value) and forward


AMENDMENT: Final = shape({"contract_id": text, "effective_at?": day, "lines": lines})
BREAK: Final = shape({"contract_id": text, "effective_at?": day})
PAYMENT: Final = shape(
    {
        "contract_id": text,
        "amount_minor?": whole,
        "currency?": one_of(*CURRENCIES),
        "attempt?": whole,
        "reason?": text,
    }
)

DATA: Final[Mapping[str, Check]] = {
    "revledger.contract.signed.v1": shape(
        {
            "contract_id": text,
            "effective_at?": day,
            "currency": one_of(*CURRENCIES),
            "lines": lines,
            "term?": TERM,
            "trial_end?": day,
            "owner?": text,
            "campaign?": text,
            "channel?": text,
            "attributes?": attributes,
        }
    ),
    "revledger.contract.upgraded.v1": AMENDMENT,
    "revledger.contract.downgraded.v1": AMENDMENT,
    "revledger.contract.renewed.v1": shape(
        {"contract_id": text, "effective_at?": day, "term": TERM, "lines?": lines}
    ),
    "revledger.contract.cancelled.v1": shape(
        {
            "contract_id": text,
            "effective_at?": day,
            "reason?": lambda value: bool(re.fullmatch("[a-z_]{1,32}", value)),
            "reason_text?": text,
            "initiative?": one_of("voluntary", "involuntary"),
        }
    ),
    "revledger.contract.paused.v1": BREAK,
    "revledger.contract.resumed.v1": BREAK,
    "revledger.account.changed.v1": shape({"effective_at?": day, "attributes": attributes}),
    "revledger.survey.answered.v1": shape(
        {
            "survey": one_of("nps", "csat", "ces", "fcr", "feedback"),
            "score?": whole,
            "scale_max?": whole,
            "resolved_first_contact?": flag,
            "touchpoint?": text,
            "respondent?": text,
            "comment?": text,
            "tags?": several(text),
        }
    ),
    "revledger.cost.recorded.v1": shape(
        {
            "kind": one_of("acquisition", "retention"),
            "amount_minor": whole,
            "currency": one_of(*CURRENCIES),
            "from": day,
            "until": day,
            "category?": text,
            "campaign?": text,
            "owner?": text,
            "segment?": text,
        }
    ),
    "revledger.payment.failed.v1": PAYMENT,
    "revledger.payment.recovered.v1": PAYMENT,
    "revledger.rate.published.v1": shape(
        {
            "base": one_of(*CURRENCIES),
            "quote": one_of(*CURRENCIES),
            "rate": lambda value: decimal(value) and value != "0",
            "effective_at?": day,
        }
    ),
    "revledger.event.retracted.v1": shape({"source": text, "id": text, "reason": text}),
}

EVENT: Final = shape(
    {
        "specversion": one_of("1.0"),
        "id": text,
        "source": lambda value: bool(re.fullmatch("/demo/[a-z]+", value)),
        "type": lambda value: value in DATA,
        "subject": lambda value: bool(re.fullmatch(r"acct-\d{6,}|~book", value)),
        "time": moment,
        "datacontenttype": one_of("application/json"),
        "data": lambda value: isinstance(value, dict),
        "recordedtime": moment,
    }
)


def well_formed(event: dict[str, Any]) -> bool:
    """Whether an event is one of the vocabulary, to the last field."""
    return EVENT(event) and DATA[event["type"]](event["data"])
