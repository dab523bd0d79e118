"""How fast three years are replayed from an archive of 10,000,000 postings, beside the bare query over its files."""

import asyncio
import gc
import resource
import time
from collections.abc import Awaitable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import duckdb

from bench.commands import scratch
from bench.made_archive import ACCOUNTS, POSTINGS, made_archive
from bench.results import record
from services.archive.tables import MEMORY_LIMIT
from services.audit.replaying import replayed
from services.compose import genesis_of
from services.ledgers.port import Ledger
from services.questions import question_of
from services.rows import Answer
from services.settings import Settings, settings_from

RUNS: Final = 7
TIMES_MAX: Final = 2
NRR_SECONDS_MAX: Final = 10
MEMORY_MIB_MAX: Final = 2_000
WINDOW: Final = {"from": ["2023-01-01"], "until": ["2026-01-01"], "currency": ["USD"], "accounts": ["no"]}
YEAR: Final = {"from": ["2024-01-01"], "until": ["2025-01-01"], "currency": ["USD"], "figures": ["nrr"]}
_BARE: Final = """
    SELECT greatest(date_trunc('month', day), DATE '2022-12-01') AS month, movement, {group} AS grp, sum(amount_e4)
    FROM read_parquet('{files}') WHERE currency = 'USD' AND day < DATE '2026-01-01' GROUP BY ALL
"""
BARE: Final[dict[str, tuple[dict[str, list[str]], str]]] = {
    "movement": ({}, "''"),
    "plan": ({"by": ["plan"]}, "plan"),
    "segment": ({"by": ["segment"]}, "coalesce(attributes['segment'], '')"),
}
"""What is grouped by -> how it is asked, and the same in a bare query."""


def main() -> None:
    """Makes the archive once; then each question and its bare query in turns, the archive's files hashed before."""
    with scratch() as directory:
        settings = settings_from({"REVLEDGER_DATA": str(directory)})
        began = time.perf_counter()
        ledger = made_archive(Path(settings.archive_location))
        files = str(Path(settings.archive_location) / "postings" / "*.parquet")
        size = sum(path.stat().st_size for path in Path(settings.archive_location).glob("postings/*"))
        made = f"{POSTINGS:,} postings of {ACCOUNTS:,} accounts, {size / 1e6:,.0f} MB"
        print(f"{made}, made in {time.perf_counter() - began:,.1f} s", flush=True)
        time.sleep(3)  # until the files have settled: what was written a moment ago is hashed every time
        gc.collect()
        asyncio.run(_measured(ledger, settings, files))
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    claim = f"most memory while replaying {POSTINGS:,} postings"
    record("replay-memory", claim, [held], "MiB", "at most", MEMORY_MIB_MAX)


async def _measured(ledger: Ledger, settings: Settings, files: str) -> None:
    first = await _seconds(_replay(ledger, settings, WINDOW))
    print(f"the first replay of a process, all files hashed: {first:,.2f} s", flush=True)
    for name, (by, group) in BARE.items():
        query = _BARE.format(group=group, files=files)
        ours: list[float] = []
        bare: list[float] = []
        for _ in range(RUNS):
            ours.append(await _seconds(_replay(ledger, settings, {**WINDOW, **by})))
            bare.append(await _seconds(asyncio.to_thread(_bare, query)))
        print(f"by {name}: replay {_shown(ours)}, bare query {_shown(bare)}", flush=True)
        claim = f"replay of 3 years by month and {name}, {POSTINGS:,} postings archived, to the bare DuckDB query"
        times = [one / median(bare) for one in ours]
        record(f"replay-{name}", claim, times, "times", "at most", TIMES_MAX)
    nrr = [await _seconds(_replay(ledger, settings, YEAR)) for _ in range(3)]
    record(
        *("replay-nrr", f"exact 12-month NRR over {ACCOUNTS:,} accounts, from that archive", nrr, "s", "at most"),
        NRR_SECONDS_MAX,
    )
    full = [await _seconds(_replay(ledger, settings, {**WINDOW, "accounts": ["yes"]})) for _ in range(3)]
    print(f"with accounts counted: replay {_shown(full)}")


async def _replay(ledger: Ledger, settings: Settings, asked: dict[str, list[str]]) -> Answer:
    genesis = await genesis_of(ledger)
    assert genesis is not None
    question = question_of(asked)
    return await replayed(ledger, genesis, question, is_bridge=not question.figures, settings=settings)


def _bare(query: str) -> list[Any]:
    with duckdb.connect(config={"memory_limit": MEMORY_LIMIT}) as connection:
        return connection.execute(query).fetchall()


async def _seconds(work: Awaitable[object]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


def _shown(runs: Sequence[float]) -> str:
    return f"{median(runs):,.2f} s ({min(runs):,.2f} to {max(runs):,.2f})"


if __name__ == "__main__":
    main()
