"""What is refused, with which reason and which field named; and that bad input is an answer, never an error."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.account import content_digest
from events.envelope import (
    binary_of_structured,
    event_of,
    items_of_batch,
    json_of_event,
    structured_of_binary,
)
from events.facts import fact_of
from events.policy import DEFAULT_RULES
from events.refusals import REASONS, Refused
from events.vocabulary import Event
from tests.effort import examples
from tests.events.refused import GOOD, REFUSED, nested, priced, raw_of, signing, without
from tests.model.days import Event as ModelEvent
from tests.model.histories import histories

FUZZ = settings(max_examples=examples(120), deadline=None)


def accepted(raw: bytes) -> Event | Refused:
    """What becomes of an event: everything that happens before it is booked."""
    try:
        event = event_of(raw)
        content_digest(event)
        fact_of(event, 0, DEFAULT_RULES)
    except Refused as refused:
        return refused
    return event


@pytest.mark.parametrize(("bad", "code", "field"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(bad: dict[str, Any] | bytes, code: str, field: str) -> None:
    """One row per bad event: its reason, and the field to change."""
    refused = accepted(raw_of(bad))
    assert isinstance(refused, Refused)
    assert (refused.code, refused.field) == (code, field), refused.message
    assert len(refused.message.split()) >= 4
    assert len(refused.message) < 1_000


def test_every_reason_of_an_event_alone_has_a_row() -> None:
    """The others are reasons of an account: see test_account.py."""
    of_accounts = {"id_conflict", "currency_changed", "too_many_attributes", "too_many_postings"}
    assert set(REASONS) - {code for _, code, _ in REFUSED.values()} == of_accounts


def test_what_is_taken_once_can_be_read_again_from_deep_within() -> None:
    """The ledger is read again with less of the stack left than there was at the door."""
    raw = GOOD[:-1] + b', "x": ' + b"[" * 63 + b"]" * 63 + b"}"
    assert isinstance(accepted(raw), Event)

    def deeper(frames: int) -> object:
        return accepted(raw) if frames == 0 else deeper(frames - 1)

    assert isinstance(deeper(600), Event)
    assert isinstance(accepted(raw.replace(b"[]", b"[[]]")), Refused)


@pytest.mark.parametrize("field", ["kind", "interval"])
def test_a_word_that_is_none_of_the_vocabulary_comes_with_those_that_are(field: str) -> None:
    refused = accepted(raw_of(priced(**{field: "other"})))
    assert isinstance(refused, Refused)
    assert {"kind": "one_time", "interval": "week"}[field] in refused.message


def test_a_misspelt_type_comes_with_the_right_one() -> None:
    refused = accepted(raw_of(signing() | {"type": "revledger.contract.canceled.v1"}))
    assert isinstance(refused, Refused)
    assert "did you mean revledger.contract.cancelled.v1" in refused.message


# ---------------------------------------------------------------- anything at all

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["1.0", "2024-01-01", "2024-01-01T00:00:00Z", "USD", "~book", "l1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def paths(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The ways to every value inside a JSON value."""
    inner: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [at] * bool(at) + [path for key, one in inner for path in paths(one, (*at, key))]


@st.composite
def mutated(draw: st.DrawFn) -> ModelEvent:
    """A good event of any type with one or two of its values replaced, removed or joined by another."""
    event: ModelEvent = deepcopy(draw(st.sampled_from(draw(histories()))))
    for _ in range(draw(st.integers(1, 2))):
        *way, last = draw(st.sampled_from(paths(event)))
        inside: Any = event
        for key in way:
            inside = inside[key]
        action = draw(st.sampled_from(("replace", "replace", "remove", "add")))
        if action == "remove":
            del inside[last]
        elif action == "add" and isinstance(inside, dict):
            inside[draw(st.text(max_size=8))] = draw(JSON)
        else:
            inside[last] = draw(JSON)
        if not paths(event):
            break
    return event


def is_an_answer(raw: bytes) -> None:
    """An event, or a refusal with a sentence; what was accepted reads back as the same."""
    answer = accepted(raw)
    if isinstance(answer, Refused):
        assert len(answer.message.split()) >= 4
        return
    assert event_of(json_of_event(answer)) == answer
    try:
        headers, data = binary_of_structured(raw)
    except Refused:
        return
    assert event_of(structured_of_binary({f"x-{name}": name for name in headers} | headers, data)) == answer


@FUZZ
@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer(raw: bytes) -> None:
    is_an_answer(raw)


@FUZZ
@given(JSON)
def test_any_json_is_an_answer(value: Any) -> None:
    is_an_answer(json.dumps(value).encode())
    is_an_answer(json.dumps(signing(attributes={"x": value})).encode())
    is_an_answer(json.dumps(signing() | {"extension": value}).encode())


@FUZZ
@given(mutated())
def test_almost_events_are_an_answer(event: ModelEvent) -> None:
    is_an_answer(json.dumps(event).encode())


@FUZZ
@given(st.data())
def test_damaged_bytes_are_an_answer(data: st.DataObject) -> None:
    """A good event cut short, or with some bytes replaced."""
    raw = bytearray(json.dumps(data.draw(st.sampled_from(data.draw(histories())))).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    is_an_answer(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
    is_an_answer(bytes(raw))


@pytest.mark.parametrize("depth", [10, 900, 990, 2_000, 100_000])
def test_depth_is_an_answer(depth: int) -> None:
    is_an_answer(nested(depth))
    for name in ("specversion", "type", "id", "data"):
        nest = b"[" * depth + b"]" * depth
        is_an_answer(json.dumps(without(name))[:-1].encode() + b', "' + name.encode() + b'": ' + nest + b"}")


# ---------------------------------------------------------------- batches and binary mode


def test_a_batch_is_taken_apart_byte_for_byte() -> None:
    assert items_of_batch(b"[ " + GOOD + b' , {"x":  1} ]') == [GOOD, b'{"x":  1}']
    assert items_of_batch(b"[]") == []


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (GOOD, "not_cloudevent"),
        (b"7", "not_cloudevent"),
        (b"", "not_json"),
        (b"[1, 2", "not_json"),
        (b"[1 2]", "not_json"),
        (b"\xff", "not_json"),
        (b"[" * 100_000, "not_json"),
    ],
)
def test_a_batch_that_is_none(raw: bytes, code: str) -> None:
    with pytest.raises(Refused) as refused:
        items_of_batch(raw)
    assert refused.value.code == code
    assert refused.value.message


def in_binary(prefix: str, encode: Callable[[str], str] = str, **attributes: str) -> dict[str, str]:
    """The headers of a signing in binary mode."""
    said = {name: str(value) for name, value in signing().items() if name != "data"} | attributes
    return {"content-type": "application/json"} | {prefix + name: encode(text) for name, text in said.items()}


@pytest.mark.parametrize("prefix", ["ce-", "ce_", "CE-", "Ce-"])
def test_binary_mode_is_the_same_event(prefix: str) -> None:
    raw = structured_of_binary(in_binary(prefix), json.dumps(signing()["data"]).encode())
    assert event_of(raw) == event_of(GOOD)
    assert json.loads(raw)["datacontenttype"] == "application/json"


def test_binary_mode_over_http_is_percent_encoded() -> None:
    """A customer's name is the same name in both modes; over Kafka it comes as it is."""
    data = json.dumps(signing()["data"]).encode()
    by_http = structured_of_binary(in_binary("ce-", subject="%ED%95%9C%20100%25"), data)
    by_kafka = structured_of_binary(in_binary("ce_", subject="한 100%"), data)
    assert event_of(by_http).subject == event_of(by_kafka).subject == "한 100%"


@pytest.mark.parametrize(
    ("sent", "subject"),
    [
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro \u20ac \U0001f600"),
        ("%e2%82%ac", "\u20ac"),
        ("%61cme", "acme"),
        ("100%2525", "100%25"),
        ("50% off", "50% off"),
        ('"A \\"B\\" \\\\ C%20D"', 'A "B" \\ C D'),
        ('"half', '"half'),
    ],
)
def test_a_header_is_unquoted_and_decoded_once(sent: str, subject: str) -> None:
    """The examples of the HTTP binding, and what it says about older senders."""
    raw = structured_of_binary(in_binary("ce-", subject=sent), json.dumps(signing()["data"]).encode())
    assert event_of(raw).subject == subject


@pytest.mark.parametrize(
    ("headers", "data", "code", "field"),
    [
        ({"content-type": "application/json"}, b"{}", "not_cloudevent", ""),
        (in_binary("ce-"), b"{", "not_json", "data"),
        (in_binary("ce-"), b"", "not_json", "data"),
        (in_binary("ce-"), b"[" * 100_000, "not_json", "data"),
        (in_binary("ce-", subject="%FF"), b"{}", "not_cloudevent", "subject"),
        (in_binary("ce-", subject="%C0%A0"), b"{}", "not_cloudevent", "subject"),
        (in_binary("ce_", subject="\ud800"), b"{}", "not_cloudevent", "subject"),
    ],
)
def test_binary_mode_that_is_none(headers: dict[str, str], data: bytes, code: str, field: str) -> None:
    with pytest.raises(Refused) as refused:
        structured_of_binary(headers, data)
    assert (refused.value.code, refused.value.field) == (code, field)
    assert refused.value.message


def test_binary_mode_keeps_extension_attributes_in_their_canonical_text() -> None:
    extensions = {"traceparent": "00-1", "sampled": True, "hops": 3, "nothing": None}
    headers, data = binary_of_structured(raw_of(signing() | extensions))
    assert headers["ce_sampled"] == "true"
    assert headers["ce_hops"] == "3"
    assert headers["ce_traceparent"] == "00-1"
    assert "ce_nothing" not in headers
    assert json.loads(data) == signing()["data"]


def test_binary_mode_of_a_bad_event_is_refused() -> None:
    with pytest.raises(Refused, match="missing"):
        binary_of_structured(raw_of(without("time")))


@given(histories())
@settings(max_examples=examples(30), deadline=None)
def test_every_event_reads_back_as_it_was_written(history: list[ModelEvent]) -> None:
    for said in history:
        event = event_of(json.dumps(said).encode())
        assert event_of(json_of_event(event)) == event
        assert msgspec.json.decode(json_of_event(event))["datacontenttype"] == "application/json"
