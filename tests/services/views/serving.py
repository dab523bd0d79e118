"""A process that runs the embedded server on a directory until its standard input ends."""

import asyncio
import sys
from pathlib import Path

from services.views.valkey import embedded_valkey


async def serve(data_dir: Path) -> None:
    """Prints the path of the socket, then waits."""
    async with embedded_valkey(data_dir) as server:
        sys.stdout.write(f"{server}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
