"""What goes wrong in the failure tests of the distributed form, each a function that returns how often it did."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Final

from msgspec import Struct
from redis import Redis

from tests.crash.members import Kind, Member
from tests.crash.stage import Stage
from tests.servers.redis import Keeping

Fault = Callable[[Stage, Random], Awaitable[int]]


class Scenario(Struct, frozen=True):
    """A fault, and on what it happens: how many brokers, and what of Redis outlives a kill."""

    meaning: str
    fault: Fault
    brokers: int = 1
    keeping: Keeping = "nothing"


async def writer_killed(stage: Stage, dice: Random) -> int:
    return await _members_killed(stage, dice, "writer")


async def projector_killed(stage: Stage, dice: Random) -> int:
    return await _members_killed(stage, dice, "projector")


async def broker_killed(stage: Stage, dice: Random) -> int:
    """The only broker, or any."""
    broker = dice.choice(stage.cluster.brokers)
    await asyncio.sleep(dice.uniform(0.2, 2.0))
    broker.kill()
    await asyncio.sleep(dice.choice((0.0, dice.uniform(0.0, 1.0), dice.uniform(1.0, 5.0))))
    await asyncio.to_thread(broker.start)
    await asyncio.sleep(dice.uniform(0.5, 2.0))
    return 1


async def leader_killed(stage: Stage, dice: Random) -> int:
    """The broker that leads a partition of the ledger; it comes back while another leads."""
    await asyncio.sleep(dice.uniform(0.2, 2.0))
    partition = dice.randrange(stage.partitions)
    leader = await asyncio.to_thread(stage.cluster.leader, stage.names.ledger, partition)
    leader.kill()
    if dice.random() < 0.8:
        await asyncio.to_thread(stage.cluster.leader, stage.names.ledger, partition)
    await asyncio.sleep(dice.uniform(0.0, 3.0))
    await asyncio.to_thread(leader.start)
    await asyncio.sleep(dice.uniform(0.5, 2.0))
    return 1


async def redis_killed(stage: Stage, dice: Random) -> int:
    kills = dice.randint(1, 3)
    for _ in range(kills):
        await asyncio.sleep(dice.uniform(0.2, 2.0))
        stage.redis.kill()
        await asyncio.sleep(dice.choice((0.0, dice.uniform(0.0, 2.0))))
        await asyncio.to_thread(stage.redis.start)
    await asyncio.sleep(dice.uniform(0.0, 1.0))
    return kills


async def redis_rolled_back(stage: Stage, dice: Random) -> int:
    """An old dump is put back while the services go on."""
    await asyncio.sleep(dice.uniform(0.0, 2.0))
    await asyncio.to_thread(_save, stage)
    old = stage.redis.dump.read_bytes()
    await asyncio.sleep(dice.uniform(0.2, 3.0))
    stage.redis.kill()
    stage.redis.dump.write_bytes(old)
    await asyncio.to_thread(stage.redis.start)
    await asyncio.sleep(dice.uniform(0.0, 1.0))
    return 1


async def redis_flushed(stage: Stage, dice: Random) -> int:
    flushes = dice.randint(1, 5)
    for _ in range(flushes):
        await asyncio.sleep(dice.choice((dice.uniform(0.0, 0.3), dice.uniform(0.2, 2.0))))
        await asyncio.to_thread(_flush, stage)
    await asyncio.sleep(dice.uniform(0.0, 1.0))
    return flushes


async def writer_paused(stage: Stage, dice: Random) -> int:
    return await _zombie(stage, dice, "writer")


async def projector_paused(stage: Stage, dice: Random) -> int:
    return await _zombie(stage, dice, "projector")


async def rebalance_storm(stage: Stage, dice: Random) -> int:
    """Writers and projectors join, leave and die at random; two of each kind stay."""
    changes = dice.randint(5, 8)
    kinds: list[Kind] = ["writer", "projector"]
    for _ in range(changes):
        await asyncio.sleep(dice.choice((0.0, dice.uniform(0.0, 1.5))))
        kind = dice.choice(kinds)
        members = stage.fleet.of(kind)
        if len(members) < 3 or (len(members) < 5 and dice.random() < 0.5):
            await stage.fleet.join(kind)
        elif dice.random() < 0.3:
            dice.choice(members).kill()
        else:
            await stage.fleet.leave(dice.choice(members))
    return changes


async def poison(stage: Stage, dice: Random) -> int:
    """A partition full of what is no event, with events between, while a writer is killed."""
    partition, count = dice.randrange(stage.partitions), dice.choice((500, 2_000, 12_000))
    for share in (count // 3, count // 3, count - 2 * (count // 3)):
        stage.traffic.flood(partition, share)
        stage.traffic.send(dice.randrange(100))
        await asyncio.sleep(dice.uniform(0.0, 0.5))
    (await stage.fleet.one_at_work("writer")).kill()
    return 2


async def everything(stage: Stage, dice: Random) -> int:
    """Several faults at once."""
    chosen = dice.sample(ALL, 3)
    return sum(await asyncio.gather(*(fault(stage, Random(dice.randrange(1 << 30))) for fault in chosen)))


async def _members_killed(stage: Stage, dice: Random, kind: Kind) -> int:
    kills = dice.randint(2, 4)
    for _ in range(kills):
        await asyncio.sleep(dice.choice((dice.uniform(0.0, 0.5), dice.uniform(0.5, 2.5))))
        (await stage.fleet.one_at_work(kind)).kill()
    return kills


async def _zombie(stage: Stage, dice: Random, kind: Kind) -> int:
    """One is paused in the middle of its work, and goes on once others have taken all of it over."""
    member = await stage.fleet.one_at_work(kind)
    await asyncio.sleep(dice.uniform(0.0, 1.0))
    stage.traffic.send(dice.choice((300, 1_000, 3_000)))  # something to be in the middle of
    await asyncio.sleep(dice.uniform(0.0, 0.15))
    if not _is_paused(member):
        return 0  # somebody else has killed it meanwhile
    await stage.fleet.taken_over(member)
    await asyncio.sleep(dice.choice((0.0, dice.uniform(0.0, 2.0))))
    if member.is_running:
        member.resume()
    await asyncio.sleep(dice.uniform(0.5, 1.5))
    return 1


def _is_paused(member: Member) -> bool:
    if member.is_running:
        member.pause()
    return member.is_running


def _save(stage: Stage) -> None:
    with Redis.from_url(stage.redis.url) as client:
        client.save()


def _flush(stage: Stage) -> None:
    with Redis.from_url(stage.redis.url) as client:
        client.flushall()


ALL: Final[list[Fault]] = [
    writer_killed,
    projector_killed,
    broker_killed,
    redis_killed,
    writer_paused,
    projector_paused,
    rebalance_storm,
    poison,
]

SCENARIOS: Final = {
    "writer-killed": Scenario("SIGKILL of a writer", writer_killed),
    "projector-killed": Scenario("SIGKILL of a projector", projector_killed),
    "broker-killed": Scenario("SIGKILL of the only broker", broker_killed),
    "leader-killed": Scenario("SIGKILL of the leader of a ledger partition, 3 brokers", leader_killed, brokers=3),
    "redis-killed-empty": Scenario("SIGKILL of Redis, which comes back empty", redis_killed),
    "redis-killed-kept": Scenario("SIGKILL of Redis, which has its append-only file", redis_killed, keeping="log"),
    "redis-rolled-back": Scenario("Redis restored from an old dump", redis_rolled_back, keeping="dump"),
    "redis-flushed": Scenario("FLUSHALL", redis_flushed),
    "writer-paused": Scenario("SIGSTOP of a writer past its session, then SIGCONT", writer_paused),
    "projector-paused": Scenario("SIGSTOP of a projector past its session, then SIGCONT", projector_paused),
    "rebalance-storm": Scenario("writers and projectors join, leave and die", rebalance_storm),
    "poison": Scenario("records that are no events, thousands in one partition, and SIGKILL of a writer", poison),
    "everything": Scenario("three of these at once", everything, keeping="log"),
}
