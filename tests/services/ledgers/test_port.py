"""What every ledger does: appends all or none, keeps the chain whole, reads in order, wakes followers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from itertools import pairwise
from typing import Any, cast

import msgspec
import pytest

from services.ledgers.port import HeightTaken, Ledger, LedgerUnavailable, NotNext, StoredBlock, name_of
from tests.services.ledgers.blocks import chain, next_block
from tests.services.ledgers.conftest import OpenLedger
from tests.services.running import asynchronous


async def everything(ledger: Ledger, partition: int = 0) -> list[StoredBlock]:
    return [block async for block in ledger.read(partition)]


@asynchronous
async def test_an_empty_ledger_has_nothing(open_ledger: OpenLedger) -> None:
    async with open_ledger() as ledger:
        assert await ledger.tail(0) is None
        assert await ledger.block_of(0, 0) is None
        assert await everything(ledger) == []
        assert await name_of(ledger) == ""


@asynchronous
async def test_a_ledger_has_the_name_of_its_first_block_for_ever(open_ledger: OpenLedger) -> None:
    blocks = chain(3)
    async with open_ledger() as ledger:
        await ledger.append(blocks[:1])
        name = await name_of(ledger)
        await ledger.append(blocks[1:])
        assert await name_of(ledger) == name == blocks[0].hash.hex()


@asynchronous
async def test_blocks_come_back_as_they_went_in(open_ledger: OpenLedger) -> None:
    first = next_block(None, data=bytes(range(256)) * 10)
    second = next_block(first, data=b"")
    async with open_ledger() as ledger:
        await ledger.append([first])
        await ledger.append([second])
        assert await ledger.tail(0) == second
        assert await everything(ledger) == [first, second]


@asynchronous
async def test_appending_nothing_is_nothing(open_ledger: OpenLedger) -> None:
    async with open_ledger() as ledger:
        await ledger.append([])
        assert await ledger.tail(0) is None


@asynchronous
async def test_partitions_are_apart(open_ledger: OpenLedger) -> None:
    zero, seven = chain(3), chain(2, partition=7)
    async with open_ledger() as ledger:
        await ledger.append([zero[0], seven[0], zero[1], zero[2], seven[1]])
        assert await everything(ledger) == zero
        assert await everything(ledger, 7) == seven
        assert await ledger.tail(1) is None


@asynchronous
async def test_a_batch_is_appended_whole_or_not_at_all(open_ledger: OpenLedger) -> None:
    good, other = chain(3), chain(1, partition=1)
    wrong = msgspec.structs.replace(good[2], prev_hash=b"elsewhere")
    async with open_ledger() as ledger:
        with pytest.raises(NotNext):
            await ledger.append([other[0], good[0], good[1], wrong])
        assert await ledger.tail(0) is None
        assert await ledger.tail(1) is None
        await ledger.append([*other, *good])
        assert await everything(ledger) == good


@asynchronous
async def test_a_height_is_given_once(open_ledger: OpenLedger) -> None:
    blocks = chain(2)
    rival = msgspec.structs.replace(blocks[1], hash=b"rival", data=b"rival")
    async with open_ledger() as ledger:
        await ledger.append(blocks)
        for late in (blocks[0], blocks[1], rival):
            with pytest.raises(HeightTaken) as refusal:
                await ledger.append([late])
            assert (refusal.value.partition, refusal.value.height) == (0, late.height)
        assert await everything(ledger) == blocks


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("height", 4),
        ("prev_hash", b"elsewhere"),
        ("first_seq", 5),
        ("first_seq", 7),
        ("entries", -1),
        ("recorded_at", 1_699_999_999_999_999),
    ],
)
@asynchronous
async def test_a_block_follows_the_tail(open_ledger: OpenLedger, field: str, value: Any) -> None:
    blocks = chain(4, entries=2)
    wrong = msgspec.structs.replace(blocks[3], **{field: value})
    async with open_ledger() as ledger:
        await ledger.append(blocks[:3])
        with pytest.raises(NotNext) as refusal:
            await ledger.append([wrong])
        assert refusal.value.field == field
        assert await everything(ledger) == blocks[:3]
        await ledger.append([blocks[3]])


@pytest.mark.parametrize(("field", "value"), [("height", 1), ("first_seq", 1)])
@asynchronous
async def test_a_chain_starts_at_zero(open_ledger: OpenLedger, field: str, value: int) -> None:
    wrong = msgspec.structs.replace(next_block(None), **{field: value})
    async with open_ledger() as ledger:
        with pytest.raises(NotNext):
            await ledger.append([wrong])
        assert await ledger.tail(0) is None


@asynchronous
async def test_the_clock_may_stand_still(open_ledger: OpenLedger) -> None:
    first, second = chain(2)
    same_moment = msgspec.structs.replace(second, recorded_at=first.recorded_at)
    async with open_ledger() as ledger:
        await ledger.append([first, same_moment])
        assert await ledger.tail(0) == same_moment


@pytest.mark.parametrize(
    ("start", "end"), [(0, None), (0, 5), (3, 5), (4, None), (5, 5), (9, None), (0, 0), (3, 2)]
)
@asynchronous
async def test_a_range_is_half_open(open_ledger: OpenLedger, start: int, end: int | None) -> None:
    blocks = chain(6)
    async with open_ledger() as ledger:
        await ledger.append(blocks)
        assert [block async for block in ledger.read(0, start, end)] == blocks[start:end]


@asynchronous
async def test_a_long_read_sees_what_is_appended_meanwhile(open_ledger: OpenLedger) -> None:
    blocks = chain(2_500)
    async with open_ledger() as ledger:
        await ledger.append(blocks[:1_500])
        seen = []
        async for block in ledger.read(0):
            seen.append(block)
            if len(seen) == 10:
                await ledger.append(blocks[1_500:])
        assert seen == blocks


@asynchronous
async def test_an_entry_is_found_in_its_block(open_ledger: OpenLedger) -> None:
    sizes = [0, 3, 1, 0, 0, 5, 0]
    blocks: list[StoredBlock] = []
    for size in sizes:
        blocks.append(next_block(blocks[-1] if blocks else None, entries=size))
    async with open_ledger() as ledger:
        await ledger.append(blocks)
        found = [await ledger.block_of(0, seq) for seq in range(-1, 11)]
        heights = [None if block is None else block.height for block in found]
    assert heights == [None, 1, 1, 1, 2, 5, 5, 5, 5, 5, None, None]


async def after(pause_seconds: float, ledger: Ledger, blocks: list[StoredBlock]) -> None:
    """Appends after a pause, when whoever follows is already waiting."""
    await asyncio.sleep(pause_seconds)
    await ledger.append(blocks)


@asynchronous
async def test_a_follower_catches_up_and_then_wakes(open_ledger: OpenLedger) -> None:
    blocks = chain(5)
    async with open_ledger() as ledger:
        await ledger.append(blocks[:2])
        async with aclosing(_generator(ledger.follow(0, 1))) as following:
            assert await anext(following) == blocks[1]
            for block in blocks[2:]:
                appending = asyncio.create_task(after(0.02, ledger, [block]))
                assert await anext(following) == block
                await appending


@asynchronous
async def test_a_follower_waits_for_a_height_to_come(open_ledger: OpenLedger) -> None:
    blocks = chain(4)
    async with open_ledger() as ledger, aclosing(_generator(ledger.follow(0, 3))) as following:
        appending = asyncio.create_task(after(0.01, ledger, blocks))
        assert await anext(following) == blocks[3]
        await appending


@asynchronous
async def test_many_followers_all_see_everything(open_ledger: OpenLedger) -> None:
    blocks = chain(50)

    async def follow(ledger: Ledger) -> list[StoredBlock]:
        async with aclosing(_generator(ledger.follow(0, 0))) as following:
            return [await anext(following) for _ in blocks]

    async with open_ledger() as ledger:
        followers = [asyncio.create_task(follow(ledger)) for _ in range(5)]
        for block in blocks:
            await ledger.append([block])
        assert await asyncio.gather(*followers) == [blocks] * 5


@asynchronous
async def test_a_closed_ledger_says_so(open_ledger: OpenLedger) -> None:
    async with open_ledger() as ledger:
        waiting = asyncio.create_task(anext(_generator(ledger.follow(0, 0))))
        await asyncio.sleep(0.01)
        await ledger.close()
        for call in (waiting, ledger.tail(0), ledger.append(chain(1)), ledger.block_of(0, 0)):
            with pytest.raises(LedgerUnavailable, match="closed"):
                await call
        await ledger.close()


@asynchronous
async def test_blocks_outlive_the_object(open_durable: OpenLedger) -> None:
    blocks = chain(3)
    async with open_durable() as ledger:
        await ledger.append(blocks)
    async with open_durable() as ledger:
        assert await everything(ledger) == blocks


@asynchronous
async def test_another_object_is_followed(open_durable: OpenLedger) -> None:
    blocks = chain(3)
    async with (
        open_durable() as ours,
        open_durable() as theirs,
        aclosing(_generator(ours.follow(0, 0))) as following,
    ):
        for block in blocks:
            appending = asyncio.create_task(after(0.02, theirs, [block]))
            assert await anext(following) == block
            await appending


async def append_booking_again(ledger: Ledger, writer: int, times: int) -> int:
    """Appends as a writer does: on `HeightTaken` it reads the tail and books again. Answers how often."""
    taken = 0
    for number in range(times):
        while True:
            block = next_block(await ledger.tail(0), data=f"{writer}:{number}".encode())
            try:
                await ledger.append([block])
                break
            except HeightTaken:
                taken += 1
    return taken


@asynchronous
async def test_two_objects_never_fork_the_chain(open_durable: OpenLedger) -> None:
    async with open_durable() as one, open_durable() as two:
        taken = await asyncio.gather(
            *(append_booking_again(ledger, i, 200) for i, ledger in enumerate((one, two)))
        )
        blocks = await everything(one)
        assert await everything(two) == blocks
    assert sum(taken) > 0
    assert_one_chain(blocks)
    assert sorted(block.data for block in blocks) == sorted(
        f"{writer}:{number}".encode() for writer in (0, 1) for number in range(200)
    )


def assert_one_chain(blocks: list[StoredBlock]) -> None:
    assert [block.height for block in blocks] == list(range(len(blocks)))
    for before, block in pairwise(blocks):
        assert (block.prev_hash, block.first_seq) == (before.hash, before.end_seq)


def _generator(blocks: AsyncIterator[StoredBlock]) -> Any:
    """The iterator as the generator it is, so that a test can close it."""
    return cast("Any", blocks)
