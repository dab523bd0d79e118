"""How fast ledger entries are projected: blocks in memory to views on a real server, on one core."""

import asyncio
import gc
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from bench.commands import scratch
from bench.results import record
from bench.streams import contracts
from events.block import Block
from events.policy import Policy
from services.accounts import Accounts
from services.demo import demo_events
from services.ledgers.memory import memory_ledger
from services.ledgers.port import Ledger
from services.projector import Projector
from services.views.redis import redis_views
from services.views.valkey import embedded_valkey
from services.writer import BLOCK_ENTRIES_MAX, Submitted, Writer

RUNS: Final = 7
TARGET: Final = 100_000
EVENTS: Final = 200_000


def main() -> None:
    """Measures both streams in turns: what it takes to check, fold and commit them; the server's time is its own."""
    streams = {"demo": list(islice(demo_events(accounts=26_000), EVENTS)), "contracts": list(contracts(EVENTS))}
    ledgers = {name: asyncio.run(written(raws)) for name, raws in streams.items()}
    streams.clear()
    gc.freeze()
    gc.set_threshold(200_000, 50, 1_000)  # as the process has it that does nothing but project
    runs: dict[str, list[float]] = {name: [] for name in (*ledgers, "bare")}
    for _ in range(RUNS):
        for name, ledger in ledgers.items():
            runs[name].append(asyncio.run(projected(ledger)))
        runs["bare"].append(asyncio.run(projected(ledgers["demo"], MovementsOnly)))
    unit = "entries/s of CPU time"
    demo = "ledger entries of the made-up company, blocks in memory to Redis"
    record("projecting-demo", f"projecting {demo}", runs["demo"], unit, "at least", TARGET)
    costs = [(1 - one / without) * 100 for one, without in zip(runs["demo"], runs["bare"], strict=True)]
    what = "of the projector's throughput that answers, costs and terms take (the made-up company)"
    record("projecting-notes", f"part {what}", costs, "%", "at most", 30)
    only = "ledger entries of contracts (signed, two upgrades, cancelled), blocks in memory to Redis"
    record("projecting-contracts", f"projecting {only}", runs["contracts"], unit, "at least", TARGET)


async def written(raws: Sequence[bytes]) -> Ledger:
    """A ledger of events, in blocks as full as a busy writer makes them."""
    ledger = memory_ledger()
    writer = Writer(ledger, Accounts(None, 0, len(raws)), Policy(), None)
    await writer.start()
    for start in range(0, len(raws), BLOCK_ENTRIES_MAX):
        await writer.write([Submitted(raw) for raw in raws[start : start + BLOCK_ENTRIES_MAX]])
    return ledger


class MovementsOnly(Projector):
    """A projector that looks at postings only: no answers, costs or terms."""

    def _noted(self, block: Block) -> list[bytes]:
        return [b""] * len(block.entries)


async def projected(ledger: Ledger, kind: type[Projector] = Projector) -> float:
    """Entries a second of CPU time of this process, from empty views to the end of the ledger."""
    tail = await ledger.tail(0)
    assert tail is not None
    with scratch() as directory:
        async with embedded_valkey(Path(directory)) as socket:
            views = redis_views(socket)
            projector = kind(ledger, views)
            await projector.start()
            gc.collect()
            began = time.process_time()
            await projector.catch_up()
            seconds = time.process_time() - began
            await views.close()
    assert projector.position.last_seq == tail.end_seq - 1, "not everything was projected"
    return tail.end_seq / seconds


if __name__ == "__main__":
    main()
