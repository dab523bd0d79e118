"""Opening a ledger to be read, wherever it is kept: what every command of the audit begins with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from events.block import Genesis
from services.compose import LEDGER_FILE, genesis_of
from services.ledgers.port import Chains
from services.ledgers.sqlite import sqlite_reader
from services.settings import Settings


class NoLedger(Exception):
    """There is no ledger in a data directory, or none with a block in it: a slip of the pen is no book of zeros."""

    def __init__(self, directory: Path) -> None:
        is_there = (directory / LEDGER_FILE).is_file()
        empty = f"The ledger in {directory} is empty, nothing was booked yet"
        super().__init__(
            f"{empty if is_there else f'There is no ledger in {directory}'}: load events into it"
            " (`revledger load --help`), or name another directory with --data."
        )
        self.directory = directory


@asynccontextmanager
async def ledger_read(settings: Settings) -> AsyncIterator[tuple[Chains, Genesis]]:
    """The ledger of the settings, and what its first block fixed; a service may go on writing to it meanwhile.

    Nothing is made, nothing is locked. Raises NoLedger, LedgerError, and with Kafka what `distributed.kafka_read`
    raises.
    """
    if settings.is_distributed:
        from services.distributed import kafka_read  # noqa: PLC0415 - Kafka and HTTP, for those who have them

        async with kafka_read(settings) as found:
            yield found
        return
    require_ledger(settings.data)
    ledger = await sqlite_reader(settings.data / LEDGER_FILE)
    try:
        genesis = await genesis_of(ledger)
        if genesis is None:
            raise NoLedger(settings.data)
        yield ledger, genesis
    finally:
        await ledger.close()


@asynccontextmanager
async def chains_read(settings: Settings) -> AsyncIterator[Chains]:
    """The same without a look at what is in it, which may be damaged; an embedded one may be on a read-only medium."""
    if settings.is_distributed:
        from services.kafka.reaching import require_kafka  # noqa: PLC0415 - see above
        from services.ledgers.kafka import kafka_ledger  # noqa: PLC0415 - see above

        await require_kafka(settings)
        chains: Chains = await kafka_ledger(settings)
    else:
        require_ledger(settings.data)
        chains = await sqlite_reader(settings.data / LEDGER_FILE)
    try:
        yield chains
    finally:
        await chains.close()


def require_ledger(directory: Path) -> None:
    """Raises NoLedger unless a data directory holds one."""
    if not (directory / LEDGER_FILE).is_file():
        raise NoLedger(directory)
