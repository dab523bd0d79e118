"""Whatever fails, and however often: each event once, one chain, the model's books; and the checks can fail."""

import logging
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from math import inf

import msgspec
import pytest

from events.account import Account
from events.block import BlockDamaged
from services import compose
from services.accounts import Reached
from services.ledgers.port import Ledger, LedgerUnavailable, StoredBlock
from services.projector import Projector
from services.views.port import START, ViewsUnavailable
from services.writer import BooksDiffer, Writer
from tests.effort import examples
from tests.simulation.faults import UnreliableAccounts, UnreliableLedger
from tests.simulation.play import play
from tests.simulation.world import Parts

SEEDS = examples(200)
GROUP = 20
SEEDS_LONG = 6_000
GROUP_LONG = 500
SEEDS_UNTIL_CAUGHT = 500
"""A broken part has to be found out within so many seeds."""


@pytest.fixture(autouse=True)
def played(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No clock decides where a batch is cut; and what the services log of stores that are away is no news here."""
    monkeypatch.setattr("services.writer.BATCH_SECONDS", inf)
    monkeypatch.setattr("services.writer.TURN_SECONDS", inf)
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("first", range(0, SEEDS, GROUP))
def test_nothing_is_lost_or_doubled(first: int) -> None:
    for number in range(first, first + GROUP):
        play(number)


@pytest.mark.crash
@pytest.mark.parametrize("first", range(SEEDS, SEEDS_LONG, GROUP_LONG))
def test_nothing_is_lost_or_doubled_in_the_long_run(first: int) -> None:
    for number in range(first, min(first + GROUP_LONG, SEEDS_LONG)):
        play(number)


def test_a_seed_is_a_run() -> None:
    """The same seed, the same faults at the same places: so a failure can be played again."""
    assert [play(number) for number in range(3, 9)] == [play(number) for number in range(3, 9)]


def test_every_kind_of_fault_happens() -> None:
    happened: Counter[str] = Counter()
    for number in range(40):
        happened += play(number)
    for point in ("ledger before append", "ledger after append", "views before commit", "views after commit"):
        assert happened[f"crash {point}"] > 0, happened
        assert happened[f"away {point}"] > 0, happened
    for kind in ("crash accounts before keep", "crash accounts after keep", "answer lost", "rivals"):
        assert happened[kind] > 0, happened
    for kind in ("views rolled back", "views emptied", "accounts deleted", "ended by Crash"):
        assert happened[kind] > 0, happened


# ---------------------------------------------------------------- the simulation can fail


def assert_caught(parts: Parts | None = None, by: str = "", first: int = 0) -> None:
    """Some seed, from the first on, finds the broken part out, by an error that says so."""
    for number in range(first, first + SEEDS_UNTIL_CAUGHT):
        try:
            play(number, parts)
        except (AssertionError, BlockDamaged, BooksDiffer) as error:
            if by not in str(error):
                raise
            return
    pytest.fail(f"not caught within {SEEDS_UNTIL_CAUGHT} seeds")


def test_simulation_catches_a_writer_that_does_not_take_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an append that failed its accounts remember events that never got into the ledger."""
    monkeypatch.setattr(Account, "forget_from", lambda self, seq: None)
    assert_caught()


class HopefulWriter(Writer):
    """Takes an append that failed for one that worked."""

    async def start(self) -> None:
        ledger = self._ledger
        assert isinstance(ledger, UnreliableLedger)
        self._ledger: Ledger = _HopefulLedger(ledger, ledger._fuse)
        await super().start()


class _HopefulLedger(UnreliableLedger):
    async def append(self, blocks: Sequence[StoredBlock]) -> None:
        try:
            await super().append(blocks)
        except LedgerUnavailable:
            return


def test_simulation_catches_a_writer_that_acknowledges_what_is_not_stored() -> None:
    assert_caught(Parts(writer=HopefulWriter))


class HastyAccounts(UnreliableAccounts):
    """Writes down how far the accounts have got before it writes the accounts."""

    def keep(self, reached: Reached) -> None:
        file: sqlite3.Connection = self._file
        with file:
            row = (self._partition, reached.height, reached.hash)
            file.execute("INSERT OR REPLACE INTO reached VALUES (?, ?, ?)", row)
        super().keep(reached)


def test_simulation_catches_accounts_that_are_not_kept_at_once() -> None:
    assert_caught(Parts(accounts=HastyAccounts))


class StubbornProjector(Projector):
    """At a gap it moves to where the views stand, and keeps what it has in memory."""

    async def _reload(self) -> None:
        if self._position == START:
            await super()._reload()
            return
        self._doubtful = False
        self._position = await self._views.position(self._partition) or START
        self._before = await self._block_before(self._position)


def test_simulation_catches_a_projector_that_ignores_gaps() -> None:
    assert_caught(Parts(projector=StubbornProjector))


class CarelessProjector(Projector):
    """Goes on from what it has in memory after a commit that failed."""

    @property
    def _doubtful(self) -> bool:
        return False

    @_doubtful.setter
    def _doubtful(self, value: bool) -> None:
        """Never."""


async def tried_once(projector: Projector) -> None:
    """Lets a projector run again whether or not it could start again."""
    with suppress(ViewsUnavailable, LedgerUnavailable):
        await projector.start()


def test_simulation_catches_a_projector_that_never_doubts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody starts it again after a failure, it has to know by itself that it must not go on."""
    monkeypatch.setattr(compose, "_started_again", tried_once)
    assert_caught(Parts(projector=CarelessProjector))


def test_simulation_catches_a_projector_that_fences_itself_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Running again after a claim that took effect without an answer."""
    monkeypatch.setattr(compose, "_started_again", tried_once)
    assert_caught(by="fenced by nobody but itself", first=400)  # it takes two rare faults in a row


def test_simulation_catches_two_orders_of_one_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Views that tell by their bytes how the blocks were batched."""
    monkeypatch.setattr("projections.pages._ENCODE", msgspec.json.Encoder().encode)
    assert_caught()
