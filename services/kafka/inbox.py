"""The inbox: records of the events topic, from any client, as events, strays and what cannot be read."""

from collections.abc import Iterable, Sequence

from aiokafka import ConsumerRecord
from msgspec import Struct

from events.envelope import BATCH, STRUCTURED, event_of, structured_of_binary
from events.partitions import partition_of
from events.refusals import Refused
from events.vocabulary import Event
from services.writer import Submitted

Headers = Sequence[tuple[str, bytes]]


class Read(Struct):
    """Some records of one partition: to be booked here, to be sent on, and refused ones, each in their order."""

    items: list[Submitted]
    booked: list[ConsumerRecord]
    strays: list[tuple[ConsumerRecord, Event]]
    refused: list[tuple[ConsumerRecord, Refused]]
    next_offset: int


def read_records(records: Iterable[ConsumerRecord], partition: int, partitions: int) -> Read:
    """Sorts the records of a partition out; an account's events all belong to one partition."""
    read = Read([], [], [], [], 0)
    for record in records:
        read.next_offset = record.offset + 1
        try:
            raw = event_bytes(record.headers, record.value)
            event = event_of(raw)
        except Refused as refused:
            read.refused.append((record, refused))
            continue
        if partition_of(event.subject, partitions) == partition:
            read.items.append(Submitted(raw, None, event))
            read.booked.append(record)
        else:
            read.strays.append((record, event))
    return read


def event_bytes(headers: Headers, value: bytes | None) -> bytes:
    """The structured-mode event in a record, as the Kafka binding of CloudEvents 1.0.2 lays it down; raises Refused.

    A record without any of the binding's headers is taken for structured mode, as a plain client sends it.
    """
    if value is None:
        raise Refused("not_cloudevent", "the record has no value: a tombstone takes nothing back, send a retraction")
    if not headers:
        return value
    texts = {name.lower(): data for name, data in headers}
    content_type = texts.get("content-type", b"").partition(b";")[0].strip().lower()
    if content_type == BATCH.encode():
        raise Refused("not_cloudevent", "a Kafka record holds one event: send those of a batch one by one")
    if content_type == STRUCTURED.encode() or not any(name.startswith("ce_") for name in texts):
        return value
    if content_type and content_type != b"application/json" and not content_type.endswith(b"+json"):
        raise Refused("not_cloudevent", "the data is not JSON: send it as application/json", "datacontenttype")
    try:
        attributes = {name: data.decode() for name, data in texts.items() if name.startswith("ce_")}
    except UnicodeDecodeError as error:
        raise Refused("not_cloudevent", f"a ce_ header is not UTF-8: {error}; encode it as UTF-8") from error
    return structured_of_binary(attributes, value)
