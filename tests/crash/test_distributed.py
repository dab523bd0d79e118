"""The distributed form under faults: each acknowledged event is booked once, and live is what a replay makes."""

import asyncio
from pathlib import Path
from random import Random

import pytest

from bench.failures import read
from tests.crash.distributed import played
from tests.crash.scenarios import SCENARIOS, Scenario, redis_flushed, writer_paused
from tests.crash.stage import Stage
from tests.servers.fixtures import StartKafka
from tests.servers.needs import needing

ROUNDS = 5


def check(scenario: Scenario, directory: Path, start_kafka: StartKafka, seeds: range) -> None:
    """Plays a scenario once with each seed, and finds nothing wrong."""
    cluster = start_kafka(scenario.brokers)
    with needing("redis"):
        numbers = asyncio.run(played(scenario, directory, cluster, seeds))
    assert not numbers.problems, "\n".join(numbers.problems)
    assert numbers.seeds == [*seeds]
    assert numbers.faults >= len(seeds)
    assert numbers.acknowledged > 0
    assert (numbers.lost, numbers.booked_twice) == (0, 0)


async def most_telling(stage: Stage, dice: Random) -> int:
    """A zombie, a killed writer and projector, an emptied Redis: in a few seconds."""
    (await stage.fleet.one_at_work("writer")).kill()
    await redis_flushed(stage, dice)
    (await stage.fleet.one_at_work("projector")).kill()
    return 3 + await writer_paused(stage, dice)


@pytest.mark.slow
def test_nothing_is_lost_nor_booked_twice(tmp_path: Path, start_kafka: StartKafka) -> None:
    check(Scenario("the most telling faults", most_telling), tmp_path, start_kafka, range(2))


@pytest.mark.crash
@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_is_lost_nor_booked_twice_in_the_long_run(tmp_path: Path, start_kafka: StartKafka, name: str) -> None:
    check(SCENARIOS[name], tmp_path, start_kafka, range(ROUNDS))


def test_the_recorded_run_lost_nothing_and_left_forks() -> None:
    """`python -m tests.crash.distributed` writes the record."""
    found = read()
    assert found is not None
    assert found.scenarios.keys() == SCENARIOS.keys()
    for name, numbers in found.scenarios.items():
        assert (numbers.lost, numbers.booked_twice, numbers.problems) == (0, 0, []), name
        assert numbers.seeds, name
    assert found.scenarios["writer-paused"].forks_skipped > 0, "no zombie wrote a block that was skipped"
    # One that wakes up may hear that its partition is another's before it has anything to commit.
    assert sum(numbers.fenced for numbers in found.scenarios.values()) > 0, "no zombie was fenced"
