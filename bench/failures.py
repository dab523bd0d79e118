"""What the failure tests counted: kept in failures.json, shown in the README here."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from bench.results import HERE, Machine, machine

FAILURES: Final[Path] = HERE / "failures.json"


class Numbers(Struct):
    """One scenario: the seeds it was played with, and what was counted over all of them.

    `forks_skipped` are records of the ledger's topic that a writer left behind after another one was first.
    """

    meaning: str
    seeds: list[int] = []
    faults: int = 0
    acknowledged: int = 0
    refused: int = 0
    lost: int = 0
    booked_twice: int = 0
    forks_skipped: int = 0
    restarts: int = 0
    fenced: int = 0
    problems: list[str] = []


class Failures(Struct, frozen=True):
    """One run of all scenarios."""

    command: str
    machine: Machine
    date: str
    scenarios: Mapping[str, Numbers]

    @classmethod
    def of(cls, scenarios: Mapping[str, Numbers], command: str) -> "Failures":
        """What was counted here and now."""
        return cls(command, machine(), datetime.now(UTC).date().isoformat(), scenarios)


def write(failures: Failures) -> None:
    """Writes failures.json."""
    FAILURES.write_bytes(msgspec.json.format(msgspec.json.encode(failures), indent=2) + b"\n")


def read() -> Failures | None:
    """What was counted last; None if nothing was."""
    return msgspec.json.decode(FAILURES.read_bytes(), type=Failures) if FAILURES.exists() else None


def table(failures: Failures | None) -> str:
    """The section of the README: a line for each scenario."""
    if failures is None:
        return ""
    on = f"{failures.machine.cpu}, {failures.machine.cores} cores, Python {failures.machine.python}"
    lines = [
        "",
        "## What went wrong, and what became of it",
        "",
        f"`{failures.command}` on {failures.date} ({on}).",
        "Events were sent meanwhile. After each round all of them were counted in the ledger, which was read back and",
        "booked again, and the views were compared with it. Lost and booked twice must be 0.",
        "",
        "| what went wrong | rounds | times | events acknowledged | lost | booked twice | refused | forks skipped |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    return "\n".join([*lines, *(_row(one) for one in failures.scenarios.values())]) + "\n"


def _row(one: Numbers) -> str:
    counts = (
        len(one.seeds),
        one.faults,
        one.acknowledged,
        one.lost,
        one.booked_twice,
        one.refused,
        one.forks_skipped,
    )
    return f"| {one.meaning} | " + " | ".join(f"{count:,}" for count in counts) + " |"
