"""What every views store does: compares and sets in one instant, fences old epochs, keeps what it got."""

import asyncio

import pytest

from services.views.port import START, Fenced, Gap, Position, Views, Writes
from tests.services.running import asynchronous
from tests.services.views.conftest import OpenViews


def at(next_height: int) -> Position:
    """A position with every field different, its hash not text."""
    return Position(
        next_height=next_height,
        last_hash=b"\xff\x00" + next_height.to_bytes(30, "big"),
        last_seq=10 * next_height,
        recorded_at=1_700_000_000_000_000 + next_height,
        newest_event_at=1_600_000_000_000_000 + next_height,
    )


async def fill(views: Views, writes: Writes, *, partition: int = 0) -> int:
    """Claims an empty partition and commits its first block; answers the epoch."""
    epoch = await views.claim(partition)
    await views.commit(partition, epoch, 0, at(1), writes)
    return epoch


@asynchronous
async def test_fields_of_many_keys_come_at_once(open_views: OpenViews) -> None:
    """As `read_fields` gives them, key by key; a key may lack its fields, or be asked for none."""
    async with open_views() as views:
        await fill(views, {"cells": {"a": "1", "b": "2"}, "accounts": {"a": "3"}})
        wanted = {"accounts": ["b", "a"], "none": ["a"], "cells": ["a"], "nothing": []}
        assert await views.read_each(0, wanted) == {
            "accounts": [None, b"3"],
            "none": [None],
            "cells": [b"1"],
            "nothing": [],
        }
        assert await views.read_each(0, {}) == {}


@asynchronous
async def test_hashes_and_fields_come_with_their_position(open_views: OpenViews) -> None:
    async with open_views() as views:
        assert await views.snapshot_with(0, ["cells"], {"accounts": ["a"]}) == (None, [{}], {"accounts": [None]})
        await fill(views, {"cells": {"a": "1"}, "accounts": {"a": "3", "b": "4"}})
        found = await views.snapshot_with(0, ["cells", "none"], {"nothing": [], "accounts": ["b", "c"]})
        assert found == (at(1), [{b"a": b"1"}, {}], {"nothing": [], "accounts": [b"4", None]})
        assert await views.snapshot_with(0, [], {}) == (at(1), [], {})


@asynchronous
async def test_an_empty_store_has_nothing(open_views: OpenViews) -> None:
    async with open_views() as views:
        assert await views.position(0) is None
        assert await views.read(0, "cells") == {}
        assert await views.read_many(0, ["cells", "accounts"]) == [{}, {}]
        assert await views.read_fields(0, "cells", ["a", b"b"]) == [None, None]
        assert await views.snapshot(0, ["cells"]) == (None, [{}])


@asynchronous
async def test_asking_for_nothing_answers_nothing(open_views: OpenViews) -> None:
    async with open_views() as views:
        await fill(views, {})
        assert await views.read_many(0, []) == []
        assert await views.read_fields(0, "cells", []) == []
        assert await views.snapshot(0, []) == (at(1), [])


@asynchronous
async def test_the_position_comes_back_as_it_went_in(open_views: OpenViews) -> None:
    async with open_views() as views:
        epoch = await fill(views, {})
        assert await views.position(0) == at(1)
        await views.commit(0, epoch, 1, at(70), {})
        assert await views.position(0) == at(70)


@asynchronous
async def test_a_position_may_be_the_start(open_views: OpenViews) -> None:
    async with open_views() as views:
        await views.commit(0, await views.claim(0), 0, START, {})
        assert await views.position(0) == START


@asynchronous
async def test_values_are_what_was_written(open_views: OpenViews) -> None:
    every_byte = bytes(range(256))
    written: dict[bytes | str, bytes | str | int] = {
        every_byte: every_byte,
        "empty": b"",
        b"": "no name",
        "text": "Größe, 収益, \N{CHART WITH UPWARDS TREND}",
        "large": 2**200,
        "negative": -(2**63) - 1,
        "zero": 0,
        "beyond doubles": 2**53 + 1,
    }
    expected = {
        name if isinstance(name, bytes) else name.encode(): value
        if isinstance(value, bytes)
        else str(value).encode()
        for name, value in written.items()
    }
    async with open_views() as views:
        await fill(views, {"odd key \x00 {1}:*": written})
        assert await views.read(0, "odd key \x00 {1}:*") == expected
        assert await views.read_fields(0, "odd key \x00 {1}:*", [*written, "none"]) == [
            *expected.values(),
            None,
        ]


@asynchronous
async def test_values_replace_and_none_removes(open_views: OpenViews) -> None:
    async with open_views() as views:
        epoch = await fill(views, {"a": {"x": 1, "y": 2, "z": 3}, "b": {"x": 1}})
        await views.commit(
            0, epoch, 1, at(2), {"a": {"x": 10, "y": None, "unknown": None}, "b": {b"x": None}}
        )
        assert await views.read_many(0, ["a", "b"]) == [{b"x": b"10", b"z": b"3"}, {}]
        await views.commit(0, epoch, 2, at(3), {"b": {"new": "again"}})
        assert await views.read(0, "b") == {b"new": b"again"}


@asynchronous
async def test_the_keys_of_a_partition_are_told(open_views: OpenViews) -> None:
    """Its own, also odd ones; none once it is cleared."""
    async with open_views() as views:
        assert await views.keys(1) == []
        epoch = await fill(views, {"odd key {1}:*": {"x": 1}, "a": {"x": 1}}, partition=1)
        await views.commit(1, epoch, 1, at(2), {"b": {"x": 1}})
        assert await views.keys(1) == ["a", "b", "odd key {1}:*"]
        assert await views.keys(0) == await views.keys(11) == []
        await views.clear(1)
        assert await views.keys(1) == []


@asynchronous
async def test_partitions_are_apart(open_views: OpenViews) -> None:
    async with open_views() as views:
        await fill(views, {"cells": {"x": 1}}, partition=1)
        await fill(views, {"cells": {"x": 11}}, partition=11)
        assert await views.read(0, "cells") == {}
        assert await views.read(1, "cells") == {b"x": b"1"}
        await views.clear(1)
        assert await views.read(11, "cells") == {b"x": b"11"}
        assert await views.position(11) == at(1)


@pytest.mark.parametrize("expected", [0, 4, 6])
@asynchronous
async def test_a_gap_changes_nothing(open_views: OpenViews, expected: int) -> None:
    async with open_views() as views:
        epoch = await fill(views, {"a": {"x": 1}})
        await views.commit(0, epoch, 1, at(5), {})
        with pytest.raises(Gap) as gap:
            await views.commit(0, epoch, expected, at(expected + 1), {"a": {"x": 2}, "b": {"y": 3}})
        assert (gap.value.partition, gap.value.expected, gap.value.stored) == (0, expected, 5)
        assert await views.snapshot(0, ["a", "b"]) == (at(5), [{b"x": b"1"}, {}])


@asynchronous
async def test_without_a_position_views_stand_at_zero(open_views: OpenViews) -> None:
    async with open_views() as views:
        epoch = await views.claim(0)
        with pytest.raises(Gap) as gap:
            await views.commit(0, epoch, 3, at(4), {"a": {"x": 1}})
        assert gap.value.stored == 0
        assert await views.read(0, "a") == {}


@asynchronous
async def test_a_claim_fences_those_before(open_views: OpenViews) -> None:
    async with open_views() as old, open_views() as new:
        first = await fill(old, {"a": {"x": 1}})
        second = await new.claim(0)
        assert second == first + 1
        with pytest.raises(Fenced) as fence:
            await old.commit(0, first, 1, at(2), {"a": {"x": 2}})
        assert (fence.value.partition, fence.value.epoch, fence.value.newest) == (0, first, second)
        assert await old.snapshot(0, ["a"]) == (at(1), [{b"x": b"1"}])
        await new.commit(0, second, 1, at(2), {"a": {"x": 3}})
        with pytest.raises(Fenced):  # the fence is told before the gap
            await old.commit(0, first, 1, at(2), {})


@asynchronous
async def test_an_epoch_is_of_its_partition(open_views: OpenViews) -> None:
    async with open_views() as views:
        epoch = await fill(views, {})
        assert [await views.claim(1) for _ in range(3)] == [1, 2, 3]
        await views.commit(0, epoch, 1, at(2), {})


@asynchronous
async def test_an_epoch_the_store_has_lost_is_taken_over(open_views: OpenViews) -> None:
    async with open_views() as views:
        await views.commit(0, 7, 0, at(1), {})
        with pytest.raises(Fenced):
            await views.commit(0, 6, 1, at(2), {})
        assert await views.claim(0) == 8


@asynchronous
async def test_clearing_leaves_only_the_fence(open_views: OpenViews) -> None:
    async with open_views() as views:
        old = await fill(views, {f"key {number}": {"x": number} for number in range(2_500)})
        new = await views.claim(0)
        await views.clear(0)
        assert await views.position(0) is None
        assert not any(await views.read_many(0, [f"key {number}" for number in range(2_500)]))
        with pytest.raises(Fenced):
            await views.commit(0, old, 0, at(1), {})
        await views.commit(0, new, 0, at(1), {"key 1": {"y": 5}})
        assert await views.snapshot(0, ["key 1", "key 2"]) == (at(1), [{b"y": b"5"}, {}])
        await views.clear(0)
        await views.clear(0)
        assert await views.read(0, "key 1") == {}


@pytest.mark.parametrize("keys", [1, 50, 50_000])
@asynchronous
async def test_a_commit_may_be_large(open_views: OpenViews, keys: int) -> None:
    each = 50_000 // keys
    async with open_views() as views:
        names = [f"key {number}" for number in range(keys)]
        epoch = await fill(views, {name: dict.fromkeys(map(str, range(each)), 1) for name in names})
        changes: dict[bytes | str, int | None] = {
            str(field): None if field % 2 else field for field in range(each)
        }
        await views.commit(0, epoch, 1, at(2), dict.fromkeys(names, changes))
        expected = {str(field).encode(): str(field).encode() for field in range(0, each, 2)}
        sample = names[:: max(1, keys // 100)]
        assert await views.read_many(0, sample) == [expected] * len(sample)


@asynchronous
async def test_one_of_many_rivals_commits(open_views: OpenViews) -> None:
    async def rival(epoch: int, number: int) -> int:
        async with open_views() as views:
            won = 0
            for height in range(1, 31):
                try:
                    await views.commit(
                        0, epoch, height, at(height + 1), {"a": {"winner": number, "at": height}}
                    )
                    won += 1
                except Gap:
                    await asyncio.sleep(0)
            return won

    async with open_views() as views:
        epoch = await fill(views, {})
        await asyncio.gather(*(rival(epoch, number) for number in range(8)))
        position, (content,) = await views.snapshot(0, ["a"])
        assert position is not None
        assert int(content[b"at"]) + 1 == position.next_height


@asynchronous
async def test_a_snapshot_is_of_one_instant(open_views: OpenViews) -> None:
    names = [f"key {number}" for number in range(40)]
    last = 300

    async def write(epoch: int) -> None:
        async with open_views() as views:
            for height in range(1, last):
                await views.commit(
                    0, epoch, height, at(height + 1), {name: {"x": height + 1} for name in names}
                )
                await asyncio.sleep(0)

    async with open_views() as views:
        writing = asyncio.create_task(write(await fill(views, {name: {"x": 1} for name in names})))
        seen: set[int] = set()
        while last not in seen:
            position, hashes = await views.snapshot(0, names)
            assert position is not None
            assert hashes == [{b"x": str(position.next_height).encode()}] * len(names)
            seen.add(position.next_height)
            await asyncio.sleep(0)
        await writing
    assert len(seen) > 2


@asynchronous
async def test_closing_twice_is_harmless(open_views: OpenViews) -> None:
    async with open_views() as views:
        await views.position(0)
        await views.close()
