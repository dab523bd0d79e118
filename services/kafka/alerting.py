"""The alerter service: finds and sends the alerts of the partitions of the ledger that its group gives it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from services.alerts.alerter import Alerter
from services.alerts.firing.watching import Watch
from services.alerts.requests import Requests
from services.alerts.rules.rulefile import RuleFile
from services.alerts.rules.sinks import Sink
from services.alerts.sending.attempts import Sender
from services.alerts.sending.senders import sender_of
from services.alerts.station import Station
from services.distributed import Readers, alert_views_of, readers, request_views_of
from services.kafka.alert_topic import ensure_alert_topic
from services.kafka.lanes import Lane
from services.kafka.projecting import ProjectorService
from services.ledgers.kafka import KafkaLedger, kafka_ledger
from services.metrics import Metrics
from services.policies import zone_of
from services.settings import Settings
from services.tasks import cancelled
from services.views.port import START, Views

POLL_SECONDS: Final = 0.02
"""How often the projections are asked how far they are, while they are behind."""


@asynccontextmanager
async def alerter_service(settings: Settings, metrics: Metrics) -> AsyncIterator["AlerterService"]:
    """The alerter service on the ledger's topic; the ledger has begun. Nothing is looked at before it runs.

    Raises:
        LedgerUnavailable: Kafka does not answer, or has no such topic.
        RulebookError: the file of rules cannot be used.
    """
    rules = RuleFile(settings, metrics)
    if any(sink.kind == "kafka" for sink in rules.state.rulebook.sinks):
        await ensure_alert_topic(settings)
    async with readers(settings) as found:
        ledger = await kafka_ledger(settings)
        views, requests = alert_views_of(settings), request_views_of(settings)
        try:
            yield AlerterService(settings, metrics, ledger, views, found, rules, Requests(requests))
        finally:
            await views.close()
            await requests.close()
            await ledger.close()


class AlertLane(Lane):
    """A lane whose blocks go to an alerter, with the station that sends what it finds."""

    def __init__(
        self, ledger: KafkaLedger, views: Views, partition: int, metrics: Metrics, alerter: Alerter, station: Station
    ) -> None:
        self._station = station
        super().__init__(ledger, views, partition, metrics, follower=alerter)

    def not_live(self) -> str:
        """Nothing: it may stand still because the projections do, and to start this process again moves them not."""
        return ""

    async def _run(self) -> None:
        works = [asyncio.create_task(super()._run()), asyncio.create_task(self._station.run())]
        try:
            done, _ = await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
            for work in done:
                work.result()
        finally:
            await cancelled(works)


class AlerterService(ProjectorService):
    """The alert lanes of the partitions that the group gave to this process; whoever has the first looks at figures."""

    name = "alerter"

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        ledger: KafkaLedger,
        views: Views,
        found: Readers,
        rules: RuleFile,
        requests: Requests,
    ) -> None:
        super().__init__(settings, metrics, ledger, views)
        self._found = found
        self._rules = rules
        self._requests = requests

    def _lane(self, partition: int) -> Lane:
        found, rules, zone = self._found, self._rules, zone_of(self._found.genesis.policy)
        partitions = range(found.genesis.partitions)
        state, projected = rules.state, found.views
        alerter = Alerter(
            self._ledger, self._views, projected, self._reached, state, self._metrics, partition, partitions, zone
        )
        watch = Watch(self._ledger, projected, alerter, state, partition)
        reports = found.reports if partition == 0 else None
        station = Station(alerter, watch, rules, self._sender, self._metrics, self._requests, reports, zone)
        return AlertLane(self._ledger, self._views, partition, self._metrics, alerter, station)

    async def _reached(self, partition: int, height: int) -> None:
        while True:
            if ((await self._found.views.position(partition)) or START).next_height > height:
                return
            await asyncio.sleep(POLL_SECONDS)

    def _sender(self, sink: Sink) -> Sender:
        return sender_of(sink, self._settings)
