"""The station: all that works around the alerter of one partition, each at its own pace."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from datetime import tzinfo
from typing import Final

from services.alerts.alerter import Alerter
from services.alerts.firing.reviewer import LOOKS, Reviewer
from services.alerts.firing.watching import Watch
from services.alerts.requests import Requests
from services.alerts.rules.rulefile import RuleFile
from services.alerts.rules.sinks import Sink
from services.alerts.sending.delivering import Line, MakeSender
from services.ledgers.port import LedgerUnavailable
from services.metrics import Metrics
from services.reports import Reports
from services.tasks import cancelled
from services.views.port import Position, ViewsUnavailable

LOOK_SECONDS: Final = 1.0
"""How often it is looked whether anything is stale, or the rules have changed."""
CLAIM_SECONDS: Final = 0.05
RETRY_SECONDS: Final = 0.5
_log: Final = logging.getLogger("revledger")


class Station:
    """Saves, sends, watches and reviews for one alerter, until it is cancelled.

    `reports` are given to the one station of a book that reviews its figures.
    """

    def __init__(
        self,
        alerter: Alerter,
        watch: Watch,
        rules: RuleFile,
        make_sender: MakeSender,
        metrics: Metrics,
        requests: Requests,
        reports: Reports | None = None,
        zone: tzinfo | None = None,
    ) -> None:
        self._alerter = alerter
        self._watch = watch
        self._rules = rules
        self._make_sender = make_sender
        self._metrics = metrics
        self._requests = requests
        self._seen: Position | None = None
        self._reviewers = [
            Reviewer(look, alerter, watch, rules, reports, zone) for look in LOOKS if reports is not None
        ]
        self._lines: dict[Sink, asyncio.Task[None]] = {}
        self._outage = ""

    async def run(self) -> None:
        """Works for ever; stores that are away are waited for. Raises Fenced: another has the partition."""
        works = [self._save, self._look, *(one.review for one in self._reviewers)]
        tasks = [asyncio.create_task(self._keep(work), name=f"alerts {work.__name__}") for work in works]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await cancelled([*tasks, *self._lines.values()])

    async def _keep(self, work: Callable[[], Awaitable[None]]) -> None:
        """Works again and again; an outage is logged once."""
        while True:
            try:
                await work()
                self._outage = ""
            except (ViewsUnavailable, LedgerUnavailable) as error:
                if str(error) != self._outage:
                    _log.warning("alerts wait: %s", error)
                self._outage = str(error)
                await asyncio.sleep(RETRY_SECONDS)

    async def _save(self) -> None:
        """Writes what became of messages, soon after it did."""
        outbox = self._alerter.outbox
        await outbox.to_save.wait()
        outbox.to_save.clear()
        try:
            await self._alerter.save()
        except ViewsUnavailable:
            outbox.to_save.set()
            raise

    async def _look(self) -> None:
        """Looks after the rules, what people ask, the lines of the sinks, and what may be stale.

        What was acknowledged while nobody ran is known before the first message goes.
        """
        if not self._alerter.is_claimed:
            await asyncio.sleep(CLAIM_SECONDS)
            return
        self._rules.look()
        await self._answer()
        if self._seen is not None:
            self._attend()
        await self._watch.look()
        await asyncio.sleep(LOOK_SECONDS)

    async def _answer(self) -> None:
        """Has the alerter do what was asked since the last look."""
        position = await self._requests.position(self._alerter.partition)
        if position != self._seen and await self._alerter.answer(await self._requests.of(self._alerter.partition)):
            self._seen = position

    def _attend(self) -> None:
        """Lets a line run for every sink of the rules, and for no other."""
        sinks = self._rules.state.rulebook.sinks
        outbox = self._alerter.outbox
        for sink in [one for one in self._lines if one not in sinks]:
            self._lines.pop(sink).cancel()
        for sink in sinks:
            if sink not in self._lines:
                line = Line(sink, self._make_sender(sink), outbox, self._metrics, random.Random())  # noqa: S311 - jitter
                self._lines[sink] = asyncio.create_task(line.run(), name=f"sink {sink.name}")
        for name in outbox.sinks() - {sink.name for sink in sinks}:
            for one in outbox.of_sink(name):
                outbox.given_up(one, "its sink is not in the rules any more")
