"""The chain within a topic: every reader decides alike from wherever it starts, and what is no chain is told."""

from collections.abc import Sequence
from itertools import pairwise

import msgspec
import pytest
from aiokafka import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from services.ledgers.kafka_chain import (
    HEADER,
    INDEX_EVERY,
    Chain,
    HeightIndex,
    block_of_parts,
    block_of_record,
    header_of_block,
    tail_in,
)
from services.ledgers.port import LedgerUnavailable, StoredBlock
from tests.services.ledgers.blocks import chain, next_block

Topic = list[StoredBlock]


def topic_of(choices: Sequence[int]) -> Topic:
    """A topic as writers leave it: 0 extends the chain, any other number is a late record, that far back."""
    accepted: list[StoredBlock] = []
    topic: Topic = []
    for number, choice in enumerate(choices):
        parents: list[StoredBlock | None] = [None, *accepted]
        is_late = bool(choice) and bool(accepted)
        parent = parents[-1 - min(choice, len(accepted))] if is_late else parents[-1]
        block = next_block(parent, entries=number % 3, data=b"%d" % number)
        topic.append(block)
        if not is_late:
            accepted.append(block)
    return topic


topics = st.lists(st.sampled_from([0, 0, 0, 1, 1, 2, 5]), max_size=60).map(topic_of)
filled = topics.filter(bool)


def first_of_each_height(topic: Topic) -> list[tuple[int, StoredBlock]]:
    """Offset and block of the first record of each height: what the chain is by definition."""
    found: dict[int, tuple[int, StoredBlock]] = {}
    for offset, block in enumerate(topic):
        found.setdefault(block.height, (offset, block))
    return [found[height] for height in sorted(found)]


def read(topic: Topic, start: int, height: int, last_hash: bytes | None = None) -> list[tuple[int, StoredBlock]]:
    """What a reader takes that begins at an offset and waits for a height."""
    reader = Chain(0, height, last_hash)
    taken = [(offset, block) for offset, block in enumerate(topic) if offset >= start and reader.accepts(block)]
    assert reader.skipped == len(topic) - start - len(taken)
    return taken


@given(topics)
def test_readers_take_the_first_record_of_each_height(topic: Topic) -> None:
    true = first_of_each_height(topic)
    assert read(topic, 0, 0) == true
    assert [block.height for _, block in true] == list(range(len(true)))
    assert all(child.prev_hash == parent.hash for (_, parent), (_, child) in pairwise(true))


@given(filled, st.data())
def test_readers_decide_alike_from_any_start(topic: Topic, data: st.DataObject) -> None:
    true = first_of_each_height(topic)
    height = data.draw(st.integers(0, len(true) - 1))
    before = 0 if height == 0 else true[height - 1][0] + 1
    start = data.draw(st.integers(0, true[height][0]))
    assert read(topic, start, height) == true[height:]
    if start >= before and height:
        assert read(topic, start, height, true[height - 1][1].hash) == true[height:]


@given(filled, st.data())
def test_the_tail_is_found_from_the_end(topic: Topic, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, len(topic)))
    window = list(enumerate(topic))[-size:]
    found = tail_in(window, is_whole=size == len(topic))
    true = first_of_each_height(topic)
    if size == len(topic):
        assert found is not None
    assert found in {None, true[-1]}
    if len(true) > 1 and size >= len(topic) - true[-2][0]:
        assert found == true[-1], "tail and parent are in the window"


def test_a_topic_without_its_beginning_is_told() -> None:
    window = list(enumerate(chain(3)[2:]))
    assert tail_in(window, is_whole=False) is None
    with pytest.raises(LedgerUnavailable, match="does not begin with block 0"):
        tail_in(window, is_whole=True)


@given(filled, st.data())
def test_a_loss_is_told(topic: Topic, data: st.DataObject) -> None:
    true = first_of_each_height(topic)
    lost = data.draw(st.integers(0, len(true) - 1))
    rest = [block for block in topic if block.height != lost]
    reader = Chain(3, 0)
    if lost == len(true) - 1:
        assert [block for block in rest if reader.accepts(block)] == [block for _, block in true[:-1]]
        return
    with pytest.raises(LedgerUnavailable, match=rf"Blocks {lost} to \d+ of partition 3 are missing"):
        list(map(reader.accepts, rest))


def test_the_parent_is_looked_at() -> None:
    first, second = chain(2)
    stranger = msgspec.structs.replace(second, prev_hash=b"elsewhere")
    reader = Chain(0, 1, first.hash)
    assert [reader.accepts(block) for block in (first, stranger, second, second)] == [False, False, True, False]
    assert reader.skipped == 3


@given(st.lists(st.sampled_from([0, 0, 0, 0, 1, 3]), min_size=1, max_size=400).map(topic_of), st.data())
def test_the_index_never_points_behind_a_block(topic: Topic, data: st.DataObject) -> None:
    true = first_of_each_height(topic)
    index = HeightIndex()
    for offset, block in sorted(data.draw(st.lists(st.sampled_from(true), max_size=30)), key=lambda one: one[0]):
        index.note(block, offset)
    if data.draw(st.booleans()):
        for offset, block in true:
            index.note(block, offset)
    for height, (offset, block) in enumerate(true):
        assert height <= index.start_of(height) <= offset
        for seq in range(block.first_seq, block.end_seq):
            low, high = index.heights_around(seq, true[-1][1].height)
            assert low <= height <= high


def test_a_full_index_is_near() -> None:
    blocks = chain(10 * INDEX_EVERY)
    index = HeightIndex()
    for block in blocks:
        index.note(block, 7 + 2 * block.height)
    for block in blocks:
        assert index.start_of(block.height) >= 7 + 2 * block.height - INDEX_EVERY
        low, high = index.heights_around(block.first_seq, blocks[-1].height)
        assert high - low <= INDEX_EVERY


def record_of(block: StoredBlock, headers: list[tuple[str, bytes | None]], partition: int = 0) -> ConsumerRecord:
    return ConsumerRecord("books", partition, 17, 0, 0, None, block.data, None, -1, len(block.data), tuple(headers))


def test_a_record_is_its_block_again() -> None:
    for block in chain(3, partition=5, entries=2):
        headers: list[tuple[str, bytes | None]] = [("trace", b"\xff"), (HEADER, header_of_block(block)), ("none", None)]
        assert block_of_record(record_of(block, headers, partition=5)) == block
    empty = msgspec.structs.replace(block, data=b"")
    assert block_of_parts("books", 5, 0, [(HEADER, header_of_block(empty))], None) == empty


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("other", b"")],
        [(HEADER, b"")],
        [(HEADER, None)],
        [(HEADER, b"\xc1")],
        [(HEADER, msgspec.msgpack.encode([0, 0, 0, 1, 5, b"", "text"]))],
        [(HEADER, msgspec.msgpack.encode([0, 0, 0, 1, 5, b""]))],
        [(HEADER, msgspec.msgpack.encode([1, 0, 0, 1, 5, b"", b""]))],
        [(HEADER, msgspec.msgpack.encode([0, -1, 0, 1, 5, b"", b""]))],
        [(HEADER, header_of_block(chain(1)[0]))] * 2,
    ],
)
def test_what_is_no_block_is_named(headers: list[tuple[str, bytes | None]]) -> None:
    with pytest.raises(LedgerUnavailable, match="Offset 17 of books partition 0 is not a block") as told:
        block_of_record(record_of(chain(1)[0], headers))
    assert "Stop that program" in told.value.remedy
