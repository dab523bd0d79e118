"""Opening a ledger to be read: beside the service that writes it, and never one that is not there."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from services.audit.opening import NoLedger, ledger_read
from services.audit.replaying import replayed
from services.compose import LEDGER_FILE, owned_books
from services.ledgers.port import NotALedger
from services.ledgers.sqlite import sqlite_ledger
from services.questions import question_of
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


@contextmanager
def medium_read_only(directory: Path) -> Iterator[None]:
    """A directory this user may read but not write; root, who may write anything, becomes nobody meanwhile."""
    for one in (directory, *directory.iterdir()):
        one.chmod(0o555 if one.is_dir() else 0o444)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(user)
        directory.chmod(0o755)


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A directory that nobody, too, gets into."""
    with TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        yield Path(place)


@asynchronous
async def test_a_replay_from_a_medium_that_nobody_can_write_to(reachable: Path) -> None:
    """An auditor has a copy: nothing is made beside it, and the answer is that of the original."""
    settings = settings_from({"REVLEDGER_DATA": str(reachable / "data")})
    async with owned_books(settings) as books:
        await books.writer.write([Submitted(raw_of(fact("signed", "a1", "2024-01-10", lines=[line(1000)])))])
    question = question_of({"at": ["2024-02-01"], "figures": ["mrr_minor"]})
    answers = []
    for medium in (nullcontext(), medium_read_only(settings.data)):
        with medium:
            async with ledger_read(settings) as (ledger, genesis):
                found = await replayed(ledger, genesis, question, is_bridge=False, settings=settings)
        answers.append(found["rows"])
    assert answers[0] == answers[1]
    assert answers[0][0]["figures"] == {"mrr_minor": 1000}


@asynchronous
async def test_what_another_process_appends_is_followed(settings: Settings) -> None:
    """Whoever only reads hears of it too."""
    async with owned_books(settings) as books:
        await books.writer.write([Submitted(raw_of(fact("signed", "a1", "2024-01-10", lines=[line(1000)])))])
        async with ledger_read(settings) as (ledger, _):
            following = ledger.follow(0, 0)
            assert [(await anext(following)).height for _ in range(2)] == [0, 1]
            await books.writer.write([Submitted(raw_of(fact("signed", "a2", "2024-01-10", lines=[line(1000)])))])
            async with asyncio.timeout(30):
                assert (await anext(following)).height == 2
