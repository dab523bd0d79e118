"""What was measured: kept in results.json, shown in the README here and, in short, in the one of the project."""

import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final, Literal

import msgspec
from msgspec import Struct

HERE: Final = Path(__file__).resolve().parent
RESULTS: Final = HERE / "results.json"
README: Final = HERE / "README.md"
PROJECT_README: Final = HERE.parent / "README.md"
MARKS: Final = ("<!-- measured: begin -->\n", "<!-- measured: end -->\n")


class Machine(Struct, frozen=True):
    """What it was measured on."""

    cpu: str
    cores: int
    python: str


class Result(Struct, frozen=True):
    """One claim and what was measured for it; `target` is at least or at most what the median should be."""

    claim: str
    command: str
    machine: Machine
    date: str
    runs: list[float]
    median: float
    unit: str
    target: str
    met: bool


def machine() -> Machine:
    """This machine."""
    return Machine(_cpu(), os.cpu_count() or 1, platform.python_version())


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def record(
    name: str,
    claim: str,
    runs: Sequence[float],
    unit: str,
    bound: Literal["at least", "at most"],
    target: float,
) -> Result:
    """Prints a result and merges it into results.json under its name; the command is the module that runs."""
    middle = median(runs)
    result = Result(
        claim=claim,
        command=_command(),
        machine=machine(),
        date=datetime.now(UTC).date().isoformat(),
        runs=[_rounded(run) for run in runs],
        median=_rounded(middle),
        unit=unit,
        target=f"{bound} {target:,g}",
        met=middle >= target if bound == "at least" else middle <= target,
    )
    kept = {**read(), name: result}
    document = msgspec.json.encode(dict(sorted(kept.items())))
    RESULTS.write_bytes(msgspec.json.format(document, indent=2) + b"\n")
    verdict = "met" if result.met else "missed"
    print(f"{claim}: {result.median:,g} {unit} (target: {result.target}, {verdict}), runs {result.runs}")
    return result


def read() -> dict[str, Result]:
    """What was measured so far, by name."""
    return msgspec.json.decode(RESULTS.read_bytes(), type=dict[str, Result]) if RESULTS.exists() else {}


def table(results: dict[str, Result]) -> str:
    """The README: a line for each claim."""
    lines = [
        "# What was measured",
        "",
        "`make bench` measures again and writes `results.json`; `python -m bench.results` makes the tables of it.",
        "",
        "| claim | median | target | met | runs | command | date | machine |",
        "| --- | ---: | ---: | --- | --- | --- | --- | --- |",
    ]
    return "\n".join([*lines, *(_row(one) for one in results.values())]) + "\n"


def short_table(results: dict[str, Result]) -> str:
    """The README of the project: what was claimed, and what was measured."""
    lines = ["| what | median | target |", "| --- | ---: | --- |"]
    for one in results.values():
        missed = "" if one.met else ", missed"
        lines.append(f"| {one.claim} | {one.median:,g} {one.unit} | {one.target}{missed} |")
    return "\n".join(lines) + "\n"


def with_measured(text: str, results: dict[str, Result]) -> str:
    """A text with the short table between its marks."""
    begin, end = MARKS
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}{short_table(results)}{end}{after}"


def _row(one: Result) -> str:
    on = f"{one.machine.cpu}, {one.machine.cores} cores, Python {one.machine.python}"
    runs = ", ".join(f"{run:,g}" for run in one.runs)
    cells = [one.claim, f"{one.median:,g} {one.unit}", one.target, "yes" if one.met else "no", runs]
    return "| " + " | ".join([*cells, f"`{one.command}`", one.date, on]) + " |"


def _command() -> str:
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return f"python -m {spec.name}" if spec else " ".join(sys.argv)


def _rounded(value: float) -> float:
    return round(value) if value >= 1_000 else round(value, 3)


if __name__ == "__main__":
    from bench import failures

    README.write_text(table(read()) + failures.table(failures.read()), "utf-8")
    PROJECT_README.write_text(with_measured(PROJECT_README.read_text("utf-8"), read()), "utf-8")
