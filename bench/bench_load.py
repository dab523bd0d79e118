"""How long `revledger load` takes for a million events with live projections, and how much memory."""

from typing import Final

from bench.commands import Load, load, scratch
from bench.results import record
from bench.streams import write_demo

EVENTS: Final = 1_000_000
RUNS: Final = 3
SECONDS_TARGET: Final = 60
MEMORY_TARGET_MIB: Final = 1_000


def main() -> None:
    """Loads the same file into empty directories."""
    runs: list[Load] = []
    with scratch() as directory:
        write_demo(directory / "events.jsonl", EVENTS)
        for number in range(RUNS):
            runs.append(load(directory / "events.jsonl", directory / f"data-{number}"))
            print(f"{EVENTS / runs[-1].seconds:,.0f} events/s, {runs[-1].rss_mib:,.0f} MiB, {runs[-1].answer}")
    what = "`revledger load` of 1,000,000 events (SQLite ledger, live projections)"
    record("load", what, [run.seconds for run in runs], "s", "at most", SECONDS_TARGET)
    memory = "most memory of the loading process in that load"
    record("load-memory", memory, [run.rss_mib for run in runs], "MiB", "at most", MEMORY_TARGET_MIB)
    together = "the same together with the projecting process and the views server beside it"
    record("load-memory-all", together, [run.all_rss_mib for run in runs], "MiB", "at most", MEMORY_TARGET_MIB)


if __name__ == "__main__":
    main()
