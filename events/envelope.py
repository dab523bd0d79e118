"""CloudEvents 1.0 in and out: JSON structured mode, batches, and binary mode as headers and data."""

import difflib
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from events.refusals import Refused
from events.upcasting import UPCASTERS, upcast
from events.vocabulary import EVENT_TYPES, OWN_TYPES, AnyEvent, Event, PolicyAdopted, RecordedEvent

EVENT_BYTES_MAX: Final = 256 * 1024
"""The largest event, in bytes of JSON: a block of one must fit into one Kafka record."""
STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"

_EVENT: Final[msgspec.json.Decoder[RecordedEvent]] = msgspec.json.Decoder(RecordedEvent)
_ITEMS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_JSON: Final = msgspec.json.Encoder()
_REQUIRED: Final = ("specversion", "id", "source", "type", "subject", "time", "data")
_QUOTED: Final = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_ESCAPED: Final = re.compile(rb"\\(.)")
_PERCENT: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_CODES: Final[dict[str, str]] = {
    "time": "invalid_time",
    **dict.fromkeys(("currency", "base", "quote"), "unknown_currency"),
    **dict.fromkeys(("effective_at", "trial_end", "start", "end", "from", "until"), "invalid_date"),
    "percent": "invalid_percent",
    "rate": "invalid_rate",
}
"""Field -> the reason when it has the wrong type or length."""
_ADVICE: Final[dict[str, str]] = {
    "amount_not_integer": "write a whole number, of minor units if it is an amount (12.50 USD is 1250, 1 won is 1)",
    "amount_negative": "nothing is sold below 0: send a discount, a downgrade or a cancellation instead",
    "amount_too_large": "the number is larger than 64 bits hold",
    "invalid_time": "write an RFC 3339 time with an offset, such as 2024-01-31T09:30:00Z",
    "invalid_date": "write YYYY-MM-DD, or an RFC 3339 time with an offset",
    "unknown_currency": "write an ISO 4217 code of three letters, such as USD",
    "invalid_percent": "write a decimal string from 0 to 100, such as '12.5'",
    "invalid_rate": "write a decimal string above 0, such as '1.0850'",
}
"""Reason -> what to write instead."""
_CHOICES: Final[dict[str, str]] = {
    "kind": "a line is recurring, one_time or usage, a cost is acquisition or retention",
    "interval": "write day, week, month or year, and interval_count for a multiple",
    "initiative": "write voluntary or involuntary, or leave it out",
    "survey": "write nps, csat, ces, fcr or feedback",
}
"""Field -> what it may be, for those that are words of the vocabulary."""
_STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_BRACKETS: Final = re.compile(rb"[\[\]{}]")
_FIELD: Final = re.compile(r" - at (?:`key` in )?`\$\.?(?P<field>[^`]*)`$")


DEPTH_MAX: Final = 64
"""How deep an event may be nested: far below what any decoder takes, however deep the stack it is called on."""


def event_of(raw: bytes) -> Event:
    """The event that one structured-mode CloudEvent in JSON states; raises Refused with what to change."""
    event = recorded_event_of(raw)
    if type(event) is PolicyAdopted:
        sentence = (
            "this event is written by the ledger itself and taken from nobody: to go over to another policy, stop the"
            " service and run `revledger policy adopt FILE`"
        )
        raise Refused("unknown_type", sentence, "type")
    return event


def recorded_event_of(raw: bytes) -> Event:
    """The same of an event in a ledger, which also holds what the ledger itself wrote."""
    if len(raw) > EVENT_BYTES_MAX:
        sentence = f"the event has {len(raw)} bytes, more than {EVENT_BYTES_MAX}: send references, not documents"
        raise Refused("too_large", sentence)
    if raw.count(b"{") + raw.count(b"[") > DEPTH_MAX:
        _require_shallow(raw)
    if not raw.isascii():
        _require_utf8(raw)
    try:
        event: Event = _EVENT.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        event = _older_or_refused(raw, error)
    if not 1 < event.time.year < 9999:
        sentence = "`time` lies outside the years 2 to 9998, where it has a day in every time zone: mend it"
        raise Refused("invalid_time", sentence, "time")
    return event


def _require_shallow(raw: bytes) -> None:
    """An event that is taken once has to be read again for ever, also where less of the stack is left."""
    depth = 0
    for bracket in _BRACKETS.finditer(_STRINGS.sub(b"", raw)):
        depth += 1 if bracket[0] in b"[{" else -1
        if depth > DEPTH_MAX:
            sentence = f"the event is nested deeper than {DEPTH_MAX} levels: extension attributes are single values"
            raise Refused("not_json", sentence)


def _require_utf8(raw: bytes) -> None:
    """What the decoder skips, it does not look at: an extension attribute must be text all the same."""
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        raise Refused("not_json", f"the event is not JSON in UTF-8: {error}; encode it as UTF-8") from error


def items_of_batch(raw: bytes) -> list[bytes]:
    """The events of a batch, each as its own bytes; raises Refused if it is no JSON array."""
    try:
        return [bytes(item) for item in _ITEMS.decode(raw)]
    except msgspec.ValidationError as error:
        raise Refused("not_cloudevent", "a batch is a JSON array of CloudEvents: put it in [ ]") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refused("not_json", f"the batch is not JSON: {error}") from error


def structured_of_binary(headers: Mapping[str, str], data: bytes) -> bytes:
    """One structured-mode event from binary mode: `ce_` or `ce-` headers and the data; raises Refused."""
    attributes = {
        name[3:]: _attribute(name, value)
        for key, value in headers.items()
        if (name := key.lower()).startswith(("ce_", "ce-"))
    }
    if not attributes:
        raise Refused("not_cloudevent", "no ce-* header: send ce-specversion, ce-id, ce-source, ce-type and so on")
    try:
        content = msgspec.json.decode(data, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refused("not_json", f"the data is not JSON: {error}", "data") from error
    return _JSON.encode({**attributes, "datacontenttype": "application/json", "data": content})


def _attribute(key: str, value: str) -> str:
    """A CloudEvents attribute from its header.

    Over HTTP (`ce-`) it comes percent-encoded, from old senders in quotes (source: CloudEvents HTTP
    binding 1.0.2, section 3.1.3.2).
    """
    try:
        octets = value.encode()
        if key.startswith("ce-"):
            if quoted := _QUOTED.fullmatch(octets):
                octets = _ESCAPED.sub(rb"\1", quoted[1])
            octets = _PERCENT.sub(lambda found: bytes([int(found[1], 16)]), octets)
        return octets.decode()
    except UnicodeError as error:
        name = key[3:]
        sentence = f"header {key} is not UTF-8: percent-encode it over HTTP, send it as UTF-8 over Kafka"
        raise Refused("not_cloudevent", sentence, name) from error


def binary_of_structured(raw: bytes) -> tuple[dict[str, str], bytes]:
    """Binary mode of a structured-mode event: `ce_` headers and the data, for Kafka; raises Refused."""
    event_of(raw)
    document = _document(raw)
    data = document.pop("data")
    document.pop("datacontenttype", None)
    headers = {f"ce_{name}": _header(value) for name, value in document.items() if value is not None}
    return {**headers, "content-type": "application/json"}, _JSON.encode(data)


def _header(value: Any) -> str:
    """The canonical text of an attribute: true and 1 as in JSON."""
    return value if isinstance(value, str) else _JSON.encode(value).decode()


def json_of_event(event: Event) -> bytes:
    """An event as a structured-mode CloudEvent."""
    return _JSON.encode({**msgspec.to_builtins(event), "datacontenttype": "application/json"})


def _older_or_refused(raw: bytes, error: Exception) -> Event:
    document = _document(raw)
    if document["type"] in UPCASTERS:
        try:
            event: Event = msgspec.convert(upcast(document), AnyEvent)
        except msgspec.ValidationError as second:
            raise _refusal(second) from second
        except (AttributeError, LookupError, TypeError, ValueError) as second:
            sentence = f"the data is not that of {document['type']!r}: mend it, or send a newer version of the type"
            raise Refused("invalid_field", sentence, "data") from second
        return event
    if document["type"] not in EVENT_TYPES and document["type"] not in OWN_TYPES:
        raise _unknown_type(document["type"]) from error
    raise _refusal(error) from error


def _document(raw: bytes) -> dict[str, Any]:
    """The JSON object with all that an event must carry; raises Refused for the first thing that is not there."""
    try:
        document = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        if "out of range" in str(error):
            sentence = "a number in the event is larger than can be read: mend it"
            raise Refused("amount_too_large", sentence) from error
        raise Refused("not_json", f"the event is not JSON: {error}") from error
    if isinstance(document, list):
        sentence = f"this is a JSON array: send a batch as {BATCH}, or the events one by one"
        raise Refused("not_cloudevent", sentence, "specversion")
    if not isinstance(document, dict) or "specversion" not in document:
        raise Refused("not_cloudevent", 'a CloudEvent is a JSON object with "specversion": "1.0"', "specversion")
    if document["specversion"] != "1.0":
        raise Refused("not_cloudevent", "only CloudEvents 1.0 is read here: send '1.0'", "specversion")
    for name in _REQUIRED:
        if name not in document:
            raise Refused("missing_field", f"`{name}` is missing: add it", name)
    if not isinstance(document["type"], str):
        raise Refused("invalid_field", "`type` is not a string", "type")
    return document


def _unknown_type(name: str) -> Refused:
    family, _, version = name.rpartition(".")
    known = [one for one in EVENT_TYPES if one.rpartition(".")[0] == family]
    if known and re.fullmatch(r"v\d+", version):
        return Refused("unknown_version", f"{name!r} is not known in this version: send {known[0]}", "type")
    near = difflib.get_close_matches(name, EVENT_TYPES, n=1)
    hint = f": did you mean {near[0]}?" if near else ": the vocabulary is in /openapi.json and events/schemas/"
    return Refused("unknown_type", f"no event has the type {name[:200]!r}{hint}", "type")


def _refusal(error: Exception) -> Refused:
    """What msgspec found, as one of our reasons."""
    text = str(error)
    found = _FIELD.search(text)
    field = found["field"] if found else ""
    what = text[: found.start()] if found else text
    missing = re.search(r"missing required field `(.*?)`", what)
    unknown = re.search(r"unknown field `(.*?)`", what)
    if missing or unknown:
        name = (missing or unknown or [""])[1]
        path = f"{field}.{name}" if field else name
        if missing:
            return Refused("missing_field", f"`{path}` is missing: add it", path)
        return Refused("unknown_field", f"`{path}` is not in the vocabulary: remove it or mend its spelling", path)
    code = _code(field, what)
    advice = _ADVICE.get(code) or _CHOICES.get(field.rpartition(".")[2], "mend it")
    return Refused(code, f"`{field}`: {what[0].lower()}{what[1:]}; {advice}", field)


def _code(field: str, what: str) -> str:
    last = field.rpartition(".")[2]
    if last in ("amount_minor", "quantity"):
        if "got `" in what:
            return "amount_not_integer"
        if ">= 0" in what:
            return "amount_negative"
        if "<=" in what:
            return "amount_too_large"
    return _CODES.get(last, "invalid_field")
