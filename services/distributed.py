"""The composition root of the distributed form: what reads its ledger and views, and what sends events to it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, TypeVar

from msgspec import Struct

from events.block import Genesis
from services.adoptions import begun_under
from services.alerts.board import Board
from services.alerts.requests import Requests
from services.compose import alerts_namespace, genesis_of, requests_namespace
from services.gateway.polled import Polled
from services.gateway.ports import Served
from services.kafka.connection import Names
from services.kafka.publishing import Publisher
from services.kafka.reaching import KafkaRefuses, require_kafka
from services.kafka.unread import Input, read_to
from services.ledgers.kafka import kafka_ledger
from services.ledgers.port import Ledger, LedgerUnavailable
from services.reports import Reports
from services.settings import Settings
from services.views.port import Views
from services.views.redis import redis_views

LOOK_SECONDS: Final = 1.0
"""How often a ledger that is not there yet is looked for."""
T = TypeVar("T")
_log: Final = logging.getLogger("revledger")


class NotBegun(LedgerUnavailable):
    """The ledger has no first block yet, which fixes the rules of all others."""


class Readers(Struct, frozen=True):
    """Ledger and views of the distributed form, and the reports from them; `genesis` is what block 0 fixed."""

    ledger: Ledger
    views: Views
    reports: Reports
    genesis: Genesis


@asynccontextmanager
async def readers(settings: Settings) -> AsyncIterator[Readers]:
    """The stores of the settings, to be read; raises as `kafka_read`."""
    async with AsyncExitStack() as stack:
        ledger, genesis = await stack.enter_async_context(kafka_read(settings))
        views = views_of(settings)
        stack.push_async_callback(views.close)
        reports = Reports(ledger, views, begun_under(genesis.policy), range(genesis.partitions))
        yield Readers(ledger, views, reports, genesis)


@asynccontextmanager
async def kafka_read(settings: Settings) -> AsyncIterator[tuple[Ledger, Genesis]]:
    """The ledger on Kafka, and what its block 0 fixed.

    Raises:
        NotBegun: no writer has begun the ledger yet.
        KafkaRefuses: Kafka does not let us in; the message says why, which the clients' errors do not.
        LedgerUnavailable: Kafka does not answer, or has no such topic.
    """
    await require_kafka(settings)
    ledger = await kafka_ledger(settings)
    try:
        genesis = await genesis_of(ledger)
        if genesis is None:
            problem = f"The ledger {Names(settings.prefix).ledger} has not begun."
            raise NotBegun(problem, "Start a writer (`revledger run writer`), or check REVLEDGER_PREFIX.")
        yield ledger, genesis
    finally:
        await ledger.close()


@asynccontextmanager
async def publishing(settings: Settings, found: Readers) -> AsyncIterator[Publisher]:
    """The way into the events topic of a ledger; raises LedgerUnavailable."""
    names = Names(settings.prefix)
    partitions = range(found.genesis.partitions)
    publisher = Publisher(settings, [read_to(names, one, await found.ledger.tail(one)) for one in partitions])
    try:
        yield publisher
    finally:
        await publisher.close()


@asynccontextmanager
async def gateway(settings: Settings) -> AsyncIterator[Served]:
    """What a gateway serves; raises as `readers`."""
    async with AsyncExitStack() as stack:
        found = await stack.enter_async_context(readers(settings))
        partitions = range(found.genesis.partitions)
        entrance = await stack.enter_async_context(publishing(settings, found))
        events = Input(settings)
        stack.push_async_callback(events.close)
        alerts, requests = alert_views_of(settings), request_views_of(settings)
        stack.push_async_callback(alerts.close)
        stack.push_async_callback(requests.close)
        yield Served(
            found.ledger,
            found.views,
            found.reports,
            found.genesis.policy.stamp,
            partitions,
            Polled(found.views, partitions),
            entrance,
            is_projecting=False,
            unread=events.unread,
            board=Board(alerts, Requests(requests), partitions),
        )


def views_of(settings: Settings, namespace: str | None = None) -> Views:
    """The views on the Redis of the settings, under the prefix as a namespace."""
    return redis_views(
        settings.redis,
        namespace=namespace or settings.prefix,
        user=settings.redis_user,
        password=settings.redis_password,
        ca=settings.redis_ca,
    )


def alert_views_of(settings: Settings) -> Views:
    """The views of the alerts on the same Redis."""
    return views_of(settings, alerts_namespace(settings))


def request_views_of(settings: Settings) -> Views:
    """The views of what people ask about alerts."""
    return views_of(settings, requests_namespace(settings))


async def begun(settings: Settings) -> None:
    """Waits until the topics are there and a writer has begun the ledger; what is waited for is logged.

    Raises KafkaRefuses, which waiting does not mend.
    """
    await patiently(lambda: _look(settings))


async def _look(settings: Settings) -> None:
    async with readers(settings):
        pass


async def patiently(attempt: Callable[[], Awaitable[T]]) -> T:
    """What an attempt gives in the end: while Kafka or the ledger is not there, it is tried again."""
    told = ""
    while True:
        try:
            return await attempt()
        except KafkaRefuses:
            raise
        except LedgerUnavailable as error:
            if str(error) != told:
                told = str(error)
                _log.warning("waiting: %s", told)
        await asyncio.sleep(LOOK_SECONDS)
