"""A process that appends to a ledger and prints every height once it is acknowledged.

Its arguments: a file for SQLite, or `kafka` for what the environment says; a name; how often.
"""

import asyncio
import os
import sys
from pathlib import Path

from services.ledgers.port import HeightTaken, Ledger
from services.ledgers.sqlite import sqlite_ledger
from services.settings import settings_from
from tests.services.ledgers.blocks import next_block


async def append(place: str, name: str, times: int) -> None:
    """Appends `times` blocks that carry `name`, booking again when another process was first."""
    ledger = await _ledger(place)
    for number in range(times):
        while True:
            block = next_block(await ledger.tail(0), data=f"{name}:{number}".encode())
            try:
                await ledger.append([block])
                break
            except HeightTaken:
                continue
        sys.stdout.write(f"{block.height}\n")
        sys.stdout.flush()
    await ledger.close()


async def _ledger(place: str) -> Ledger:
    if place != "kafka":
        return await sqlite_ledger(Path(place))
    from services.ledgers.kafka import kafka_ledger

    return await kafka_ledger(settings_from(os.environ))


if __name__ == "__main__":
    asyncio.run(append(sys.argv[1], sys.argv[2], int(sys.argv[3])))
