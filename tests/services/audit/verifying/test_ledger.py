"""A whole ledger verified: several partitions, late events, ticks; whatever is changed in it is found and named."""

import json
import random
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec.structs import replace

from events import block as blocks
from events.block import Block, Entry, Genesis
from events.checkpoint import Redactions
from events.envelope import event_of
from events.partitions import partition_of
from events.policy import Policy
from services.accounts import Accounts
from services.audit.checkpoints import taken
from services.audit.verifying.ledger import ForeignCheckpoint, Report, Wanted, verified_ledger
from services.demo import demo_events
from services.ledgers.port import StoredBlock
from services.ledgers.sqlite import sqlite_ledger, sqlite_reader
from services.settings import settings_from
from services.writer import Submitted, Writer, stored
from tests.services.audit.chains import chain_of, findings_of, resealed
from tests.services.cli.calling import event, signed
from tests.services.running import asynchronous

PARTITIONS: Final = 3
INTEGERS: Final = ("partition", "height", "first_seq", "entries", "recorded_at")
BLOBS: Final = ("prev_hash", "hash", "data")


async def write_ledger(place: Path, seed: int = 1) -> None:
    """A ledger of three partitions in a data directory: blocks of one to twelve entries, late events, ticks."""
    rng = random.Random(seed)
    raws = list(islice(demo_events(accounts=25, months=12), 240))
    late = [raws.pop(rng.randrange(len(raws))) for _ in range(24)]
    for raw in late:
        raws.insert(rng.randrange(len(raws)), raw)
    ledger = await sqlite_ledger(place / "ledger.db")
    for partition in range(PARTITIONS):
        accounts = Accounts(None, partition, 1_000)
        writer = Writer(ledger, accounts, Policy(), None, partition=partition, partitions=PARTITIONS)
        await writer.begin()
        mine = iter([raw for raw in raws if partition_of(event_of(raw).subject, PARTITIONS) == partition])
        while some := list(islice(mine, rng.randint(1, 12))):
            outcomes = await writer.write([Submitted(raw) for raw in some])
            assert "refused" not in {one.status for one in outcomes}
            if rng.random() < 0.2:
                assert await writer.tick(0)
        await writer.close()
    await ledger.close()


async def report_of(place: Path, **wanted: Any) -> Report:
    """The report on a data directory, by one process."""
    settings = settings_from({"REVLEDGER_DATA": str(place)})
    return await verified_ledger(settings, Wanted(**{"workers": 1, **wanted}), lambda _partition, _entries: None)


@contextmanager
def rows(place: Path) -> Iterator[sqlite3.Connection]:
    """The rows of a ledger, to be changed as its triggers would not allow; they are there again afterwards."""
    with closing(sqlite3.connect(place / "ledger.db", isolation_level=None)) as file:
        triggers = file.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            file.execute(f"DROP TRIGGER {name}")
        yield file
        for _, made in triggers:
            file.execute(made)


@asynchronous
async def test_a_ledger_of_several_partitions_passes(tmp_path: Path) -> None:
    await write_ledger(tmp_path)
    report = await report_of(tmp_path)
    assert report.findings == []
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as file:
        for one in report.partitions:
            query = "SELECT count(*), sum(entries), sum(entries = 0) FROM blocks WHERE partition = ?"
            count, entries, empty = file.execute(query, (one.partition,)).fetchone()
            assert (one.blocks, one.entries) == (count, entries)
            assert empty > 1, "there are ticks"
            assert one.postings > 10


@asynchronous
async def test_several_processes_come_to_the_same_verdict(tmp_path: Path) -> None:
    await write_ledger(tmp_path)
    with rows(tmp_path) as file:
        file.execute("UPDATE blocks SET recorded_at = recorded_at + 1 WHERE partition = 1 AND height = 5")
        file.execute("UPDATE blocks SET data = zeroblob(9) WHERE partition = 2 AND height = 3")
    alone, together = await report_of(tmp_path), await report_of(tmp_path, workers=3)
    assert together.findings == alone.findings
    assert [(one.partition, one.height, one.check) for one in alone.findings] == [
        (1, 5, "column"),
        (2, 3, "unreadable"),
    ]
    for one, other in zip(alone.partitions, together.partitions, strict=True):
        one.seconds = other.seconds = 0
        assert one == other
    assert kept_in(tmp_path) == []


def kept_in(place: Path) -> list[Path]:
    """Files of states that were kept."""
    return [one for one in place.glob("verify-*") if not one.name.endswith("-lock")]


@asynchronous
async def test_any_byte_of_any_row_is_found_and_named(tmp_path: Path) -> None:
    await flip_rows(tmp_path, 60)


@pytest.mark.crash
@pytest.mark.parametrize("seed", range(10))
@asynchronous
async def test_a_thousand_bytes_of_rows_are_found_and_named(tmp_path: Path, seed: int) -> None:
    await flip_rows(tmp_path, 100, 100 + seed)


async def flip_rows(place: Path, times: int, seed: int = 7) -> None:
    """Changes one byte of one column of one block at a time; it must be found, and the block be named."""
    rng = random.Random(seed)
    await write_ledger(place, seed)
    with closing(sqlite3.connect(place / "ledger.db")) as file:
        keys = file.execute("SELECT rowid, partition, height FROM blocks ORDER BY rowid").fetchall()
    for _ in range(times):
        rowid, partition, height = rng.choice(keys)
        name = rng.choice([*INTEGERS, *BLOBS, *["data"] * 8])
        with rows(place) as file:
            (good,) = file.execute(f"SELECT {name} FROM blocks WHERE rowid = ?", (rowid,)).fetchone()
            bad = flipped(good, rng)
            try:
                file.execute(f"UPDATE blocks SET {name} = ? WHERE rowid = ?", (bad, rowid))
            except sqlite3.IntegrityError:
                continue  # below zero, or in the place of another: SQLite holds against it
        found = (await report_of(place)).findings
        where = (seed, partition, height, name, good, bad, found)
        assert found, where
        # A last block that went to another partition leaves no gap: it is named where it is now.
        strays = [one for one in found if one.check == "partition" and one.height == height]
        named = [one for one in found if (one.partition, one.height) == (partition, height) and one not in strays]
        there = partition
        if not named and name == "partition":  # a last block that went elsewhere leaves no gap: it is named there
            named, there = strays, bad
        assert named, where
        assert f"{height}" in named[0].sentence, where
        assert f"partition {there}" in named[0].sentence, where
        if name not in ("partition", "height"):
            assert not [one for one in found if one.height is not None and one not in named], where
        with rows(place) as file:
            file.execute(f"UPDATE blocks SET {name} = ? WHERE rowid = ?", (good, rowid))
    assert (await report_of(place)).findings == []


def flipped(value: int | bytes, rng: random.Random) -> int | bytes:
    """A value with one of its bytes changed."""
    data = value.to_bytes(8, "big", signed=True) if isinstance(value, int) else value
    spot = rng.randrange(len(data))
    data = data[:spot] + bytes([data[spot] ^ rng.randrange(1, 256)]) + data[spot + 1 :]
    return int.from_bytes(data, "big", signed=True) if isinstance(value, int) else data


# ---------------------------------------------------------------- what only the books, or a checkpoint, tell


def some_events(amount_minor: int = 1000) -> list[dict[str, Any]]:
    """Two contracts; that of the first is signed for an amount, and upgraded later."""
    line = {"line_id": "l1", "plan": "pro", "amount_minor": 2500, "quantity": 2}
    upgraded = event("u0", "contract.upgraded", "a0", "2024-03-01", contract_id="c-a0", lines=[line])
    others = [signed(f"o{number}", subject=f"b{number}") for number in range(9)]
    return [signed("s0", amount_minor, subject="a0"), signed("s1", subject="a1"), *others, upgraded]


async def in_file(chain: Sequence[StoredBlock], place: Path) -> None:
    """Blocks as a ledger in a data directory."""
    ledger = await sqlite_ledger(place / "ledger.db")
    await ledger.append(chain)
    await ledger.close()


@asynchronous
async def test_a_history_that_was_rewritten_throughout_is_found_by_a_checkpoint_of_before(tmp_path: Path) -> None:
    """Another amount in one event, and all that follows booked and hashed again: a ledger like any other."""
    honest, forged = tmp_path / "honest", tmp_path / "forged"
    for place, amount_minor in ((honest, 1000), (forged, 1001)):
        await in_file(await chain_of(some_events(amount_minor), a_block=2), place)
    reader = await sqlite_reader(honest / "ledger.db")
    checkpoint = await taken(reader, [0], Redactions())
    await reader.close()
    assert (await report_of(honest, checkpoint=checkpoint)).findings == []
    assert (await report_of(forged)).findings == [], "by itself it is sound"
    report = await report_of(forged, checkpoint=checkpoint)
    (found,) = report.findings
    assert (found.check, found.height) == ("checkpoint", checkpoint.heads[0].height)
    assert found.expected == checkpoint.heads[0].hash.hex()
    assert report.ledger == checkpoint.ledger, "its first block is the same"


@asynchronous
async def test_a_checkpoint_of_another_ledger_is_a_mistake_unless_the_first_block_is_damaged(tmp_path: Path) -> None:
    ours, other = tmp_path / "ours", tmp_path / "other"
    chain = await chain_of(some_events(1000), a_block=2)
    await in_file(chain, ours)
    other.mkdir()
    await write_ledger(other)
    reader = await sqlite_reader(other / "ledger.db")
    checkpoint = await taken(reader, [0], Redactions())
    await reader.close()
    with pytest.raises(ForeignCheckpoint, match="is of another ledger"):
        await report_of(ours, checkpoint=checkpoint)
    damaged = tmp_path / "damaged"
    header = blocks.header_bytes(chain[0].data)
    data = chain[0].data.replace(header, header[:-1] + bytes([header[-1] ^ 1]), 1)
    await in_file([replace(chain[0], data=data), *chain[1:]], damaged)
    findings = (await report_of(damaged, checkpoint=checkpoint)).findings
    assert {"checkpoint"} < {one.check for one in findings}


@asynchronous
async def test_a_posting_that_was_changed_with_all_hashes_made_good_is_found_by_booking_again() -> None:
    chain = await chain_of(some_events(), a_block=2)

    def dearer(block: Block) -> list[Entry]:
        booking = blocks.booking_of(block.entries[0])
        first = booking.postings[0]
        postings = [replace(first, amount=first.amount + 1), *booking.postings[1:]]
        return [blocks.entry_of(block.entries[0].event, replace(booking, postings=postings)), *block.entries[1:]]

    (found,) = await findings_of(resealed(chain, 1, dearer))
    assert (found.check, found.height, found.seq, found.source, found.id) == ("booking", 1, 0, "/tests", "s0")
    assert "+120,000,001 e-4 USD" in found.found
    assert "+120,000,000 e-4 USD" in found.expected


@asynchronous
async def test_rules_that_were_changed_with_all_hashes_made_good_are_found() -> None:
    """Block 0 says another policy: then every later block is booked under one that is not the ledger's."""
    chain = await chain_of(some_events(), a_block=2)
    before: Block | None = None
    made: list[StoredBlock] = []
    for one in chain:
        block = blocks.block_of(one.data)
        header = block.header
        genesis = None if header.genesis is None else Genesis(1, Policy(churn="notice"))
        before = blocks.seal(
            before, block.entries, partition=0, recorded_at=header.recorded_at, policy=header.policy, genesis=genesis
        )
        made.append(stored(before))
    found = await findings_of(made)
    assert {one.check for one in found} == {"policy"}
    assert found[0].height == 0
    assert await findings_of(chain, genesis=Genesis(1, Policy())) == []


@asynchronous
async def test_a_ledger_that_begins_without_rules_is_named(tmp_path: Path) -> None:
    chain = await chain_of(some_events(), a_block=2)
    first = blocks.seal(None, [], partition=0, recorded_at=chain[0].recorded_at, policy=Policy().stamp)
    made = [stored(first)]
    before = first
    for one in chain[1:]:
        block = blocks.block_of(one.data)
        before = blocks.seal(
            before, block.entries, partition=0, recorded_at=one.recorded_at, policy=block.header.policy
        )
        made.append(stored(before))
    await in_file(made, tmp_path)
    report = await report_of(tmp_path)
    assert (report.findings[0].check, report.findings[0].height) == ("genesis", 0)
    assert report.partitions[0].unbooked_height == 0


def test_raws_of_these_tests_are_events() -> None:
    assert all(event_of(json.dumps(one).encode()) for one in some_events())
