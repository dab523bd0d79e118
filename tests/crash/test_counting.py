"""The failure tests miss nothing: each kind of damage, made by hand, is found."""

from collections.abc import Callable, Sequence
from random import Random

import pytest
from aiokafka import ConsumerRecord
from msgspec.structs import replace

from events.block import Block, block_of, seal
from events.partitions import partition_of
from events.policy import Policy
from services.accounts import Accounts
from services.ledgers.kafka_chain import HEADER, header_of_block
from services.ledgers.memory import memory_ledger
from services.ledgers.port import StoredBlock
from services.writer import Submitted, Writer, stored
from tests.crash.books import identity_of
from tests.crash.counting import Counted, check_booked_again, check_letters, count_events
from tests.crash.readback import Chain, chain_in
from tests.crash.traffic import Traffic
from tests.services.kafka.writers import contract
from tests.services.running import asynchronous

TOPIC = "books.ledger"
NOWHERE = "127.0.0.1:1"
ACCOUNTS = [name for number in range(40) if partition_of(name := f"account-{number}", 2) == 0]
RAWS = [raw for name in ACCOUNTS[:3] for raw in contract(name)]
Damage = Callable[[list[StoredBlock]], Sequence[StoredBlock]]


async def written(raws: Sequence[bytes] = RAWS, partitions: int = 2) -> list[StoredBlock]:
    """Partition 0 of a ledger, three events a block."""
    ledger = memory_ledger()
    writer = Writer(ledger, Accounts(None, 0, 100), Policy(), None, partition=0, partitions=partitions)
    await writer.begin()
    for start in range(0, len(raws), 3):
        await writer.write([Submitted(raw) for raw in raws[start : start + 3]])
    await writer.close()
    return [block async for block in ledger.read(0)]


def record(offset: int, value: bytes, headers: Sequence[tuple[str, bytes]], topic: str = TOPIC) -> ConsumerRecord:
    return ConsumerRecord(topic, 0, offset, 0, 0, None, value, None, 0, len(value), headers)


def read(blocks: Sequence[StoredBlock]) -> Chain:
    """Blocks as they are read back of a topic."""
    return chain_in([record(at, one.data, [(HEADER, header_of_block(one))]) for at, one in enumerate(blocks)])


def traffic() -> Traffic:
    """All events sent and acknowledged."""
    sent = Traffic(NOWHERE, "books.events", 2, Random(0))
    sent.sent = {identity_of(raw): [raw] for raw in RAWS}
    sent.acknowledged = set(sent.sent)
    return sent


def counted(blocks: Sequence[StoredBlock], sent: Traffic | None = None) -> Counted:
    return count_events([read(blocks), Chain([], 0, [])], sent or traffic())


def twice(block: StoredBlock) -> StoredBlock:
    """A block on top of another with the same events in it."""
    before = block_of(block.data)
    return stored(
        seal(before, before.entries, partition=0, recorded_at=before.header.recorded_at, policy=before.header.policy)
    )


def fork(before: StoredBlock) -> StoredBlock:
    """Another block on top of one that has a block on top of it."""
    head = block_of(before.data).header
    return stored(seal(block_of(before.data), [], partition=0, recorded_at=head.recorded_at, policy=head.policy))


def changed(one: StoredBlock, old: bytes, new: bytes) -> StoredBlock:
    assert old in one.data
    return replace(one, data=one.data.replace(old, new, 1))


@asynchronous
async def test_nothing_is_found_where_nothing_is_wrong() -> None:
    blocks = await written(partitions=1)
    assert counted(blocks) == Counted(acknowledged=9, entries=9)
    assert await check_booked_again([read(blocks)]) == []


@asynchronous
async def test_a_ledger_of_other_partitions_is_found() -> None:
    assert await check_booked_again([read(await written(partitions=2))])
    assert await check_booked_again([read([])]) == ["partition 0 has no first block"]


@asynchronous
async def test_forks_and_repeated_records_are_counted_and_harmless() -> None:
    blocks = await written()
    zombie, late = fork(blocks[1]), fork(blocks[0])
    found = counted([*blocks[:3], zombie, blocks[2], late, *blocks[3:]])
    assert found == Counted(acknowledged=9, entries=9, skipped=3)


DAMAGES: list[tuple[str, Damage]] = [
    ("blocks are lost", lambda all_: [*all_[:2], all_[3]]),
    ("3 acknowledged events are not in the ledger", lambda all_: all_[:3]),
    ("3 events are booked more than once", lambda all_: [*all_, twice(all_[-1])]),
    ("was changed after it was sealed", lambda all_: [*all_[:3], changed(all_[3], b"2000", b"2001")]),
    ("says other things than the block", lambda all_: [*all_[:3], replace(all_[3], recorded_at=1)]),
]


@pytest.mark.parametrize(("sentence", "damage"), DAMAGES, ids=[sentence for sentence, _ in DAMAGES])
@asynchronous
async def test_damage_is_found(sentence: str, damage: Damage) -> None:
    assert any(sentence in problem for problem in counted(damage(await written())).problems)


@asynchronous
async def test_what_nobody_sent_and_what_is_misplaced_is_found() -> None:
    stranger = next(name for number in range(40) if partition_of(name := f"account-{number}", 2) == 1)
    found = counted(await written([*RAWS, *contract(stranger)], partitions=1)).problems
    assert any("nobody sent this" in problem for problem in found)
    assert f"an event of {stranger!r} is booked in partition 0" in found


@asynchronous
async def test_other_postings_than_booking_again_makes_are_found() -> None:
    chain = read(await written(partitions=1))
    last, before = chain.blocks[-1], chain.blocks[-2]
    entries = [*last.entries[:-1], replace(last.entries[-1], booking=last.entries[0].booking)]
    forged: Block = seal(before, entries, partition=0, recorded_at=last.header.recorded_at, policy=last.header.policy)
    found = read([*(stored(block) for block in chain.blocks[:-1]), stored(forged)])
    assert found.problems == []
    assert await check_booked_again([found]) == ["partition 0, booked again from scratch, has other entries"]


def test_letters_that_are_missing_or_too_many_are_found() -> None:
    sent = traffic()
    sent.refused, sent.refusable = {(0, 4): b"{"}, {b"{"}
    place = [("topic", b"books.events"), ("partition", b"0"), ("offset", b"4"), ("code", b"not_json")]
    letter, good = (record(0, value, place, "books.dead-letters") for value in (b"{", RAWS[0]))
    assert check_letters([letter, letter], "books.events", sent) == []
    assert "1 refused records are no dead letters" in check_letters([], "books.events", sent)[0]
    assert "was not to be refused" in check_letters([letter, good], "books.events", sent)[0]
