"""The inbox: what any client may put into a record, as events, strays and refusals."""

import json
from collections.abc import Mapping, Sequence

import pytest
from aiokafka import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from events.envelope import BATCH, STRUCTURED, binary_of_structured, event_of
from events.partitions import partition_of
from events.refusals import Refused
from services.kafka.inbox import Headers, Read, event_bytes, read_records
from services.writer import Submitted
from tests.model.notation import fact, line
from tests.services.books import raw_of


def signed(account: str) -> bytes:
    """A contract of an account."""
    return raw_of(fact("signed", f"{account}1", "2024-01-10", lines=[line(1000)]) | {"subject": account})


EVENT = signed("Zoë")
NOTHING: Mapping[str, bytes | None] = {}


def binary(
    raw: bytes = EVENT, changed: Mapping[str, bytes | None] = NOTHING
) -> tuple[list[tuple[str, bytes | None]], bytes]:
    """An event in binary mode, with some headers changed."""
    texts, data = binary_of_structured(raw)
    headers: dict[str, bytes | None] = {name: text.encode() for name, text in texts.items()}
    return list({**headers, **changed}.items()), data


def record(offset: int, value: bytes | None, headers: Headers = (), key: bytes | None = None) -> ConsumerRecord:
    return ConsumerRecord("events", 0, offset, 0, 0, key, value, None, -1, -1, tuple(headers))


def refusal(headers: Headers, value: bytes | None) -> Refused:
    with pytest.raises(Refused) as refused:
        event_of(event_bytes(headers, value))
    return refused.value


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("traceparent", b"00-1-2-00")],
        [("traceparent", None)],
        [("\udcff", b"\xff\xfe")],
        [("content-type", b"application/json")],
        [("Content-Type", b"Application/CloudEvents+JSON; charset=UTF-8")],
        [("content-type", STRUCTURED.encode()), ("ce_id", b"of somebody else")],
    ],
)
def test_structured_mode_comes_as_it_is(headers: Headers) -> None:
    assert event_bytes(headers, EVENT) == EVENT


@pytest.mark.parametrize(
    "content_type", [b"application/json", b"application/json; charset=utf-8", b"application/vnd.b+json", b"", None]
)
def test_binary_mode_is_put_together(content_type: bytes | None) -> None:
    headers, data = binary(changed={"content-type": content_type})
    assert event_of(event_bytes(headers, data)) == event_of(EVENT)
    capitals = [(name.upper(), it) for name, it in headers]
    assert event_of(event_bytes(capitals, data)) == event_of(EVENT)


@pytest.mark.parametrize(
    ("changed", "code", "words"),
    [
        ({"content-type": BATCH.encode()}, "not_cloudevent", "one by one"),
        ({"content-type": b"application/xml"}, "not_cloudevent", "not JSON"),
        ({"content-type": b"\xff\xfe"}, "not_cloudevent", "not JSON"),
        ({"ce_subject": b"\xff\xfe"}, "not_cloudevent", "not UTF-8"),
        ({"ce_specversion": b"0.3"}, "not_cloudevent", "1.0"),
        ({"ce_time": b"yesterday"}, "invalid_time", "RFC 3339"),
        ({"ce_type": None}, "unknown_type", "no event has the type ''"),
    ],
)
def test_binary_mode_that_is_wrong_is_refused(changed: dict[str, bytes | None], code: str, words: str) -> None:
    headers, data = binary(changed=changed)
    refused = refusal(headers, data)
    assert refused.code == code
    assert words in refused.message


def test_other_things_are_refused() -> None:
    assert "tombstone" in refusal([], None).message
    assert "tombstone" in refusal(binary()[0], None).message
    batch = b"[" + EVENT + b"]"
    assert "one by one" in refusal([("content-type", f"{BATCH}; charset=utf-8".encode())], batch).message
    assert refusal([], batch).code == "not_cloudevent"
    assert refusal([("ce_id", b"1")], b"{").code == "not_json"
    assert refusal([], b"\x00\x01 garbage").code == "not_json"
    assert refusal([], b"").code == "not_json"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ce_id", "CE_TYPE", "ce_", "content-type", "x"]) | st.text(), st.none() | st.binary()
        ),
        max_size=5,
    ),
    st.none() | st.binary() | st.just(EVENT),
)
def test_whatever_comes_is_an_event_or_refused(headers: Headers, value: bytes | None) -> None:
    read = read_records([record(4, value, headers)], 0, 1, 5)
    ((raw, event),) = [(item.raw, item.event) for item in read.items]
    assert isinstance(event, Refused) or event_of(raw) == event


def read_of(values: Sequence[bytes | None], partition: int, partitions: int) -> Read:
    return read_records([record(7 * number, it) for number, it in enumerate(values)], partition, partitions, 99)


@given(st.lists(st.sampled_from([*"abcdefgh", "", None]), max_size=30), st.integers(1, 5), st.data())
def test_each_record_is_taken_once_and_in_its_order(
    names: list[str | None], partitions: int, data: st.DataObject
) -> None:
    partition = data.draw(st.integers(0, partitions - 1))
    values = [None if name is None else signed(name) if name else b"{" for name in names]
    read = read_of(values, partition, partitions)
    ours = [not name or partition_of(name, partitions) == partition for name in names]
    assert [one.offset for one in read.records] == [7 * number for number, is_ours in enumerate(ours) if is_ours]
    assert [item.raw for item in read.items] == [it or b"" for it, is_ours in zip(values, ours, strict=True) if is_ours]
    assert [raw for raw, _ in read.strays] == [it for it, is_ours in zip(values, ours, strict=True) if not is_ours]
    assert [event.subject for _, event in read.strays] == [json.loads(raw)["subject"] for raw, _ in read.strays]
    assert [isinstance(item.event, Refused) for item in read.items] == [
        not name for name, is_ours in zip(names, ours, strict=True) if is_ours
    ]
    assert read.next_offset == 99


def test_a_stray_in_binary_mode_is_sent_on_in_structured_mode() -> None:
    headers, data = binary(signed("a"))
    elsewhere = 1 - partition_of("a", 2)
    read = read_records([record(0, data, headers)], elsewhere, 2, 1)
    ((raw, event),) = read.strays
    assert event_of(raw) == event == event_of(signed("a"))
    again = read_records([record(0, raw)], 1 - elsewhere, 2, 1)
    assert again.items == [Submitted(raw, None, event)]
