"""Alerts while the service and its views are killed: each that the ledger implies is received, under one id."""

import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from events.block import Genesis
from events.policy import Policy
from services import clock
from services.alerts.replaying import Replay
from services.alerts.rules.rulebook import rulebook_of_toml
from services.ledgers.sqlite import sqlite_ledger
from services.views.valkey import running_socket
from tests.crash.processes import killed
from tests.crash.test_up import Sender, Service
from tests.services.alerts.desk import ONLY, rule
from tests.services.alerts.receiver import SECRET, Receiver, receiver
from tests.services.cli.calling import event, signed

KINDS = ("churn", "notice", "contraction", "score", "payment_failed", "nothing")
RULES = (
    *(rule(kind, kind) for kind in KINDS[:3]),
    rule("score", "score", score_at_most=6),
    rule("payment_failed", "payment_failed"),
    rule("late", "lag", after='"1s"'),  # by which alerts are held back after a kill
)
SINKS = ("steady", "sick")
LIMIT_SECONDS = 900.0
PATIENCE_SECONDS = 60.0
Harm = Callable[["Stage"], object]


class Stage:
    """A service that is harmed, and the two receivers of its alerts: one that takes all, and one that is often ill."""

    def __init__(self, directory: Path, hooks: list[Receiver], seed: int) -> None:
        data = directory / "books"
        data.mkdir()
        sinks = [
            f'[[sink]]\nname = "{name}"\nkind = "webhook"\nurl = "{hook.url}"\nsecret_env = "SECRET"\n'
            f"retries = {['1s'] * 500}\n"
            for name, hook in zip(SINKS, hooks, strict=True)
        ]
        (data / "alerts.toml").write_text(ONLY + "".join((*RULES, *sinks)))
        self.service = Service(directory)
        self.hooks = hooks
        self.dice = random.Random(seed)
        self.harms: Counter[str] = Counter()
        self._moments = 0

    def moment(self) -> None:
        """Some time passes: nearly none, or as long as much takes."""
        time.sleep(self.dice.choice((0.0, self.dice.uniform(0, 0.05), self.dice.uniform(0, 1.2))))

    def harm(self, harms: tuple[Harm, ...]) -> None:
        """One of some harms, at a moment nobody chose."""
        for hook in self.hooks[1:]:
            hook.answers = [self.dice.choice((204, 503)) for _ in range(self.dice.randrange(40))]
        self.moment()
        one = self.dice.choice(harms)
        self.harms[one.__name__] += 1
        one(self)

    def received(self) -> list[Counter[tuple[str, str]]]:
        """Of each receiver how often what it took, by rule and account; stale data aside."""
        return [
            Counter((one["data"]["rule"], one["subject"]) for one in told_by(hook)) for hook in self.hooks
        ]

    async def complete(self, implied: set[tuple[str, str]]) -> None:
        """Returns when each receiver has all that is implied, or does not get it in time."""
        end = time.monotonic() + PATIENCE_SECONDS
        while any(set(one) != implied for one in self.received()) and time.monotonic() < end:  # noqa: ASYNC110 - other threads
            await asyncio.sleep(0.2)


def kill_service(stage: Stage) -> None:
    """The service, whose views server ends with it."""
    stage.service.kill()


def kill_views(stage: Stage) -> None:
    """The server of the views, which the service starts again."""
    stage.service.kill_views()


def kill_both(stage: Stage) -> None:
    """The views first, which then have not stored their last; and the service before it knows."""
    stage.service.kill_views()
    stage.service.kill()


def flush(stage: Stage) -> None:
    """FLUSHALL while the service lives; where the server is just being started, there is nothing to flush."""
    socket = running_socket(stage.service.data)
    if socket is not None:
        with redis.Redis(unix_socket_path=str(socket)) as client:
            client.flushall()


def flush_and_kill(stage: Stage) -> None:
    """The same, and the service too at some moment after it."""
    flush(stage)
    time.sleep(stage.dice.uniform(0, 0.1))
    stage.service.kill()


KILLS: tuple[Harm, ...] = (kill_service, kill_service, kill_views, kill_both)
LOSSES: tuple[Harm, ...] = (*KILLS, flush, flush_and_kill)


def told_by(hook: Receiver) -> list[Any]:
    """What a receiver has taken, stale data aside."""
    return [one.event for one in hook.taken() if one.event["data"]["rule"] != "late"]


def _day(ago: int) -> str:
    return (datetime.now(UTC) - timedelta(days=ago)).date().isoformat()


def happening(kind: str, name: str) -> dict[str, Any]:
    """Something that happened to an account yesterday."""
    contract = {"contract_id": f"c-{name}"}
    said: dict[str, tuple[str, dict[str, Any]]] = {
        "churn": ("contract.cancelled", {**contract, "reason": "price"}),
        "notice": ("contract.cancelled", {**contract, "effective_at": _day(-60)}),
        "contraction": ("contract.downgraded", {**contract, "lines": signed("", 400)["data"]["lines"]}),
        "score": ("survey.answered", {"survey": "nps", "score": 3}),
        "payment_failed": ("payment.failed", {**contract, "attempt": 1}),
        "nothing": ("survey.answered", {"survey": "nps", "score": 9}),
    }
    what, data = said[kind]
    return event(f"e-{name}", what, name, _day(1), **data)


def company(accounts: int, dice: random.Random) -> tuple[list[list[bytes]], set[tuple[str, str]]]:
    """The events of each account, in order; and what they imply, by rule and account."""
    events, implied = [], set()
    for number in range(accounts):
        name, kind = f"a{number:05}", dice.choice(KINDS)
        both = (signed(f"s-{name}", subject=name, time=_day(40)), happening(kind, name))
        events.append([json.dumps(one).encode() for one in both])
        if kind != "nothing":
            implied.add((kind, name))
    return events, implied


async def loaded_while(stage: Stage, events: list[list[bytes]], kills: int, harms: tuple[Harm, ...]) -> None:
    """Sends all by two clients, a part between two harms, and harms so many times."""
    lanes = [[one for both in events[lane::2] for one in both] for lane in range(2)]
    senders = [Sender(stage.service, [], stage.dice) for _ in lanes]
    for number in range(kills):
        for lane, sender in zip(lanes, senders, strict=True):
            start, end = (len(lane) * part // kills for part in (number, number + 1))
            sender.todo += lane[start:end]
        sending = [asyncio.create_task(sender.send()) for sender in senders]
        await asyncio.to_thread(stage.harm, harms)
        await asyncio.gather(*sending)


async def implied_ids(data: Path) -> dict[str, tuple[str, str]]:
    """The ids of what the ledger alone implies, each with its rule and account."""
    ledger = await sqlite_ledger(data / "ledger.db")
    try:
        span = (clock.now() - 3_600_000_000, clock.now() + 1)
        replay = Replay(ledger, Genesis(1, Policy()), rulebook_of_toml(ONLY + "".join(RULES)), span)
        return {one.alert.id: (one.alert.rule, one.alert.subject) async for one in replay.run()}
    finally:
        await ledger.close()


async def check_alerts(directory: Path, accounts: int, kills: int, seed: int, harms: tuple[Harm, ...]) -> None:
    """Harms the service so many times under load; then what the receivers took is what the ledger implies."""
    sys.stdout.write(f"seed {seed}\n")
    events, implied = company(accounts, random.Random(seed))
    with receiver() as steady, receiver() as sick:
        stage = await asyncio.to_thread(Stage, directory, [steady, sick], seed)
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                await loaded_while(stage, events, kills, harms)
                await stage.complete(implied)
        finally:
            killed(stage.service.process)
        ids = await implied_ids(stage.service.data)
        for hook in stage.hooks:
            taken = told_by(hook)
            told = Counter(one["id"] for one in taken)
            assert {one["id"]: (one["data"]["rule"], one["subject"]) for one in taken} == ids
            assert set(ids.values()) == implied
            again = sum(told.values()) - len(told)
            sys.stdout.write(f"{dict(stage.harms)}: {len(told)} alerts, {again} came again under their id\n")


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", SECRET)


@pytest.mark.slow
def test_what_the_ledger_implies_is_received_whatever_is_killed(tmp_path: Path) -> None:
    asyncio.run(check_alerts(tmp_path, accounts=30, kills=1, seed=1, harms=KILLS))


@pytest.mark.crash
@pytest.mark.parametrize("seed", range(2, 4))
def test_what_the_ledger_implies_is_received_in_the_long_run(tmp_path: Path, seed: int) -> None:
    asyncio.run(check_alerts(tmp_path, accounts=1_500, kills=24, seed=seed, harms=KILLS))


@pytest.mark.crash
@pytest.mark.parametrize("seed", range(4, 6))
def test_views_that_are_lost_lose_no_alert(tmp_path: Path, seed: int) -> None:
    asyncio.run(check_alerts(tmp_path, accounts=1_500, kills=24, seed=seed, harms=LOSSES))
