"""One seed played from beginning to end; `python -m tests.simulation.play SEED...` plays some again."""

import asyncio
import sys
import tempfile
from collections import Counter
from pathlib import Path

from services.projector import Projector
from tests.simulation.checks import chain_of, check_postings, check_promises, check_reports, check_views
from tests.simulation.world import Parts, Process, World, run_alone

LIVES_MAX = 400
LIVES_AT_FULL_RATE = 12


def play(number: int, parts: Parts | None = None) -> Counter[str]:
    """Plays a seed; what went wrong on the way, by kind. AssertionError: something was not put right."""
    with tempfile.TemporaryDirectory() as directory:
        world = World(number, Path(directory), parts or Parts())
        try:
            run_alone(world, _play(world))
        except Exception as error:
            error.add_note(f"play it again: python -m tests.simulation.play {number}")
            raise
    return world.counts


async def _play(world: World) -> None:
    for life in range(LIVES_MAX):
        clients = [client for client in world.clients if client.todo]
        if not clients:
            break
        world.counts["lives"] += 1
        await _live(world, life)
        await check_views(world.ledger, world.views)
        world.disturb()
        if life >= LIVES_AT_FULL_RATE:
            world.rates = world.rates.halved()
    await _check(world)


async def _live(world: World, life: int) -> None:
    """One process, or two that believe to be alone."""
    clients = [client for client in world.clients if client.todo]
    if world.dice.randrange(4) or len(clients) < 2:
        await Process(world, "accounts").live(clients)
        return
    world.counts["rivals"] += 1
    half = len(clients) // 2
    await asyncio.gather(
        Process(world, "accounts", is_alone=False).live(clients[:half]),
        Process(world, "others", is_alone=False).live(clients[half:]),
    )


async def _check(world: World) -> None:
    chain = await chain_of(world.ledger)
    events = check_promises(world, chain)
    check_postings(chain, events)
    projector = Projector(world.ledger, world.views)
    await projector.start()
    await projector.catch_up()
    assert projector.position.next_height == len(chain)
    await check_views(world.ledger, world.views)
    await check_reports(world.views, world.ledger, events, world.dice)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        sys.stdout.write(f"{argument}: {dict(play(int(argument)))}\n")
