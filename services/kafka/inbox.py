"""The inbox: records of the events topic, from any client, as events, strays and what cannot be read."""

from collections.abc import Iterable, Sequence

from aiokafka import ConsumerRecord
from msgspec import Struct

from events.envelope import BATCH, STRUCTURED, event_of, structured_of_binary
from events.partitions import partition_of
from events.refusals import Refused
from events.vocabulary import Event
from services.writer import Submitted

Headers = Sequence[tuple[str, bytes | None]]


class Read(Struct):
    """Some records of one partition, in their order: `items` to be booked or refused here, `strays` to be sent on.

    An item and the record of the same place belong together; one that cannot be read says why in its `event`.
    """

    items: list[Submitted]
    records: list[ConsumerRecord]
    strays: list[tuple[bytes, Event]]
    next_offset: int


def read_records(found: Iterable[ConsumerRecord], partition: int, partitions: int, next_offset: int) -> Read:
    """Sorts the records of a partition out; an account's events all belong to one partition."""
    read = Read([], [], [], next_offset)
    for record in found:
        raw, event = _event_of_record(record)
        if isinstance(event, Refused) or partition_of(event.subject, partitions) == partition:
            read.items.append(Submitted(raw, None, event))
            read.records.append(record)
        else:
            read.strays.append((raw, event))
    return read


def _event_of_record(record: ConsumerRecord) -> tuple[bytes, Event | Refused]:
    """The structured-mode event of a record and what it says, or why it says nothing."""
    try:
        raw = event_bytes(record.headers, record.value)
        return raw, event_of(raw)
    except Refused as refused:
        return record.value or b"", refused


def event_bytes(headers: Headers, value: bytes | None) -> bytes:
    """The structured-mode event in a record, as the Kafka binding of CloudEvents 1.0.2 lays it down; raises Refused.

    A record without any of the binding's headers is taken for structured mode, as a plain client sends it.
    """
    if value is None:
        raise Refused("not_cloudevent", "the record has no value: a tombstone takes nothing back, send a retraction")
    if not headers:
        return value
    texts = {name.lower(): data or b"" for name, data in headers}
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
