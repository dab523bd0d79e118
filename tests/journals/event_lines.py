"""Event lines of a journal, `DAY ACCOUNT VERB ...` with their details, as CloudEvents."""

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from msgspec import Struct

from tests.journals.lexing import (
    Line,
    Options,
    UnreadableError,
    amount,
    choice,
    day,
    day_or_moment,
    located,
    moment,
    options_read,
    pair_read,
    text_of,
)

SOURCE = "/journals"
"""The CloudEvents `source` of every event that names no other."""

Event = dict[str, object]
Fields = dict[str, object]

_PRICE = re.compile(r"(?P<amount>[\d,]+)/(?P<count>\d*)(?P<interval>day|week|month|year)s?")
_DETAILS = ("term", "trial", "seller", "campaign", "channel", "attributes")


class Verb(Struct, frozen=True):
    """What one verb writes: the event type, its fixed words, its options and the details it may have."""

    type: str
    words: tuple[tuple[str, str], ...] = ()
    options: Options = {}
    details: tuple[str, ...] = ()
    attributes: bool = False


def whole(text: str) -> int:
    """A whole number that is no money: a score, an attempt; raises UnreadableError."""
    return amount(text)


def yes_or_no(text: str) -> bool:
    """`yes` or `no`; raises UnreadableError."""
    if text not in {"yes", "no"}:
        raise UnreadableError(f"{text!r} is neither yes nor no")
    return text == "yes"


def tags(text: str) -> list[str]:
    """Words between commas."""
    return text.split(",")


_EFFECTIVE: Options = {"effective": ("effective_at", day_or_moment)}
_REASON: Options = {
    "reason": ("reason", text_of),
    "text": ("reason_text", text_of),
    "initiative": ("initiative", text_of),
}
_SURVEY: Options = {
    "score": ("score", whole),
    "of": ("scale_max", whole),
    "resolved": ("resolved_first_contact", yes_or_no),
    "touchpoint": ("touchpoint", text_of),
    "respondent": ("respondent", text_of),
    "comment": ("comment", text_of),
    "tags": ("tags", tags),
}
_COST: Options = {
    "from": ("from", day_or_moment),
    "until": ("until", day_or_moment),
    "category": ("category", text_of),
    "campaign": ("campaign", text_of),
    "owner": ("owner", text_of),
    "segment": ("segment", text_of),
}
_PAYMENT: Options = {
    "amount": ("amount_minor", amount),
    "currency": ("currency", text_of),
    "attempt": ("attempt", whole),
    "reason": ("reason", text_of),
}
_ENVELOPE: Options = {
    "as": ("id", text_of),
    "source": ("source", text_of),
    "recorded": ("recordedtime", moment),
}
_CONTRACT = (("contract_id", "CONTRACT"),)

VERBS: Mapping[str, Verb] = {
    "signs": Verb(
        "revledger.contract.signed.v1",
        (*_CONTRACT, ("currency", "CURRENCY")),
        _EFFECTIVE,
        ("lines", *_DETAILS),
    ),
    "upgrades": Verb("revledger.contract.upgraded.v1", _CONTRACT, _EFFECTIVE, ("lines",)),
    "downgrades": Verb("revledger.contract.downgraded.v1", _CONTRACT, _EFFECTIVE, ("lines",)),
    "renews": Verb("revledger.contract.renewed.v1", _CONTRACT, _EFFECTIVE, ("lines", "term")),
    "cancels": Verb("revledger.contract.cancelled.v1", _CONTRACT, {**_EFFECTIVE, **_REASON}),
    "pauses": Verb("revledger.contract.paused.v1", _CONTRACT, _EFFECTIVE),
    "resumes": Verb("revledger.contract.resumed.v1", _CONTRACT, _EFFECTIVE),
    "changes": Verb("revledger.account.changed.v1", (), _EFFECTIVE, (), True),
    "answers": Verb("revledger.survey.answered.v1", (("survey", "SURVEY"),), _SURVEY),
    "spends": Verb(
        "revledger.cost.recorded.v1",
        (("kind", "KIND"), ("amount_minor", "AMOUNT"), ("currency", "CURRENCY")),
        _COST,
    ),
    "fails": Verb("revledger.payment.failed.v1", _CONTRACT, _PAYMENT),
    "recovers": Verb("revledger.payment.recovered.v1", _CONTRACT, _PAYMENT),
    "publishes": Verb(
        "revledger.rate.published.v1",
        (("base", "BASE"), ("quote", "QUOTE"), ("rate", "RATE")),
        _EFFECTIVE,
    ),
    "retracts": Verb(
        "revledger.event.retracted.v1",
        (("id", "EVENT"),),
        {"of": ("source", text_of), "reason": ("reason", text_of)},
    ),
}
_LINE: Options = {
    "product": ("product", text_of),
    "from": ("from", day_or_moment),
    "until": ("until", day_or_moment),
}
_DISCOUNT: Options = {
    "from": ("from", day_or_moment),
    "until": ("until", day_or_moment),
    "label": ("label", text_of),
}
_NAMED_DETAILS: Mapping[str, str] = {"seller": "owner", "campaign": "campaign", "channel": "channel"}


def event_read(path: Path, head: Line, details: Sequence[Line], number: int) -> Event:
    """One event of the journal, the `number`-th; raises JournalError."""
    with located(path, head):
        event, verb = _head_read(head.words, f"{path.stem}-{number:03d}")
    data = event["data"]
    assert isinstance(data, dict)
    for line in details:
        with located(path, line):
            _detail_read(line.words, verb, data)
    with located(path, head):
        if "lines" in verb.details and "lines" not in data and head.words[2] != "renews":
            raise UnreadableError(
                f"{head.words[2]!r} needs at least one line below it: LINE PLAN AMOUNT/INTERVAL"
            )
    return event


def _head_read(words: Sequence[str], name: str) -> tuple[Event, Verb]:
    if len(words) < 3 or words[2] not in VERBS:
        raise UnreadableError(f"expected DAY ACCOUNT VERB, the verb one of {choice(VERBS)}")
    verb = VERBS[words[2]]
    end = 3 + len(verb.words)
    if len(words) < end:
        raise UnreadableError(f"{words[2]!r} needs {' '.join(shown for _, shown in verb.words)} after it")
    data: Fields = {} if verb.type != "revledger.event.retracted.v1" else {"source": SOURCE}
    for (field, shown), word in zip(verb.words, words[3:end], strict=True):
        data[field] = amount(word) if shown == "AMOUNT" else word
    rest = _attributes_taken(words[end:], data) if verb.attributes else list(words[end:])
    fields = options_read(rest, {**_prefixed(verb.options), **_ENVELOPE})
    data |= {name[5:]: value for name, value in fields.items() if name.startswith("data.")}
    event: Event = {
        "specversion": "1.0",
        "id": fields.get("id", name),
        "source": fields.get("source", SOURCE),
        "type": verb.type,
        "subject": words[1],
        "time": moment(words[0]),
        "datacontenttype": "application/json",
    }
    if "recordedtime" in fields:
        event["recordedtime"] = fields["recordedtime"]
    return event | {"data": data}, verb


def _prefixed(options: Options) -> Options:
    """The options of `data` apart from those of the envelope: a cost's `source` is not the event's."""
    return {keyword: (f"data.{field}", convert) for keyword, (field, convert) in options.items()}


def _attributes_taken(words: Sequence[str], data: Fields) -> list[str]:
    attributes: dict[str, str | None] = {}
    rest = list(words)
    while rest and ("=" in rest[0] or rest[0] == "without"):
        if rest[0] != "without":
            name, value = pair_read(rest.pop(0))
            attributes[name] = value
        elif len(rest) > 1:
            attributes[rest[1]] = None
            del rest[:2]
        else:
            raise UnreadableError("'without' needs the name of an attribute after it")
    if not attributes:
        raise UnreadableError("'changes' needs NAME=VALUE or without NAME")
    data["attributes"] = attributes
    return rest


def _detail_read(words: Sequence[str], verb: Verb, data: Fields) -> None:
    keyword = words[0] if words[0] in _DETAILS else "lines"
    if keyword not in verb.details:
        expected = choice(verb.details) if verb.details else "none"
        raise UnreadableError(f"{words[0]!r} cannot stand here: details of this event are {expected}")
    if keyword == "lines":
        lines = data.setdefault("lines", [])
        assert isinstance(lines, list)
        lines.append(_priced_line(words))
        return
    field, value = _named_detail(keyword, words[1:])
    if field in data:
        raise UnreadableError(f"{keyword!r} is given twice")
    data[field] = value


def _named_detail(keyword: str, words: Sequence[str]) -> tuple[str, object]:
    if keyword == "term":
        return "term", _term(words)
    if keyword == "attributes":
        return "attributes", dict(pair_read(word) for word in words)
    if keyword == "trial":
        if len(words) != 2 or words[0] != "until":
            raise UnreadableError("write trial until DAY")
        return "trial_end", day_or_moment(words[1])
    if len(words) != 1:
        raise UnreadableError(f"{keyword!r} needs one name after it")
    return _NAMED_DETAILS[keyword], words[0]


def _term(words: Sequence[str]) -> Fields:
    """`[DAY] .. [DAY] [fixed|renewing]`: a fixed term ends at its end, any other goes on."""
    rest = list(words)
    term: Fields = {}
    if rest and rest[0] != "..":
        term["start"] = day(rest.pop(0))
    if not rest or rest.pop(0) != "..":
        raise UnreadableError("write term [DAY] .. [DAY] [fixed or renewing]")
    if rest and rest[0] not in {"fixed", "renewing"}:
        term["end"] = day(rest.pop(0))
    if rest:
        term["auto_renew"] = rest.pop(0) == "renewing"
    if rest:
        raise UnreadableError(f"unknown word {rest[0]!r} after the term")
    return term


def _priced_line(words: Sequence[str]) -> Fields:
    price = _PRICE.fullmatch(words[2]) if len(words) > 2 else None
    if price is None:
        raise UnreadableError(
            f"expected a line, LINE PLAN AMOUNT/INTERVAL such as l1 basic 4000/month, or {choice(_DETAILS)}"
        )
    line: Fields = {"line_id": words[0], "plan": words[1], "amount_minor": amount(price["amount"])}
    line["interval"] = price["interval"]
    if price["count"]:
        line["interval_count"] = int(price["count"])
    first, *others = _split_at_less(words[3:])
    line |= options_read(_flags_taken(first, line), _LINE)
    if others:
        line["discounts"] = [_discount(chunk) for chunk in others]
    return line


def _split_at_less(words: Sequence[str]) -> list[list[str]]:
    chunks: list[list[str]] = [[]]
    for is_less, run in groupby(words, lambda word: word == "less"):
        if is_less:
            chunks.extend([] for _ in run)
        else:
            chunks[-1].extend(run)
    return chunks


def _flags_taken(words: Sequence[str], line: Fields) -> list[str]:
    """What is left of a line's words after its quantity and kind, which stand right behind the price."""
    rest = list(words)
    while rest and (re.fullmatch(r"x[\d,]+", rest[0]) or rest[0] in {"one-time", "usage"}):
        word = rest.pop(0)
        if word.startswith("x"):
            line["quantity"] = amount(word[1:])
        else:
            line["kind"] = word.replace("-", "_")
    return rest


def _discount(words: Sequence[str]) -> Fields:
    if not words:
        raise UnreadableError("'less' needs a percentage, 10%, or an amount in minor units after it")
    fields: Fields
    if words[0].endswith("%"):
        fields = {"percent": words[0].removesuffix("%")}
    else:
        fields = {"amount_minor": amount(words[0])}
    return fields | options_read(words[1:], _DISCOUNT)
