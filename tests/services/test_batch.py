"""Batches: what blocks say of the inputs they were made from, and what is kept before they say it."""

import asyncio
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from events import block as blocks
from events.block import Block, Genesis
from events.policy import Policy
from events.refusals import Refused
from services.accounts import Accounts
from services.batch import BLOCK_ENTRIES_MAX
from services.ledgers.memory import memory_ledger
from services.ledgers.port import HeightTaken, Ledger, LedgerUnavailable, StoredBlock
from services.writer import Outcome, Submitted, Writer, first_block, stored
from tests.model.notation import changed, fact, line
from tests.services.books import raw_of
from tests.services.running import asynchronous

INPUT = "topic/0"


def signed(number: int) -> Submitted:
    """A contract of an account of its own."""
    event = fact("signed", f"c{number}", "2024-01-10", lines=[line(1000)])
    return Submitted(raw_of(event | {"subject": f"a{number}"}))


GARBAGE = Submitted(b"{", None, Refused("not_json", "no JSON"))


async def begun(ledger: Ledger, *, find_places: bool = True) -> Writer:
    writer = Writer(ledger, Accounts(None, 0, 1_000), Policy(), None, find_places=find_places)
    await writer.begin()
    return writer


async def chain_of(ledger: Ledger) -> list[Block]:
    return [blocks.block_of(one.data) async for one in ledger.read(0)]


async def told(ledger: Ledger) -> list[tuple[int, int]]:
    """Of each block after the first: entries, and how far it says that the input was read."""
    return [(one.header.entries, one.header.sources.get(INPUT, 0)) for one in (await chain_of(ledger))[1:]]


@asynchronous
async def test_a_block_says_how_far_its_inputs_were_read() -> None:
    ledger = memory_ledger()
    writer = await begun(ledger)
    await writer.write([signed(1)], {INPUT: 5})
    await writer.write([signed(2)], {"other/1": 9})
    await writer.write([signed(3)], {INPUT: 7})
    chain = await chain_of(ledger)
    assert [block.header.sources for block in chain] == [
        {},
        {INPUT: 5},
        {INPUT: 5, "other/1": 9},
        {INPUT: 7, "other/1": 9},
    ]


@asynchronous
async def test_only_the_last_block_of_a_batch_says_that_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash between them must not leave out what is in the others."""
    monkeypatch.setattr("services.writer.BATCH_SECONDS", 60.0)  # however slow the machine is
    ledger = memory_ledger()
    writer = await begun(ledger)
    await writer.write([signed(0)], {INPUT: 1})
    await writer.write([signed(number) for number in range(1, 2 * BLOCK_ENTRIES_MAX + 2)], {INPUT: 3_000})
    assert await told(ledger) == [(1, 1), (BLOCK_ENTRIES_MAX, 1), (BLOCK_ENTRIES_MAX, 1), (1, 3_000)]


@asynchronous
async def test_a_writer_that_was_overtaken_takes_nothing_back() -> None:
    ledger = memory_ledger()
    ahead, behind = await begun(ledger), await begun(ledger)
    await ahead.write([signed(number) for number in range(8)], {INPUT: 8})
    outcomes = await behind.write([signed(number) for number in range(3, 5)], {INPUT: 5})
    assert [one.status for one in outcomes] == ["duplicate"] * 2
    await behind.write([signed(99)], {INPUT: 6})
    assert await told(ledger) == [(8, 8), (1, 8)]


@asynchronous
async def test_nothing_to_book_is_noted_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.writer.PROGRESS_EVENTS", 10)
    ledger = memory_ledger()
    writer = await begun(ledger)
    await writer.write([signed(1)], {INPUT: 1})
    for offset in range(2, 25):
        await writer.write([signed(1)] if offset % 2 else [], {INPUT: offset})
    assert await told(ledger) == [(1, 1), (0, 11), (0, 21)]
    assert writer.head is not None
    assert writer.head.header.height == 3
    await writer.write([signed(2)], {INPUT: 25})
    assert (await told(ledger))[-1] == (1, 25)


@asynchronous
async def test_what_is_refused_is_kept_before_the_ledger_says_that_it_was_read() -> None:
    ledger = memory_ledger()
    writer = await begun(ledger)
    seen: list[tuple[list[str], int]] = []

    async def keep(_first: int, outcomes: Sequence[Outcome]) -> None:
        seen.append(([one.status for one in outcomes], len(await chain_of(ledger))))

    await writer.write([signed(1)], {INPUT: 1}, keep)
    assert seen == [], "nothing was refused"
    await writer.write([GARBAGE, signed(2), signed(1)], {INPUT: 4}, keep)
    assert seen == [(["refused", "accepted", "duplicate"], 2)]
    await writer.write([GARBAGE], {INPUT: 5}, keep)
    assert seen[1:] == [(["refused"], 3)]
    assert await told(ledger) == [(1, 1), (1, 4), (0, 5)], "it is not to be kept again after a start"


@asynchronous
async def test_what_cannot_be_kept_is_not_noted() -> None:
    ledger = memory_ledger()
    writer = await begun(ledger)
    is_away = True

    async def keep(_first: int, _: Sequence[Outcome]) -> None:
        if is_away:
            raise LedgerUnavailable("The dead letters are away.", "Wait.")

    items = [signed(1), GARBAGE]
    with pytest.raises(LedgerUnavailable):
        await writer.write(items, {INPUT: 2}, keep)
    assert await told(ledger) == []
    is_away = False
    outcomes = await writer.write(items, {INPUT: 2}, keep)
    assert [one.status for one in outcomes] == ["accepted", "refused"]
    assert await told(ledger) == [(1, 2)]


class Overtaken:
    """A ledger in which another writer appends just before the first append of blocks with entries."""

    def __init__(self, ledger: Ledger, rival: Writer, items: Sequence[Submitted]) -> None:
        self._ledger = ledger
        self._rival = rival
        self._items = list(items)
        self.read = ledger.read

    async def append(self, some: Sequence[StoredBlock]) -> None:
        if self._items and some[0].entries:
            items, self._items = self._items, []
            await self._rival.write(items, {INPUT: len(items)})
        await self._ledger.append(some)


@asynchronous
async def test_refusals_are_told_again_where_another_writer_was_first() -> None:
    ledger = memory_ledger()
    rival = await begun(ledger)
    writer = await begun(Overtaken(ledger, rival, [signed(1)]))  # type: ignore[arg-type]
    conflict = Submitted(signed(1).raw.replace(b"1000", b"2000"))
    seen = []

    async def keep(_first: int, outcomes: Sequence[Outcome]) -> None:
        seen.append([one.status for one in outcomes])

    await writer.write([conflict, GARBAGE, signed(2)], {INPUT: 3}, keep)
    assert seen == [["accepted", "refused", "accepted"], ["refused", "refused", "accepted"]]
    assert await told(ledger) == [(1, 1), (1, 3)]


@asynchronous
async def test_a_beginning_is_made_once() -> None:
    ledger = memory_ledger()
    writers = [Writer(ledger, Accounts(None, 0, 10), Policy(), None) for _ in range(4)]
    await asyncio.gather(*(writer.begin() for writer in writers))
    (only,) = await chain_of(ledger)
    assert only.header.genesis == Genesis(1, Policy())
    assert {writer.head.hash for writer in writers if writer.head is not None} == {only.hash}
    again = first_block(0, Genesis(5, Policy(zone="Asia/Tokyo")), 77)
    assert (again.header.recorded_at, again.header.policy) == (77, Policy(zone="Asia/Tokyo").stamp)
    with pytest.raises(HeightTaken):
        await ledger.append([stored(again)])


@asynchronous
async def test_places_are_only_found_where_they_are_asked_for() -> None:
    ledger = memory_ledger()
    writer = await begun(ledger, find_places=False)
    outcomes = await writer.write([signed(1), signed(1)])
    assert [(one.place.height, one.place.seq) for one in outcomes if one.place] == [(-1, 0), (-1, 0)]
    finding = await begun(ledger)
    (found,) = await finding.write([signed(1)])
    assert found.place == replace(outcomes[0].place, height=1)  # type: ignore[type-var]


@asynchronous
async def test_what_takes_long_goes_into_the_ledger_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every part is durable, and only the last one says that the input was read."""
    monkeypatch.setattr("services.writer.BATCH_SECONDS", 0.0)
    ledger = memory_ledger()
    writer = await begun(ledger)
    firsts: list[tuple[int, str]] = []

    async def keep(first: int, outcomes: Sequence[Outcome]) -> None:
        firsts.extend((first, one.status) for one in outcomes)

    outcomes = await writer.write([signed(1), GARBAGE, signed(2)], {INPUT: 3}, keep)
    assert [one.status for one in outcomes] == ["accepted", "refused", "accepted"]
    assert firsts == [(1, "refused")]
    assert await told(ledger) == [(1, 0), (1, 3)]


@asynchronous
async def test_others_get_their_turns_while_a_batch_is_booked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.writer.TURN_SECONDS", 0.0)
    ledger = memory_ledger()
    writer = await begun(ledger)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await writer.write([signed(number) for number in range(50)])
    assert turns >= 50
    again = await begun(ledger)
    assert turns >= 100, "also while what the ledger holds is booked again"
    assert again.head is not None
    task.cancel()


@asynchronous
async def test_whoever_is_stopped_while_catching_up_can_do_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.writer.TURN_SECONDS", 0.0)
    ledger = memory_ledger()
    await (await begun(ledger)).write([signed(number) for number in range(20)])
    writer = Writer(ledger, Accounts(None, 0, 1_000), Policy(), None)
    starting = asyncio.create_task(writer.start())
    for _ in range(10):
        await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await writer.start()
    outcomes = await writer.write([signed(3), signed(99)])
    assert [one.status for one in outcomes] == ["duplicate", "accepted"]


@asynchronous
async def test_an_event_that_posts_too_much_is_refused_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """One attribute more is written on every posting of every line the account has."""
    ledger = memory_ledger()
    writer = await begun(ledger)
    lines = [line(1000, line_id=f"l{number}") for number in range(20)]
    await writer.write([Submitted(raw_of(fact("signed", "c1", "2024-01-10", lines=lines)))])
    monkeypatch.setattr("events.block.BOOKING_BYTES_MAX", 500)
    change = changed("c", "2024-02-01", segment="enterprise")
    small = changed("d", "2024-02-01", segment="smb")
    outcomes = await writer.write([Submitted(raw_of(change)), signed(7), Submitted(raw_of(small))])
    assert [(one.status, one.code) for one in outcomes] == [
        ("refused", "too_many_postings"),
        ("accepted", ""),
        ("accepted", ""),
    ]
    monkeypatch.undo()
    again = await writer.write([Submitted(raw_of(change))])
    assert again[0].status == "accepted", "nothing of the refused one is left"
    other = await begun(ledger)
    assert other.head == writer.head
