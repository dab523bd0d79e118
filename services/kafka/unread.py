"""The unread: how many events of the input the writers have still before them."""

import asyncio
from collections.abc import Mapping
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from events import block as blocks
from services.kafka.connection import Names, client_options, started
from services.ledgers.port import LedgerUnavailable, StoredBlock
from services.settings import Settings

ANSWER_SECONDS: Final = 10.0


class Input:
    """The events topic, asked for its ends; it connects when first used. Close it once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._names = Names(settings.prefix)
        self._client: AIOKafkaConsumer | None = None
        self._asking = asyncio.Lock()

    async def unread(self, tails: Mapping[int, StoredBlock | None]) -> Mapping[int, int]:
        """How many events of each partition the writers have not read yet; raises LedgerUnavailable.

        Events that retention deleted before they were read are not among them. What brought nothing to book, such as
        duplicates at the end, no block accounts for: there the writers' group knows better.
        """
        places = [TopicPartition(self._names.events, partition) for partition in tails]
        async with self._asking:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    client = await self._started()
                    first, ends = await client.beginning_offsets(places), await client.end_offsets(places)
                    told = await asyncio.gather(*(client.committed(place) for place in places))
            except (KafkaError, OSError, TimeoutError) as error:
                problem = f"{self._names.events} cannot be asked for its ends ({str(error) or 'no answer'})."
                raise LedgerUnavailable(problem, "Check that Kafka's brokers run and can be reached.") from error
        read = {
            place: max(read_to(self._names, place.partition, tails[place.partition]), committed or 0)
            for place, committed in zip(places, told, strict=True)
        }
        return {place.partition: max(0, ends[place] - max(first[place], read[place])) for place in places}

    async def close(self) -> None:
        """Lets go of the connection."""
        if self._client is not None:
            await self._client.stop()

    async def _started(self) -> AIOKafkaConsumer:
        if self._client is None:
            group = self._names.group("writer")  # only asked: whoever does not subscribe is no member
            client = AIOKafkaConsumer(**client_options(self._settings), group_id=group, enable_auto_commit=False)
            try:
                await started(client)
            except BaseException:
                await client.stop()
                raise
            self._client = client
        return self._client


def read_to(names: Names, partition: int, tail: StoredBlock | None) -> int:
    """The offset of the input that the last block of a partition says is to be read next."""
    if tail is None:
        return 0
    return blocks.block_of(tail.data).header.sources.get(names.source(partition), 0)
