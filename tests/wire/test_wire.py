"""Bytes of released versions are read, booked and sealed as they were on their first day."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
import pytest

from events.block import Adopted, Block, block_of, check_entries, check_next, seal
from events.catalogue import event_schema
from events.envelope import binary_of_structured, event_of, json_of_event, recorded_event_of, structured_of_binary
from events.partitions import partition_of
from events.refusals import Refused
from events.vocabulary import EVENT_TYPES, PolicyAdopted
from services.ledgers.kafka_chain import block_of_parts, header_of_block
from services.writer import stored
from tests.wire.pin import (
    HERE,
    OTHER_POLICY,
    PinnedBlock,
    PinnedBooking,
    adoption_of,
    entries_booked,
    pinned_events,
)
from tests.wire.samples import SAMPLES

PINNED: Final = pinned_events(HERE)
BLOCKS: Final = ("genesis", "entries", "idle", "adoption")
HOW: Final = "run `python -m tests.wire.pin` and commit what it writes"


def wire_name(pin: str) -> str:
    """The type a pin is of."""
    return pin.partition("-")[0]


def pinned_booking(pin: str) -> PinnedBooking:
    """What a pin was booked as."""
    return msgspec.json.decode((HERE / "bookings" / f"{pin}.json").read_bytes(), type=PinnedBooking)


def pinned_block_bytes(name: str) -> bytes:
    """The bytes of a pinned block."""
    return bytes.fromhex((HERE / "blocks" / f"{name}.hex").read_text("ascii"))


def pinned_chain() -> dict[str, Block]:
    """The pinned blocks in their order."""
    return {name: block_of(pinned_block_bytes(name)) for name in BLOCKS}


def fields_seen(schema: dict[str, Any], defs: dict[str, Any], value: Any) -> Iterator[tuple[str, str]]:
    """The (struct, field) pairs that a JSON value holds, found along its schema."""
    for choice in schema.get("anyOf", ()):
        yield from fields_seen(choice, defs, value)
    if "$ref" in schema and isinstance(value, dict):
        name = schema["$ref"].rpartition("/")[2]
        for field, one in value.items():
            yield name, field
            yield from fields_seen(defs[name]["properties"][field], defs, one)
    if isinstance(value, list):
        for one in value:
            yield from fields_seen(schema.get("items", {}), defs, one)


def test_every_event_type_is_pinned() -> None:
    missing = [name for name in EVENT_TYPES if name not in PINNED]
    assert not missing, f"no pinned bytes of {missing}: give each an example in events/catalogue.py, {HOW}"


def test_every_sample_is_pinned() -> None:
    missing = [name for name in SAMPLES if name not in PINNED]
    assert not missing, f"no pinned bytes of {missing}: {HOW}"


def test_every_field_is_pinned() -> None:
    known: set[tuple[str, str]] = set()
    seen: set[tuple[str, str]] = set()
    for pin, raw in PINNED.items():
        schema = event_schema(wire_name(pin))
        defs = schema["$defs"]
        known |= {(struct, field) for struct, one in defs.items() for field in one["properties"]}
        seen |= set(fields_seen(schema["properties"]["data"], defs, msgspec.json.decode(raw)["data"]))
    missing = sorted(known - seen)
    assert not missing, f"no pin holds {missing}: append one to tests/wire/samples.py, {HOW}"


@pytest.mark.parametrize("pin", PINNED)
def test_pinned_event_is_read(pin: str) -> None:
    event = event_of(PINNED[pin])
    assert event_of(json_of_event(event)) == event


@pytest.mark.parametrize("pin", PINNED)
def test_pinned_binary_mode_is_read_and_written(pin: str) -> None:
    headers = msgspec.json.decode((HERE / "binary" / f"{pin}.headers.json").read_bytes(), type=dict[str, str])
    data = (HERE / "binary" / f"{pin}.data.json").read_bytes()
    assert event_of(structured_of_binary(headers, data)) == event_of(PINNED[pin])
    assert binary_of_structured(PINNED[pin]) == (headers, data)


@pytest.mark.parametrize("pin", PINNED)
def test_pinned_event_is_booked_as_ever(pin: str) -> None:
    pinned = pinned_booking(pin)
    entries = entries_booked([PINNED[one] for one in (*pinned.given, pin)])
    assert entries[-1].booking.hex() == pinned.booking


def test_pinned_bookings_hold_every_movement() -> None:
    movements = {
        posting[1]
        for pin in PINNED
        for posting in msgspec.msgpack.decode(bytes.fromhex(pinned_booking(pin).booking))[4]
    }
    assert movements >= {"new", "reactivation", "expansion", "contraction", "churn", "transfer", "ahead"}


@pytest.mark.parametrize("name", BLOCKS)
def test_pinned_block_has_its_hash_and_root(name: str) -> None:
    block = block_of(pinned_block_bytes(name))
    known = msgspec.json.decode((HERE / "blocks" / f"{name}.json").read_bytes(), type=PinnedBlock)
    assert (block.hash.hex(), block.header.merkle_root.hex()) == (known.hash, known.merkle_root)
    check_entries(block)


def test_pinned_blocks_are_a_chain_sealed_as_ever() -> None:
    before: Block | None = None
    for name, block in pinned_chain().items():
        check_next(before, block)
        header = block.header
        again = seal(
            before,
            block.entries,
            partition=header.partition,
            recorded_at=header.recorded_at,
            policy=header.policy,
            sources=header.sources,
            genesis=header.genesis,
            adopts=header.adopts,
        )
        assert again.data == pinned_block_bytes(name), name
        assert again.hash == block.hash
        before = block


def test_pinned_genesis_holds_the_policy_it_is_stamped_with() -> None:
    header = pinned_chain()["genesis"].header
    assert header.genesis is not None
    assert header.genesis.policy.stamp == header.policy


def test_the_pinned_adoption_is_worked_out_as_ever() -> None:
    """Its event, its id, its postings and its header; an entry of it is read, and nobody may send it."""
    chain = pinned_chain()
    again = adoption_of(chain["idle"], [entry.event for entry in chain["entries"].entries])
    assert again.data == pinned_block_bytes("adoption")
    assert again.header.adopts == Adopted(OTHER_POLICY, len(again.entries))
    assert again.entries
    for entry in again.entries:
        assert isinstance(recorded_event_of(entry.event), PolicyAdopted)
        with pytest.raises(Refused, match="policy adopt FILE"):
            event_of(entry.event)


def test_entries_of_the_pinned_block_are_booked_as_ever() -> None:
    entries = pinned_chain()["entries"].entries
    assert entries_booked([entry.event for entry in entries]) == entries


def test_blocks_lie_in_kafka_as_ever() -> None:
    """The header of a ledger's record, and the partition of an account: other programs read and write by these."""
    block = stored(pinned_chain()["entries"])
    record = (HERE / "blocks" / "entries.header.hex").read_text("ascii")
    assert header_of_block(block).hex() == record.strip()
    parts = block_of_parts("revledger.ledger", 0, 1, [("block", bytes.fromhex(record))], block.data)
    assert parts == block
    accounts = {"acme": 4, "globex": 7, "acct-000001": 6, "고객": 6}
    assert {account: partition_of(account, 8) for account in accounts} == accounts
