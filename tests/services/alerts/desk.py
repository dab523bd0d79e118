"""A desk in memory, for tests: books, and an alerter beside them that goes by some rules at some time."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from services.alerts.alerter import Alerter
from services.alerts.board import Board
from services.alerts.firing.watching import Watch
from services.alerts.requests import Requests
from services.alerts.rules.routing import State
from services.alerts.rules.rulebook import rulebook_of_toml
from services.metrics import Metrics
from services.views.memory import memory_views
from tests.model.days import Event, moment
from tests.model.notation import fact, line
from tests.services.books import MemoryBooks

ONLY = "defaults = false\n"
"""What a file begins with that has no rules but its own."""
START = "2024-06-01T00:00:00Z"


class Clock:
    """The time, which stands still until it is set."""

    def __init__(self) -> None:
        self.text = START

    def now(self) -> int:
        """Microseconds since 1970."""
        return moment(self.text)


@contextmanager
def stopped_clock() -> Iterator[Clock]:
    """Lets the services see a clock that stands still."""
    clock = Clock()
    with patch("services.clock.now", clock.now):
        yield clock


class Desk:
    """Books in memory and their alerter; `start` first, inside of `stopped_clock`."""

    def __init__(self, clock: Clock, rules: str, books: MemoryBooks | None = None, views: Any = None) -> None:
        self.clock = clock
        self.books = books or MemoryBooks()
        self.views: Any = views or memory_views()
        self.state = State(rulebook_of_toml(rules))
        self.metrics = Metrics()
        self.requests = Requests(memory_views())
        self.board = Board(self.views, self.requests, (0,))
        self.alerter = self.another()
        self.watch = Watch(self.books.ledger, self.books.views, self.alerter, self.state, 0)

    def another(self) -> Alerter:
        """An alerter on the same stores, as a process that comes after this one has it."""
        return Alerter(self.books.ledger, self.views, self.books.views, self.reached, self.state, self.metrics)

    async def reached(self, partition: int, height: int) -> None:
        """Waits for the projector."""
        await self.books.projector.reached(height)

    async def start(self) -> "Desk":
        """Begins at the head of the ledger."""
        await self.books.start()
        await self.alerter.start()
        await self.alerter.catch_up()
        return self

    async def book(self, *events: Event, at: str = START) -> None:
        """Events recorded at a moment, projected, and looked at."""
        self.clock.text = at
        outcomes = await self.books.book(events, at=moment(at))
        assert {outcome.status for outcome in outcomes} <= {"accepted"}
        await self.alerter.catch_up()

    async def answer(self) -> bool:
        """Has the alerter do what was asked."""
        return await self.alerter.answer(await self.requests.of(0))

    def waiting(self, alerter: Alerter | None = None) -> list[dict[str, Any]]:
        """The events that wait to be sent to the log."""
        return [json.loads(one.body) for one in (alerter or self.alerter).outbox.of_sink("log")]

    def told(self) -> list[tuple[str, str]]:
        """The rule and the summary of what waits to be sent, in order of rule and account."""
        return sorted((one["data"]["rule"], one["data"]["summary"]) for one in self.waiting())


async def desk_of(clock: Clock, rules: str, *events: Event) -> Desk:
    """A desk over books with some events in them, all of which were recorded as the clock stands."""
    desk = await Desk(clock, rules).start()
    await desk.book(*events, at=clock.text)
    return desk


def rule(name: str, on: str, **said: str | int) -> str:
    """A rule of a file, values as TOML has them."""
    lines = [f"{key} = {value}" for key, value in said.items()]
    return "\n".join(["[[rule]]", f'name = "{name}"', f'on = "{on}"', *lines, ""])


def survey(account: str, time: str, score: int, **said: Any) -> Event:
    """An answer of an account."""
    event = fact("answered", account, time)
    name = f"answer {account} {time} {said}"
    data = {"survey": "nps", "score": score, **said}
    return event | {"id": name, "type": "revledger.survey.answered.v1", "data": data}


def unpaid(contract: str, time: str, **said: Any) -> Event:
    """A payment of a contract that failed."""
    event = fact("failed", contract, time, **said)
    return event | {"type": "revledger.payment.failed.v1"}


def two_accounts() -> list[Event]:
    """An account a with 900 and one b with 100 dollars a month."""
    return [
        fact("signed", "a1", "2024-01-01", lines=[line(90_000)], attributes={"segment": "smb"}, owner="kim"),
        fact("signed", "b1", "2024-01-01", lines=[line(10_000)], attributes={"segment": "big"}),
    ]


