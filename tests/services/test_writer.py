"""The writer: each event once, whatever writers, files and stores do; and outcomes that say what became of it."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from events import block as blocks
from events.block import Block, Entry
from services.accounts import Accounts, Reached
from services.ledgers.memory import memory_ledger
from services.ledgers.port import Ledger, LedgerUnavailable, StoredBlock
from services.ledgers.sqlite import sqlite_ledger
from services.writer import (
    BLOCK_BYTES_MAX,
    BLOCK_ENTRIES_MAX,
    BooksDiffer,
    ClockRunsBackwards,
    Outcome,
    Place,
    Submitted,
    Writer,
    stored,
)
from tests.model.days import Event
from tests.model.notation import fact, line, retracted
from tests.services.books import POLICY, MemoryBooks, books_of, raw_of
from tests.services.running import asynchronous

NOON = 1_717_243_200_000_000


def signed(account: str, number: int = 1) -> Event:
    """A contract of an account."""
    return fact("signed", f"{account}{number}", "2024-01-10", lines=[line(1000)]) | {"subject": account}


async def writer_of(ledger: Ledger, path: Path | None = None, *, hot: int = 1_000, keep_every: int = 10_000) -> Writer:
    """A writer at the head of the ledger."""
    writer = Writer(ledger, Accounts(path, 0, hot), POLICY, None, keep_every=keep_every)
    await writer.start()
    return writer


async def chain_of(ledger: Ledger) -> list[Block]:
    """All blocks, checked."""
    chain: list[Block] = []
    async for one in ledger.read(0):
        block = blocks.block_of(one.data)
        blocks.check_next(chain[-1] if chain else None, block)
        blocks.check_entries(block)
        chain.append(block)
    return chain


async def entries_of(ledger: Ledger) -> list[bytes]:
    """The events in the ledger."""
    return [entry.event for block in await chain_of(ledger) for entry in block.entries]


def submitted(*events: Event, at: int | None = None) -> list[Submitted]:
    """Events as they are handed over."""
    return [Submitted(raw_of(event), at) for event in events]


# ---------------------------------------------------------------- outcomes


@asynchronous
async def test_outcomes_come_in_order_with_places() -> None:
    """Accepted, the same again in one call and in the next, changed, and no event at all."""
    books = await MemoryBooks().start()
    first, second = signed("a"), signed("b")
    conflict = {**first, "time": "2024-02-01T00:00:00Z"}
    of_another = {**first, "subject": "z"}
    items = [*submitted(first, second, first, conflict, of_another), Submitted(b"{")]
    outcomes = await books.writer.write(items)
    places = [Place(0, 1, 0), Place(0, 1, 1), Place(0, 1, 0), None, None, None]
    assert [outcome.place for outcome in outcomes] == places
    assert [outcome.status for outcome in outcomes] == ["accepted", "accepted", "duplicate", *["refused"] * 3]
    assert [outcome.code for outcome in outcomes[3:]] == ["id_conflict", "id_conflict", "not_json"]
    again = await books.writer.write(submitted(second, conflict, of_another))
    assert [one.status for one in again] == ["duplicate", "refused", "refused"]
    assert again[0].place == places[1]
    assert len(await entries_of(books.ledger)) == 2


@asynchronous
async def test_an_id_is_one_event_for_ever_across_accounts(tmp_path: Path) -> None:
    """In one call, in a later one, and for a writer that reads the accounts from their file or the ledger."""
    one, other = (signed(account) | {"id": "same", "source": "/billing"} for account in "ab")
    ledger = memory_ledger()
    first = await writer_of(ledger, tmp_path / "accounts.db")
    outcomes = await first.write([Submitted(raw_of(event)) for event in (one, other, one)])
    assert [(one.status, one.code) for one in outcomes] == [
        ("accepted", ""),
        ("refused", "id_conflict"),
        ("duplicate", ""),
    ]
    assert "an event of 'a'" in outcomes[1].message
    await first.close()
    for path in (tmp_path / "accounts.db", None):
        later = await writer_of(ledger, path)
        (outcome,) = await later.write([Submitted(raw_of(other))])
        assert (outcome.status, outcome.code) == ("refused", "id_conflict")
        await later.close()


@asynchronous
async def test_a_call_without_events_writes_nothing() -> None:
    books = await MemoryBooks().start()
    assert await books.writer.write([]) == []
    assert (await books.writer.write([Submitted(b"")]))[0].status == "refused"
    assert await books.ledger.tail(0) is None


@asynchronous
async def test_unmatched_facts_are_counted_and_found() -> None:
    """A fact without its contract waits, a retraction without its target too; each is counted until it is met."""
    upgrade = fact("upgraded", "a1", "2024-01-20", lines=[line(3000)])
    early = retracted(signed("b"), "2024-01-05")
    books = await MemoryBooks().start()
    unmatched = [
        (await books.book([event]))[0].unmatched
        for event in (upgrade, early, signed("a"), signed("b"), retracted(upgrade, "2024-02-01"))
    ]
    assert unmatched == [1, 1, -1, -1, 0]
    counts = (await books.reports.book()).counts()
    assert (counts["entries"], counts["unmatched"]) == (5, 0)


@asynchronous
async def test_batches_are_cut_into_blocks() -> None:
    """By number and by bytes; an event of its own size is a block of its own."""
    books = await MemoryBooks().start()
    await books.writer.write(submitted(*(signed(f"a{number}") for number in range(2 * BLOCK_ENTRIES_MAX + 1))))
    assert [block.header.entries for block in await chain_of(books.ledger)] == [0, 1_000, 1_000, 1]
    large = [signed(f"b{number}") | {"extension": "x" * 200_000, "id": f"large{number}"} for number in range(7)]
    outcomes = await books.writer.write(submitted(*large))
    chain = (await chain_of(books.ledger))[4:]
    assert [block.header.entries for block in chain] == [3, 3, 1]
    assert all(len(block.data) < BLOCK_BYTES_MAX + 1_000 for block in chain)
    assert [outcome.place.height for outcome in outcomes if outcome.place] == [4, 4, 4, 5, 5, 5, 6]


# ---------------------------------------------------------------- the clock of a history


@asynchronous
async def test_recorded_times_cut_blocks_and_are_kept() -> None:
    """One block per recorded time; block 0 is as old as the first event."""
    books = await MemoryBooks().start()
    items = [Submitted(raw_of(signed(name)), NOON + offset) for name, offset in zip("abcd", (0, 0, 5, 5), strict=True)]
    await books.writer.write(items)
    chain = await chain_of(books.ledger)
    assert [(one.header.recorded_at, one.header.entries) for one in chain] == [(NOON, 0), (NOON, 2), (NOON + 5, 2)]


@asynchronous
async def test_recorded_times_never_run_backwards() -> None:
    """Neither within a call nor behind the ledger; nothing of the call is booked then, and the next one is."""
    books = await MemoryBooks().start()
    backwards = [Submitted(raw_of(signed("a")), NOON), Submitted(raw_of(signed("b")), NOON - 1)]
    with pytest.raises(ClockRunsBackwards):
        await books.writer.write(backwards)
    assert await books.ledger.tail(0) is None
    await books.writer.write(submitted(signed("a"), at=NOON))
    with pytest.raises(ClockRunsBackwards, match="--as-recorded"):
        await books.writer.write(submitted(signed("b"), at=NOON - 1))
    assert (await books.writer.write(submitted(signed("b"), at=NOON)))[0].status == "accepted"
    duplicate = (await books.writer.write(submitted(signed("a"), at=NOON - 1)))[0]
    assert duplicate.status == "duplicate", "what is there already has its time"


@asynchronous
async def test_the_clock_of_the_machine_may_run_backwards() -> None:
    """What was recorded in the future holds the clock until it has passed."""
    books = await MemoryBooks().start()
    future = 4_000_000_000_000_000
    await books.writer.write(submitted(signed("a"), at=future))
    await books.writer.write(submitted(signed("b")))
    assert [block.header.recorded_at for block in await chain_of(books.ledger)] == [future] * 3


# ---------------------------------------------------------------- several writers, lost and foreign files


@asynchronous
async def test_two_writers_race_on_one_file(tmp_path: Path) -> None:
    """Both send the same events, one from the end, at once: each is in the one chain once, at the place both say."""
    events = [signed(f"a{number % 7}", number) | {"id": f"{number}"} for number in range(120)]
    ledgers = [await sqlite_ledger(tmp_path / "ledger.db") for _ in range(2)]
    writers = [await writer_of(ledger, tmp_path / f"{index}.db") for index, ledger in enumerate(ledgers)]

    first: list[Outcome] = []
    second: list[Outcome] = []
    for start in range(0, len(events), 6):
        end = len(events) - start
        ours, theirs = submitted(*events[start : start + 6]), submitted(*events[end - 6 : end][::-1])
        some, others = await asyncio.gather(writers[0].write(ours), writers[1].write(theirs))
        first += some
        second += others
    second.reverse()
    assert [one.place for one in first] == [one.place for one in second]
    statuses = [(one.status, other.status) for one, other in zip(first, second, strict=True)]
    assert all(sorted(pair) == ["accepted", "duplicate"] for pair in statuses)
    assert len({pair[0] for pair in statuses}) == 2, "only one of the writers ever came first"
    entries = await entries_of(ledgers[0])
    assert [entries[one.place.seq] for one in first if one.place] == [raw_of(event) for event in events]
    for writer, ledger in zip(writers, ledgers, strict=True):
        await writer.close()
        await ledger.close()


async def files_of(directory: Path) -> tuple[Ledger, Path]:
    """A ledger with some blocks, and the accounts of all of them."""
    ledger = await sqlite_ledger(directory / "ledger.db")
    writer = await writer_of(ledger, directory / "accounts.db", keep_every=1)
    for name in "abc":
        await writer.write(submitted(signed(name)))
    await writer.close()
    return ledger, directory / "accounts.db"


async def check_accounts(ledger: Ledger, path: Path) -> None:
    """The writer knows all that is in the ledger, and books on."""
    count = len(await entries_of(ledger))
    writer = await writer_of(ledger, path)
    outcomes = await writer.write(submitted(signed("a"), signed("b"), signed("c"), signed("d")))
    assert [one.status for one in outcomes] == [*["duplicate"] * min(3, count), *["accepted"] * (4 - min(3, count))]
    upgraded = fact("upgraded", "a1", "2024-02-01", lines=[line(3000)])
    assert [one.unmatched for one in await writer.write(submitted(upgraded))] == [0]
    await writer.close()
    await ledger.close()


@asynchronous
async def test_accounts_that_were_deleted_are_read_again(tmp_path: Path) -> None:
    ledger, path = await files_of(tmp_path)
    path.unlink()
    await check_accounts(ledger, path)


@asynchronous
async def test_accounts_of_another_ledger_are_not_used(tmp_path: Path) -> None:
    """Neither as high nor higher nor lower than this one."""
    ledger, path = await files_of(tmp_path / "one")
    other, _ = await files_of(tmp_path / "two")
    more = await writer_of(other, tmp_path / "two" / "accounts.db", keep_every=1)
    await more.write(submitted(signed("e")))
    await more.close()
    await other.close()
    (tmp_path / "two" / "accounts.db").replace(path)
    await check_accounts(ledger, path)


@asynchronous
async def test_accounts_ahead_of_their_ledger_are_not_used(tmp_path: Path) -> None:
    """As when the ledger came back from a copy."""
    ledger, path = await files_of(tmp_path)
    shorter = memory_ledger()
    await shorter.append([block async for block in ledger.read(0, 0, 3)])
    await ledger.close()
    await check_accounts(shorter, path)


@asynchronous
async def test_accounts_behind_their_ledger_are_brought_up(tmp_path: Path) -> None:
    ledger, path = await files_of(tmp_path)
    early = path.read_bytes()
    writer = await writer_of(ledger, path, keep_every=1)
    await writer.write(submitted(signed("f"), signed("g")))
    await writer.close()
    path.write_bytes(early)
    writer = await writer_of(ledger, path)
    assert [one.status for one in await writer.write(submitted(signed("f"), signed("g")))] == ["duplicate"] * 2
    await writer.close()
    await check_accounts(ledger, path)


@asynchronous
async def test_hardly_any_accounts_in_memory_are_enough(tmp_path: Path) -> None:
    """With room for two accounts the same bytes come out as with room for all."""
    events = [signed(f"a{number % 20}", number) | {"id": f"{number}"} for number in range(200)]
    found: list[list[Any]] = []
    for hot in (2, 1_000):
        ledger = memory_ledger()
        writer = await writer_of(ledger, tmp_path / f"{hot}.db", hot=hot, keep_every=17)
        for start in range(0, len(events), 9):
            await writer.write(submitted(*events[start : start + 9], at=NOON))
        found.append([block.hash for block in await chain_of(ledger)])
        await writer.close()
    assert found[0] == found[1]


# ---------------------------------------------------------------- failures


class FailingLedger:
    """A ledger in memory whose next append fails, before or after it took effect."""

    def __init__(self, *, took_effect: bool) -> None:
        self._inner = memory_ledger()
        self._took_effect = took_effect
        self.fails = 1
        self.read = self._inner.read
        self.tail = self._inner.tail
        self.follow = self._inner.follow
        self.block_of = self._inner.block_of
        self.close = self._inner.close

    async def append(self, appended: "list[StoredBlock]") -> None:
        self.fails -= 1
        if self.fails >= 0 and not self._took_effect:
            raise LedgerUnavailable("The disk is full.", "Free some space.")
        await self._inner.append(appended)
        if self.fails >= 0:
            raise LedgerUnavailable("The disk did not answer.", "Try again.")


@pytest.mark.parametrize("took_effect", [False, True])
@asynchronous
async def test_a_failed_append_is_taken_back(took_effect: bool) -> None:
    """And if it took effect all the same, the event is there already when it is sent again."""
    ledger: Any = FailingLedger(took_effect=took_effect)
    writer = await writer_of(ledger)
    with pytest.raises(LedgerUnavailable):
        await writer.write(submitted(signed("a")))
    (outcome,) = await writer.write(submitted(signed("a")))
    assert (outcome.status, outcome.place) == ("duplicate" if took_effect else "accepted", Place(0, 1, 0))
    assert len(await entries_of(ledger)) == 1


@asynchronous
async def test_a_writer_that_is_cancelled_while_it_keeps_accounts_closes_in_order(tmp_path: Path) -> None:
    """Two threads never write the file at once; what was durable is acknowledged when it is sent again."""
    ledger = memory_ledger()
    accounts = SlowAccounts(tmp_path / "accounts.db", 0, 1_000)
    writer = Writer(ledger, accounts, POLICY, None, keep_every=1)
    await writer.start()
    writing = asyncio.create_task(writer.write(submitted(signed("a"))))
    while not accounts.keeping:  # noqa: ASYNC110 - a thread does it
        await asyncio.sleep(0.001)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert accounts.keeping == 0, "it was left alone with its file"
    await writer.close()
    await check_accounts(ledger, tmp_path / "accounts.db")


class SlowAccounts(Accounts):
    """Accounts on a slow disk."""

    keeping = 0

    def keep(self, reached: Reached) -> None:
        self.keeping += 1
        time.sleep(0.1)
        super().keep(reached)
        self.keeping -= 1


@asynchronous
async def test_books_that_differ_from_the_ledger_are_not_gone_on_with() -> None:
    """A ledger whose postings are not what its events lead to is not extended."""
    ledger = memory_ledger()
    books = await books_of([signed("a")])
    genesis = (await chain_of(books.ledger))[0]
    altered = raw_of(signed("a") | {"data": {**signed("a")["data"], "lines": [line(2000)]}})
    entry = Entry(altered, (await chain_of(books.ledger))[1].entries[0].booking)
    forged = blocks.seal(genesis, [entry], partition=0, recorded_at=NOON * 2, policy=POLICY.stamp)
    await ledger.append([stored(genesis), stored(forged)])
    with pytest.raises(BooksDiffer, match="entry 0"):
        await writer_of(ledger)
