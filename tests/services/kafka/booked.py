"""A ledger on Kafka with events in it, recorded when they say, and its views on Redis; and the same in memory."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

import msgspec

from events.days import moment_of
from events.envelope import event_of
from events.partitions import partition_of
from events.policy import Policy
from services.accounts import Accounts
from services.distributed import views_of
from services.ledgers.kafka import kafka_ledger
from services.ledgers.port import Ledger
from services.projector import Projector
from services.settings import Settings
from services.views.port import Views
from services.writer import Submitted, Writer
from tests.services.books import MemoryBooks
from tests.services.kafka.topics import made_topics


class _Recorded(msgspec.Struct):
    recordedtime: datetime


class OnKafka:
    """Writers of all partitions of one ledger, and projectors of its views."""

    def __init__(self, settings: Settings, ledger: Ledger, views: Views) -> None:
        self.settings = settings
        self.ledger = ledger
        self.views = views
        self.writers = [
            Writer(ledger, Accounts(None, p, 1_000), Policy(), None, partition=p, partitions=settings.partitions)
            for p in range(settings.partitions)
        ]

    async def begin(self) -> None:
        """Gives every partition its first block."""
        for writer in self.writers:
            await writer.begin()

    async def book(self, raws: Sequence[bytes]) -> None:
        """Books events in the partitions of their accounts, and projects them."""
        for partition, writer in enumerate(self.writers):
            mine = [raw for raw in raws if partition_of(event_of(raw).subject, len(self.writers)) == partition]
            await writer.write([Submitted(raw, recorded_at(raw)) for raw in mine])
        await self.project()

    async def project(self) -> None:
        """Brings the views to the head of the ledger."""
        for partition in range(self.settings.partitions):
            projector = Projector(self.ledger, self.views, partition)
            await projector.start()
            await projector.catch_up()


@asynccontextmanager
async def on_kafka(settings: Settings) -> AsyncIterator[OnKafka]:
    """Topics that exist, and nothing in them."""
    await made_topics(settings)
    ledger, views = await kafka_ledger(settings), views_of(settings)
    try:
        yield OnKafka(settings, ledger, views)
    finally:
        await views.close()
        await ledger.close()


async def in_memory(raws: Sequence[bytes]) -> MemoryBooks:
    """The same events in the embedded form."""
    books = await MemoryBooks().start()
    await books.writer.write([Submitted(raw, recorded_at(raw)) for raw in raws])
    await books.projector.catch_up()
    return books


def recorded_at(raw: bytes) -> int | None:
    """When an event says it was recorded, in microseconds; None if it does not say."""
    try:
        return moment_of(msgspec.json.decode(raw, type=_Recorded).recordedtime)
    except msgspec.ValidationError:
        return None
