"""The ledger booked again: as recorded under its own policy, by the model's books under another."""

from pathlib import Path

import pytest
from hypothesis import given, settings

from events.account import Booking
from events.block import Block, BlockDamaged, booking_of
from events.policy import Policy
from services.accounts import Accounts
from services.audit.rebooking import NotBookable, rebooked
from services.cli.failures import NOT_DONE, ending_of
from services.ledgers.memory import memory_ledger
from services.ledgers.port import Ledger, StoredBlock
from services.policies import zone_of
from services.writer import Submitted, Writer
from tests.effort import examples
from tests.events.booked import model_sums, posted_sums
from tests.events.test_switches import CHOICES, policy_of
from tests.model.books import BOOK
from tests.model.choices import Choices
from tests.model.days import Event
from tests.model.histories import histories
from tests.model.notation import fact, line
from tests.services.books import raw_of
from tests.services.running import asynchronous


async def ledger_of(history: list[Event], policy: Policy, batch: int = 3) -> Ledger:
    """A ledger under a policy, a few events to a block."""
    ledger = memory_ledger()
    writer = Writer(ledger, Accounts(None, 0, 1_000), policy, zone_of(policy))
    for start in range(0, len(history), batch):
        await writer.write([Submitted(raw_of(event)) for event in history[start : start + batch]])
    await writer.close()
    return ledger


async def all_of(
    ledger: Ledger, policy: Policy, until: int | None = None, directory: Path | None = None
) -> list[tuple[Block, list[Booking]]]:
    """Everything booked again, with hardly an account in memory."""
    return [one async for one in rebooked(ledger, 0, policy, until, hot_accounts=1, directory=directory)]


@settings(max_examples=examples(60), deadline=None)
@given(histories(), CHOICES, CHOICES)
@asynchronous
async def test_another_policy_books_as_the_model_does(history: list[Event], then: Choices, now: Choices) -> None:
    """And the policy of the ledger, whichever it is, exactly what is recorded."""
    ledger = await ledger_of(history, policy_of(then))
    again = await all_of(ledger, policy_of(then))
    for block, bookings in again:
        assert bookings == [booking_of(entry) for entry in block.entries]
    other = [one for _, bookings in await all_of(ledger, policy_of(now)) for one in bookings]
    assert [one.seq for one in other] == list(range(len(other)))
    for name in {event["subject"] for event in history} - {BOOK}:
        postings = [posting for one in other if one.account == name for posting in one.postings]
        assert posted_sums(name, postings) == model_sums(history, name, now)


def folders_in(directory: Path) -> int:
    """How many temporary folders there are."""
    return len(list(directory.iterdir()))


SIGNED = fact("signed", "a1", "2024-01-01", lines=[line(100)])
CANCELLED = fact("cancelled", "a1", "2024-02-15", effective_at="2024-03-01")


@asynchronous
async def test_it_ends_before_a_height_and_leaves_nothing_behind(tmp_path: Path) -> None:
    ledger = await ledger_of([SIGNED, CANCELLED], Policy(), batch=1)
    found = await all_of(ledger, Policy(), 2, tmp_path)
    assert [(block.header.height, len(bookings)) for block, bookings in found] == [(0, 0), (1, 1)]
    assert folders_in(tmp_path) == 0


@asynchronous
async def test_it_can_be_left_early(tmp_path: Path) -> None:
    ledger = await ledger_of([SIGNED, CANCELLED], Policy(), batch=1)
    blocks = rebooked(ledger, 0, Policy(churn="notice"), directory=tmp_path)
    await anext(blocks)
    assert folders_in(tmp_path) == 1
    await blocks.aclose()
    assert folders_in(tmp_path) == 0


@asynchronous
async def test_an_event_without_a_booking_under_the_policy_is_named() -> None:
    """The end of the line comes before its beginning where a day begins earlier."""
    dates = {"from": "2024-03-01T18:00:00Z", "until": "2024-03-01"}
    ledger = await ledger_of([SIGNED, fact("signed", "b1", "2024-01-02", lines=[line(100, **dates)])], Policy())
    assert len(await all_of(ledger, Policy())) == 2
    with pytest.raises(NotBookable, match=r"entry 1 \(block 1 of partition 0\) cannot be booked under") as caught:
        await all_of(ledger, Policy(zone="Asia/Seoul"))
    assert (caught.value.height, caught.value.seq) == (1, 1)
    ending = ending_of(caught.value)
    assert ending is not None
    assert ending.status == NOT_DONE


@asynchronous
async def test_a_damaged_block_is_no_source() -> None:
    ledger = await ledger_of([SIGNED, CANCELLED], Policy(), batch=1)
    damaged = memory_ledger()
    async for one in ledger.read(0):
        data = one.data.replace(b"2024-02-15", b"2024-02-16")
        await damaged.append(
            [StoredBlock(0, one.height, one.first_seq, one.entries, one.recorded_at, one.prev_hash, one.hash, data)]
        )
    with pytest.raises(BlockDamaged, match="block 2 was changed"):
        await all_of(damaged, Policy())
