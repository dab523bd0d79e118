"""The failure tests of the distributed form: rounds of faults under load, and after each the whole is counted.

`python -m tests.crash.distributed --rounds 20 --seed 1` plays all scenarios so many times and writes the numbers into
bench/failures.json; `--only NAME` plays one, and writes nothing.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random

from bench.failures import Failures, Numbers, write
from tests.crash.scenarios import SCENARIOS, Scenario
from tests.crash.stage import Stage, staged
from tests.servers.brokers import Cluster, kafka_cluster
from tests.servers.processes import NotStarted
from tests.servers.redis import Options, own_redis

ROUND_SECONDS = 600.0


async def played(
    scenario: Scenario, directory: Path, cluster: Cluster, seeds: Iterable[int], say: bool = False
) -> Numbers:
    """So many rounds of a scenario on one ledger, all of it checked after each; stops at the first with a problem."""
    numbers = Numbers(scenario.meaning)
    first, *_ = seeds = list(seeds)
    with own_redis(directory / "redis", Options(keeping=scenario.keeping)) as redis:
        stage: Stage | None = None
        try:
            async with staged(directory / "services", cluster, redis, Random(first)) as stage:
                for seed in seeds:
                    began = time.monotonic()
                    try:
                        async with asyncio.timeout(ROUND_SECONDS):
                            await _round(stage, scenario, seed, numbers)
                    except (TimeoutError, NotStarted) as error:
                        numbers.problems.append(f"seed {seed}: {str(error) or 'it took too long'}")
                    if say:
                        _say(f"  seed {seed}, {time.monotonic() - began:.1f} s: {_short(numbers)}")
                    if numbers.problems:
                        return numbers
        finally:
            if stage is not None:
                known = "\n".join(numbers.problems)
                numbers.problems += [problem for problem in stage.fleet.problems if problem not in known]
    return numbers


async def _round(stage: Stage, scenario: Scenario, seed: int, numbers: Numbers) -> None:
    dice = Random(seed)
    sending = asyncio.create_task(stage.send(Random(seed + 1)))
    try:
        numbers.faults += await scenario.fault(stage, dice)
    finally:
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending
    counted = await stage.count(await stage.quiet())
    numbers.seeds.append(seed)
    numbers.acknowledged, numbers.refused = counted.acknowledged, counted.refused
    numbers.lost, numbers.booked_twice = counted.lost, counted.booked_twice
    numbers.forks_skipped = counted.skipped
    numbers.restarts, numbers.fenced = stage.fleet.restarts, stage.fleet.fenced
    numbers.problems += [f"seed {seed}: {problem}" for problem in counted.problems]


def main() -> None:
    """Plays the scenarios; status 1 if anything was lost, booked twice or wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often each scenario is played")
    parser.add_argument("--seed", type=int, default=1, help="where the dice begin")
    parser.add_argument("--only", choices=SCENARIOS, action="append", help="this scenario and no other")
    given = parser.parse_args()
    found: dict[str, Numbers] = {}
    for number, name in enumerate(SCENARIOS):
        if given.only and name not in given.only:
            continue
        seeds = range(given.seed + 10_000 * number, given.seed + 10_000 * number + given.rounds)
        _say(f"{name}: seeds {seeds[0]} to {seeds[-1]}")
        found[name] = _with_servers(SCENARIOS[name], seeds)
        for problem in found[name].problems:
            _say(f"PROBLEM {problem}")
        if not given.only:  # each time, as all of them take an hour
            write(Failures.of(found, f"python -m tests.crash.distributed --rounds {given.rounds} --seed {given.seed}"))
    sys.exit(1 if any(numbers.problems for numbers in found.values()) else 0)


def _with_servers(scenario: Scenario, seeds: Iterable[int]) -> Numbers:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        cluster = stack.enter_context(kafka_cluster(directory / "kafka", scenario.brokers))
        return asyncio.run(played(scenario, directory, cluster, seeds, say=True))


def _short(numbers: Numbers) -> str:
    return (
        f"{numbers.faults} faults, {numbers.acknowledged} events acknowledged, {numbers.lost} lost,"
        f" {numbers.booked_twice} booked twice, {numbers.refused} refused, {numbers.forks_skipped} forks,"
        f" {numbers.restarts} restarts, {numbers.fenced} fenced"
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
