"""The world of a simulation: stores that outlive processes, processes that do not, and a clock of its own."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any, ParamSpec, TypeVar, cast
from unittest.mock import patch

from events.policy import Policy
from services import clock, compose
from services.deadletters import DeadLetters, Refusal
from services.intake import Intake
from services.ledgers.memory import memory_ledger
from services.ledgers.port import Ledger, LedgerError
from services.projector import Projector
from services.views.memory import memory_views
from services.views.port import Fenced, Views, ViewsError
from services.writer import Writer
from tests.simulation.arrivals import arrivals, conflicts_of, raw_of
from tests.simulation.clients import Client, Promises
from tests.simulation.faults import (
    Crash,
    Fuse,
    Rates,
    UnreliableAccounts,
    UnreliableLedger,
    UnreliableViews,
)

P = ParamSpec("P")
T = TypeVar("T")
POLICY = Policy()


class Parts:
    """The classes under test; a broken one takes a place to prove that it is found out."""

    def __init__(
        self,
        writer: type[Writer] = Writer,
        projector: type[Projector] = Projector,
        accounts: type[UnreliableAccounts] = UnreliableAccounts,
    ) -> None:
        self.writer = writer
        self.projector = projector
        self.accounts = accounts


class World:
    """Stores, clients and the dice; `counts` says what went wrong how often."""

    def __init__(self, number: int, directory: Path, parts: Parts) -> None:
        self.number = number
        self.dice = Random(number)
        self.parts = parts
        self.counts: Counter[str] = Counter()
        self.ledger = memory_ledger()
        self.views: Any = memory_views()
        self.older: list[Any] = []
        self.directory = directory
        self.now = 1_700_000_000_000_000
        self.rates = Rates(
            crash=self.dice.choice((50, 200, 600)),
            away=self.dice.choice((0, 100, 500)),
            lost_answer=self.dice.choice((0, 2_000)),
        )
        self.events = arrivals(self.dice, self.dice.choice((1, 2, 4, 8, 14)), number // 500)
        self.promises = Promises()
        self.clients = self._clients()

    def clock(self) -> int:
        """A clock that mostly moves on, sometimes stands, and sometimes goes back."""
        self.now += self.dice.choice((0, 1, 1_000, 60_000_000, -1_000_000))
        return self.now

    def _clients(self) -> list[Client]:
        count = self.dice.choice((1, 2, 4))
        conflicts = {raw_of(event): conflicts_of(event) for event in self.events}
        shares: list[list[bytes]] = [[] for _ in range(count)]
        for event in self.events:
            shares[self.dice.randrange(count)].append(raw_of(event))
        return [Client(share, conflicts, self.promises) for share in shares]

    def disturb(self) -> None:
        """Between two lives: the views lose something, or all; the accounts' file is gone or stale."""
        dice = self.dice
        self.older.append(deepcopy(self.views))
        kind = dice.randrange(12)
        if kind == 0:
            self.counts["views rolled back"] += 1
            self.views = deepcopy(dice.choice(self.older))
        elif kind == 1:
            self.counts["views emptied"] += 1
            self.views = memory_views()
        elif kind == 2:
            self.counts["accounts deleted"] += 1
            for path in self.directory.iterdir():
                path.unlink()


class Process:
    """One run of the service on the stores of a world, from its start to its death."""

    def __init__(self, world: World, name: str, *, is_alone: bool = True) -> None:
        self._world = world
        self._fuse = Fuse(world.dice, world.rates, world.counts)
        self._name = name
        self._is_alone = is_alone
        self._accounts: UnreliableAccounts | None = None

    async def live(self, clients: Sequence[Client]) -> None:
        """Serves the clients until they are done or the process dies."""
        try:
            await self._serve(clients)
        except (Crash, LedgerError, ViewsError) as end:
            self._world.counts[f"ended by {type(end).__name__}"] += 1
        finally:
            self._fuse.blown.set()
            if self._accounts is not None:
                self._accounts.close()

    async def _serve(self, clients: Sequence[Client]) -> None:
        world, fuse = self._world, self._fuse
        path = world.directory / f"{self._name}.db" if world.number % 3 else None
        self._accounts = world.parts.accounts(path, 0, world.dice.choice((1, 5, 1_000)))
        self._accounts.fuse = fuse
        ledger: Ledger = UnreliableLedger(world.ledger, fuse)
        views: Views = UnreliableViews(world.views, fuse)
        writer = world.parts.writer(ledger, self._accounts, POLICY, None, keep_every=world.dice.choice((1, 10, 1_000)))
        await writer.start()
        projector = world.parts.projector(ledger, views)
        await projector.start()
        intake = Intake(writer, cast("DeadLetters", Letters()), world.dice.choice((5, 1_000)))
        sending = [asyncio.create_task(client.send(intake, fuse)) for client in clients]
        others = [
            asyncio.create_task(intake.run()),
            asyncio.create_task(compose._project(projector)),
            asyncio.create_task(fuse.blown.wait()),
        ]
        await self._until_done(sending, others)

    async def _until_done(self, sending: list[asyncio.Task[None]], others: list[asyncio.Task[Any]]) -> None:
        """Waits for the clients or for the death of the process; what else ends a task is a bug."""
        blown = others[-1]
        waiting: set[asyncio.Task[Any]] = {*sending, blown}
        while waiting - {blown} and not blown.done():
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in (*sending, *others):
            task.cancel()
        for end in await asyncio.gather(*sending, *others, return_exceptions=True):
            if isinstance(end, Fenced):
                assert not self._is_alone, "fenced by nobody but itself"
            elif isinstance(end, BaseException) and not isinstance(end, Crash | asyncio.CancelledError):
                raise end


class Letters:
    """Dead letters nobody looks at."""

    def put_many(self, refusals: Sequence[Refusal]) -> list[int]:
        return [0 for _ in refusals]


class _Inline(ThreadPoolExecutor):
    """Runs what is meant for a thread at once, so that nothing depends on the machine."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - a crash passes on, as from a thread
            future.set_exception(error)
        return future


def run_alone(world: World, scenario: Coroutine[Any, Any, None]) -> None:
    """Runs a scenario without threads or real time."""
    with (
        asyncio.Runner() as runner,
        patch.object(clock, "now", world.clock),
        patch.object(compose, "RETRY_SECONDS", 0),
        patch.object(Projector, "gather_seconds", 0.0),
    ):
        runner.get_loop().set_default_executor(_Inline())
        runner.run(scenario)
