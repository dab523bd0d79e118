"""How fast events in order are booked: JSON bytes to the bytes of sealed blocks, in memory, on one core."""

import gc
import time
from collections.abc import Sequence
from typing import Final

from bench.results import record
from bench.streams import contracts, demo_in_order
from events.account import Account, Booking, book
from events.block import Block, Entry, entry_of, seal
from events.envelope import event_of
from events.policy import DEFAULT_RULES

RUNS: Final = 7
TARGET: Final = 80_000
BLOCK_ENTRIES: Final = 500


def main() -> None:
    """Measures both streams in turns."""
    streams = {"demo": demo_in_order(13_000)[:100_000], "contracts": list(contracts(100_000))}
    gc.freeze()
    runs: dict[str, list[float]] = {name: [] for name in streams}
    for _ in range(RUNS):
        for name, raws in streams.items():
            runs[name].append(len(raws) / booked_seconds(raws))
    demo = "events of the made-up company in order (none late, repeated or taken back)"
    record("booking-demo", f"booking {demo}", runs["demo"], "events/s of CPU time", "at least", TARGET)
    only = "events of contracts (signed, two upgrades, cancelled)"
    record("booking-contracts", f"booking {only}", runs["contracts"], "events/s of CPU time", "at least", TARGET)


def booked_seconds(raws: Sequence[bytes]) -> float:
    """Seconds of CPU time to decode, book, encode and seal."""
    gc.collect()
    began = time.process_time()
    accounts: dict[str, Account] = {}
    entries: list[Entry] = []
    block: Block | None = None
    for seq, raw in enumerate(raws):
        event = event_of(raw)
        account = accounts.get(event.subject)
        if account is None:
            account = accounts[event.subject] = Account(event.subject)
        booking = book(account, event, seq, DEFAULT_RULES)
        assert isinstance(booking, Booking)
        entries.append(entry_of(raw, booking))
        if len(entries) == BLOCK_ENTRIES:
            block = seal(block, entries, partition=0, recorded_at=0, policy="default@1:bench")
            entries = []
    seal(block, entries, partition=0, recorded_at=0, policy="default@1:bench")
    return time.process_time() - began


if __name__ == "__main__":
    main()
