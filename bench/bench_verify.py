"""How fast `revledger verify` checks a ledger and books it again, for each core, and how much memory it takes."""

import json
import os
import subprocess
from pathlib import Path
from typing import Final

from msgspec import Struct

from bench.commands import load, popen, scratch
from bench.results import record
from bench.streams import contracts, write_demo

EVENTS: Final = 300_000
RUNS: Final = 3
TARGET: Final = 100_000
TARGET_MIB: Final = 2_000


class Verified(Struct, frozen=True):
    """One run of the command, from its start to its end: entries for each second of CPU time, and its most memory."""

    entries_per_cpu_second: float
    rss_mib: float


def main() -> None:
    """Loads a ledger of each kind, and verifies each in turns."""
    with scratch() as directory:
        places = {name: directory / name for name in ("demo", "contracts")}
        write_demo(directory / "demo.jsonl", EVENTS)
        (directory / "contracts.jsonl").write_bytes(b"".join(one + b"\n" for one in contracts(EVENTS)))
        for name, place in places.items():
            load(directory / f"{name}.jsonl", place)
        runs: dict[str, list[Verified]] = {name: [] for name in places}
        for _ in range(RUNS):
            for name, place in places.items():
                runs[name].append(verified(place))
    what = {"demo": "the made-up company's events, late and taken back ones too", "contracts": "events of contracts"}
    for name, all_of in runs.items():
        claim = f"`revledger verify`, everything checked and booked again, {EVENTS:,} of {what[name]}"
        rates = [one.entries_per_cpu_second for one in all_of]
        record(f"verify-{name}", claim, rates, "entries/s of CPU time", "at least", TARGET)
    memory = f"most memory of `revledger verify`, {EVENTS:,} of the made-up company's events"
    record("verify-memory", memory, [one.rss_mib for one in runs["demo"]], "MiB", "at most", TARGET_MIB)


def verified(data: Path) -> Verified:
    """Verifies a data directory once."""
    process = popen("verify", "--data", str(data), "--format", "json", stdout=subprocess.PIPE)
    assert process.stdout is not None
    answer = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, answer
    entries = sum(one["entries"] for one in json.loads(answer)["partitions"])
    return Verified(entries / (usage.ru_utime + usage.ru_stime), usage.ru_maxrss / 1024)


if __name__ == "__main__":
    main()
