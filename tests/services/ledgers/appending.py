"""A process that appends to a SQLite ledger and prints every height once it is acknowledged."""

import asyncio
import sys
from pathlib import Path

from services.ledgers.port import HeightTaken
from services.ledgers.sqlite import sqlite_ledger
from tests.services.ledgers.blocks import next_block


async def append(path: Path, name: str, times: int) -> None:
    """Appends `times` blocks that carry `name`, booking again when another process was first."""
    ledger = await sqlite_ledger(path)
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


if __name__ == "__main__":
    asyncio.run(append(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
