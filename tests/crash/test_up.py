"""`revledger up` killed under load, and its views server too: what was acknowledged is there, where it was said."""

import asyncio
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from events.policy import Policy
from services.adoptions import begun_under
from services.demo import demo_events
from services.ledgers.sqlite import sqlite_ledger
from services.questions import question_of
from services.reports import Reports
from tests.crash.books import check_books, identity_of
from tests.crash.processes import PATIENCE_SECONDS, children_of, is_alive, killed, started, url_in
from tests.simulation.checks import folded

CLIENTS = 4
LIMIT_SECONDS = 300.0
BATCH = {"content-type": "application/cloudevents-batch+json"}
QUESTION = {"from": ["2023-01-01"], "until": ["2024-01-01"], "currency": ["USD"]}
Place = tuple[int, int, int]


class Service:
    """The service, started again and again on one data directory."""

    def __init__(self, directory: Path) -> None:
        self.data = directory / "books"
        self._directory = directory
        self._starts = 0
        self.gone: list[int] = []
        self._start()

    def _start(self) -> None:
        self._starts += 1
        output = self._directory / f"up-{self._starts}.out"
        self.process = started("up", "--data", str(self.data), "--port", "0", output=output)
        self.url = url_in(output, self.process)

    def kill(self) -> None:
        """Kills it and starts it again."""
        killed(self.process)
        self._start()

    def kill_views(self) -> None:
        """Kills the server of its views, one it has not killed yet, and sees it die."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (alive := [pid for pid in children_of(self.process.pid) if pid not in self.gone and is_alive(pid)]):
            assert time.monotonic() < deadline, "its views were not started again"
            time.sleep(0.01)
        self.gone += alive
        for pid in alive:
            os.kill(pid, signal.SIGKILL)
            while is_alive(pid):
                time.sleep(0.001)

    def lose_views(self) -> None:
        """Kills the server of its views and deletes what it had stored."""
        self.kill_views()
        shutil.rmtree(self.data / "views" / "appendonlydir")

    async def answer(self) -> dict[str, Any]:
        """A bridge from the live views."""
        async with httpx.AsyncClient(timeout=30) as http:
            answer = await http.get(
                f"{self.url}/v1/reports/bridge", params={name: one[0] for name, one in QUESTION.items()}
            )
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


class Sender:
    """A client that sends its events until each is acknowledged, and remembers where they are."""

    def __init__(self, service: Service, lines: list[bytes], dice: random.Random) -> None:
        self._service = service
        self._dice = dice
        self.todo = lines
        self.places: dict[tuple[str, str], Place] = {}

    async def send(self) -> None:
        """Sends all; what was not answered is sent again."""
        async with httpx.AsyncClient(timeout=30) as http:
            while self.todo:
                batch = self.todo[: self._dice.choice((1, 5, 40))]
                try:
                    answer = await http.post(
                        f"{self._service.url}/v1/events", content=b"[" + b",".join(batch) + b"]", headers=BATCH
                    )
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
                    continue
                if answer.status_code >= 500:
                    await asyncio.sleep(0.05)
                    continue
                self._note(batch, answer.json()["results"])

    def _note(self, batch: list[bytes], results: list[dict[str, Any]]) -> None:
        for line, result in zip(batch, results, strict=True):
            assert result["status"] in {"accepted", "duplicate"}, result
            at = result["position"]
            place = (at["partition"], at["height"], at["seq"])
            assert self.places.setdefault(identity_of(line), place) == place
        del self.todo[: len(batch)]


async def sent_while(
    service: Service, lines: list[bytes], seed: int, breaks: int, harm: Callable[[], object]
) -> dict[tuple[str, str], Place]:
    """Sends the events by several clients while something goes wrong so many times; where they are."""
    dice = random.Random(seed)
    identities = {identity_of(line): line for line in lines}
    shares = [list(identities.values())[index::CLIENTS] for index in range(CLIENTS)]
    # Some events are sent by two clients at once.
    senders = [Sender(service, share + shares[index - 1][:50], dice) for index, share in enumerate(shares)]
    sending = [asyncio.create_task(sender.send()) for sender in senders]
    total = len(identities)
    for number in range(breaks):
        goal = total * (number + dice.random()) / (breaks + 1)
        while sum(len(sender.places) for sender in senders) < goal:  # noqa: ASYNC110 - a count, not an event
            await asyncio.sleep(0.002)
        await asyncio.to_thread(harm)
    await asyncio.gather(*sending)
    places: dict[tuple[str, str], Place] = {}
    for sender in senders:
        for identity, place in sender.places.items():
            assert places.setdefault(identity, place) == place
    return places


async def check_live(service: Service) -> None:
    """The live answer is the one folded from scratch out of the ledger."""
    ledger = await sqlite_ledger(service.data / "ledger.db")
    tail = await ledger.tail(0)
    assert tail is not None
    live = await service.answer()
    while live["as_of"]["position"]["0"] < tail.height:
        await asyncio.sleep(0.05)
        live = await service.answer()
    views = await folded(ledger, tail.height + 1)
    replayed = await Reports(ledger, views, begun_under(Policy())).bridge(question_of(QUESTION))
    await ledger.close()
    for answer in (live, replayed):
        del answer["as_of"]["age_seconds"]
    assert live == replayed


async def check_up(directory: Path, lines: list[bytes], kills: int, seed: int) -> None:
    """Kills the service so many times under load; then all that was acknowledged is counted."""
    service = await asyncio.to_thread(Service, directory)
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            places = await sent_while(service, lines, seed, kills, service.kill)
            await check_live(service)
    finally:
        killed(service.process)
    chain = await check_books(service.data, {identity_of(line) for line in lines})
    found = {
        identity_of(entry.event): (0, block.header.height, block.header.first_seq + index)
        for block in chain
        for index, entry in enumerate(block.entries)
    }
    assert found == places


def made_up(accounts: int) -> list[bytes]:
    """The events of a made-up company, without the time of their arrival."""
    return list(demo_events(accounts=accounts, months=12, seed=3))


def test_what_was_acknowledged_survives(tmp_path: Path) -> None:
    asyncio.run(check_up(tmp_path, made_up(120), kills=2, seed=1))


@pytest.mark.crash
@pytest.mark.parametrize("seed", range(2, 6))
def test_what_was_acknowledged_survives_in_the_long_run(tmp_path: Path, seed: int) -> None:
    asyncio.run(check_up(tmp_path, made_up(2_000), kills=12, seed=seed))


async def check_views_recover(directory: Path, lines: list[bytes], kills: int, seed: int) -> None:
    """Kills the views under load and at rest: the service goes on, and the live answer is right again."""
    service = await asyncio.to_thread(Service, directory)
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            await sent_while(service, lines, seed, kills, service.kill_views)
            await _recovered(service)
            for harm_at_rest in (service.kill_views, service.lose_views):
                await asyncio.to_thread(harm_at_rest)
                await _recovered(service)
    finally:
        killed(service.process)
    assert len(service.gone) == kills + 2
    await check_books(service.data, {identity_of(line) for line in lines})


async def _recovered(service: Service) -> None:
    while True:
        try:
            await check_live(service)
        except httpx.HTTPStatusError as error:
            if error.response.status_code != 503:
                raise
            await asyncio.sleep(0.05)
        else:
            return


def test_views_that_are_killed_come_back(tmp_path: Path) -> None:
    asyncio.run(check_views_recover(tmp_path, made_up(60), kills=1, seed=1))


@pytest.mark.crash
def test_views_that_are_killed_come_back_in_the_long_run(tmp_path: Path) -> None:
    asyncio.run(check_views_recover(tmp_path, made_up(1_500), kills=12, seed=2))
