"""How fast `revledger archive` seals a ledger in SQLite, and in how much memory; an argument: of so many entries."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from bench.commands import most_rss_mib, popen, scratch
from bench.results import record
from events.account import Account, Booking, book
from events.block import Block, Entry, Genesis, entry_of, seal
from events.envelope import event_of
from events.policy import DEFAULT_RULES, Policy
from services.compose import LEDGER_FILE
from services.demo import demo_events
from services.ledgers.sqlite import sqlite_ledger
from services.writer import stored

ENTRIES: Final = 1_000_000
TEMPLATE_ENTRIES: Final = 100_000
BLOCK_ENTRIES: Final = 1_000
RUNS: Final = 3
TARGET: Final = 200_000
MEMORY_TARGET_MIB: Final = 2_048
_DECODE: Final = msgspec.msgpack.Decoder(list[msgspec.Raw])
_ENCODE: Final = msgspec.msgpack.Encoder()


class Sealed(Struct, frozen=True):
    """One run of the command, with the processes that it begins."""

    seconds: float
    cpu_seconds: float
    rss_mib: float


def main() -> None:
    """Writes one ledger, and seals it into an empty archive again and again."""
    entries = int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES
    runs: list[Sealed] = []
    with scratch() as directory:
        postings = asyncio.run(write_ledger(directory, entries))
        print(f"a ledger of {entries:,} entries, {postings:,} postings")
        for number in range(RUNS if entries <= ENTRIES else 1):
            runs.append(sealed(directory, directory / f"archive-{number}"))
            print(
                f"{entries / runs[-1].seconds:,.0f} entries/s,"
                f" {entries / runs[-1].cpu_seconds:,.0f} per second of CPU time, {runs[-1].rss_mib:,.0f} MiB"
            )
    if entries <= ENTRIES:
        what = f"`revledger archive` of {entries:,} entries (SQLite ledger, into a directory)"
        record("seal", what, [entries / run.seconds for run in runs], "entries/s", "at least", TARGET)
    what = f"most memory of `revledger archive` for {entries:,} entries, {postings:,} postings"
    name = "seal-memory" if entries <= ENTRIES else "seal-memory-large"
    record(name, what, [run.rss_mib for run in runs], "MiB", "at most", MEMORY_TARGET_MIB)


async def write_ledger(data: Path, entries: int) -> int:
    """A ledger of the made-up company's entries, again and again with other numbers; how many postings it has."""
    template = list(_booked())
    postings = entries // len(template) * sum(count for _, count in template)
    ledger = await sqlite_ledger(data / LEDGER_FILE)
    policy = Policy()
    genesis = Genesis(1, policy)
    before: Block | None = None
    for start in range(0, entries, BLOCK_ENTRIES):
        numbers = range(start, start + BLOCK_ENTRIES)
        some = [_numbered(template[number % len(template)][0], number) for number in numbers]
        at = 1_700_000_000_000_000 + start
        before = seal(
            before,
            some,
            partition=0,
            recorded_at=at,
            policy=policy.stamp,
            genesis=None if before else genesis,
        )
        await ledger.append([stored(before)])
    await ledger.close()
    return postings


def _booked() -> Iterator[tuple[Entry, int]]:
    """Entries of the made-up company, and how many postings each has."""
    accounts: dict[str, Account] = {}
    for number, raw in enumerate(islice(demo_events(accounts=20_000), TEMPLATE_ENTRIES)):
        event = event_of(raw)
        account = accounts.setdefault(event.subject, Account(event.subject))
        booking = book(account, event, number, DEFAULT_RULES)
        if isinstance(booking, Booking):
            yield entry_of(raw, booking), len(booking.postings)


def _numbered(entry: Entry, number: int) -> Entry:
    """The same entry with another number."""
    fields = _DECODE.decode(entry.booking)
    return Entry(entry.event, _ENCODE.encode([number, *fields[1:]]))


def sealed(data: Path, place: Path) -> Sealed:
    """Seals all of it in a process of its own."""
    began = time.perf_counter()
    process = popen("archive", "--data", str(data), "--to", str(place), stdout=subprocess.PIPE)
    assert process.stdout is not None
    with ThreadPoolExecutor(1) as looking:
        most = looking.submit(most_rss_mib, process.pid)
        answer = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, answer
    cpu = usage.ru_utime + usage.ru_stime
    return Sealed(time.perf_counter() - began, cpu, most.result())


if __name__ == "__main__":
    main()
