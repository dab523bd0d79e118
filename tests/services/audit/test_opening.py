"""Opening a ledger to be read: beside the service that writes it, and never one that is not there."""

from pathlib import Path

import pytest

from services.audit.opening import NoLedger, ledger_read
from services.compose import LEDGER_FILE, owned_books
from services.ledgers.port import NotALedger
from services.ledgers.sqlite import sqlite_ledger
from services.settings import Settings, settings_from
from services.writer import Submitted
from tests.model.notation import fact, line
from tests.services.books import raw_of
from tests.services.running import asynchronous


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The embedded form in a directory that is not there yet."""
    return settings_from({"REVLEDGER_DATA": str(tmp_path / "data")})


@asynchronous
async def test_a_ledger_is_read_while_a_service_owns_it(settings: Settings) -> None:
    """The directory is held by another; what it appends is seen."""
    async with owned_books(settings) as books:
        await books.writer.write([Submitted(raw_of(fact("signed", "a1", "2024-01-10", lines=[line(1000)])))])
        async with ledger_read(settings) as (ledger, genesis):
            assert (genesis.partitions, genesis.policy) == (1, books.policy)
            assert [block.height async for block in ledger.read(0)] == [0, 1]


@asynchronous
async def test_a_ledger_that_is_not_there_is_not_made(settings: Settings) -> None:
    """A slip of the pen in --data is told, and leaves nothing behind."""
    with pytest.raises(NoLedger, match="load events into it"):
        async with ledger_read(settings):
            pass
    assert not settings.data.exists()


@asynchronous
async def test_an_empty_ledger_is_none(settings: Settings) -> None:
    """Nobody began it: there is nothing to read."""
    await (await sqlite_ledger(settings.data / LEDGER_FILE)).close()
    with pytest.raises(NoLedger):
        async with ledger_read(settings):
            pass


@asynchronous
async def test_a_strangers_file_is_named(settings: Settings) -> None:
    """What is no ledger is said to be none."""
    settings.data.mkdir()
    (settings.data / LEDGER_FILE).write_text("a text" * 200)
    with pytest.raises(NotALedger):
        async with ledger_read(settings):
            pass
