"""Alerts inside the embedded form: one alerter beside the projector of the same process."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import tzinfo
from typing import Final

from services.alerts.alerter import Alerter, Reached
from services.alerts.firing.watching import Watch
from services.alerts.requests import Requests
from services.alerts.rules.rulefile import RuleFile
from services.alerts.rules.sinks import Sink
from services.alerts.sending.attempts import Sender
from services.alerts.sending.delivering import MakeSender
from services.alerts.sending.senders import sender_of
from services.alerts.station import RETRY_SECONDS, Station
from services.compose import Books
from services.ledgers.port import LedgerUnavailable
from services.metrics import Metrics
from services.policies import zone_of
from services.settings import Settings
from services.tasks import cancelled
from services.views.port import ViewsUnavailable

AGAIN_SECONDS: Final = 5.0
_log: Final = logging.getLogger("revledger")


@asynccontextmanager
async def alerting(books: Books, settings: Settings, metrics: Metrics) -> AsyncIterator[None]:
    """Alerts on what comes into the books meanwhile. An error in it is logged, and harms nothing but alerts.

    Raises RulebookError where the file of rules cannot be used.
    """
    rules = RuleFile(settings, metrics)
    zone = zone_of(books.policy)

    async def reached(_partition: int, height: int) -> None:
        await books.projector.reached(height)

    def make(sink: Sink) -> Sender:
        return sender_of(sink, settings)

    async def run() -> None:
        while True:
            try:
                await _run(books, reached, rules, make, metrics, zone)
            except Exception:  # noqa: BLE001 - logged, and begun again: the books go on without alerts
                _log.exception("alerts have ended with an error, and begin again in %g s", AGAIN_SECONDS)
            await asyncio.sleep(AGAIN_SECONDS)

    task = asyncio.create_task(run(), name="alerts")
    try:
        yield
    finally:
        await cancelled([task])


async def _run(
    books: Books, reached: Reached, rules: RuleFile, make: MakeSender, metrics: Metrics, zone: tzinfo | None
) -> None:
    alerter = Alerter(books.ledger, books.alert_views, books.views, reached, rules.state, metrics, zone=zone)
    watch = Watch(books.ledger, books.views, alerter, rules.state, 0)
    station = Station(alerter, watch, rules, make, metrics, Requests(books.request_views), books.reports, zone)
    tasks = [
        asyncio.create_task(_follow(alerter), name="alerter"),
        asyncio.create_task(station.run(), name="alert station"),
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await cancelled(tasks)


async def _follow(alerter: Alerter) -> None:
    """Follows the ledger, and begins again whenever a store was away for a while."""
    is_started = False
    while True:
        try:
            if not is_started:
                await alerter.start()
            is_started = True
            await alerter.run()
        except (ViewsUnavailable, LedgerUnavailable) as error:
            _log.warning("alerts wait: %s", error)
            await asyncio.sleep(RETRY_SECONDS)
