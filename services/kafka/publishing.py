"""Publishing: events into the topic that the writers read; whoever sent one is told once Kafka has it."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from events.envelope import STRUCTURED, event_of
from events.partitions import partition_of
from events.refusals import Refused
from events.vocabulary import Event
from services import clock
from services.intake import Busy, SourceOf
from services.kafka.connection import Names
from services.kafka.dead_letters import DeadLetterTopic, KafkaRefusal, LetterReader
from services.kafka.producing import Producer, Record
from services.ledgers.port import LedgerUnavailable
from services.settings import Settings
from services.writer import Outcome, Queued

CHECKED_AT_ONCE: Final = 500
"""How many events are looked at before others get their turn."""
HEADERS: Final = (("content-type", STRUCTURED.encode()),)
"""Structured mode, as the Kafka binding of CloudEvents 1.0.2 lays it down (section 3.3)."""
ALL_REASONS: Final = "any"
"""What the letters are counted under: which reasons they have, only reading all of them would tell."""


class Publisher:
    """Takes events, checks each at the door, and sends on those that a writer can book. Close it once.

    `read_to`: how far the ledger has read each partition of the topic by now; what is sent lies behind that.
    """

    def __init__(self, settings: Settings, read_to: Sequence[int]) -> None:
        self._settings = settings
        self._topic = Names(settings.prefix).events
        self._partitions = len(read_to)
        self._least = list(read_to)
        self._made_anew: LedgerUnavailable | None = None
        self._producer = Producer(settings)
        self._letters = DeadLetterTopic(settings, self._producer)
        self._reader: LetterReader | None = None
        self._counting = asyncio.Lock()
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """How many events Kafka has not acknowledged yet."""
        return self._waiting

    async def submit(self, events: Sequence[bytes], source: str) -> list[Outcome]:
        """Sends events on; refused ones are kept as dead letters, with where they came from.

        Raises:
            Busy: too many events wait already; nothing of the call was taken.
            LedgerUnavailable: nothing of the call is acknowledged, though some of it may be in Kafka: send it again,
                what is there counts as a duplicate once it is booked.
        """
        if self._waiting + len(events) > self._settings.queue_events_max and self._waiting:
            raise Busy
        return await self.deliver(events, lambda _: source)

    async def deliver(self, events: Sequence[bytes], source: SourceOf) -> list[Outcome]:
        """As `submit`, however many wait; `source` tells by its index where an event came from."""
        self._waiting += len(events)
        try:
            checked = await _checked(events)
            sent = await self._sent(events, checked)
            kept = await self._kept(events, checked, source)
        finally:
            self._waiting -= len(events)
        return [
            _refusal(one, kept[index]) if isinstance(one, Refused) else Outcome("queued", queued=sent[index])
            for index, one in enumerate(checked)
        ]

    async def keep(self, raw: bytes, refused: Refused, source: str) -> int:
        """Keeps what holds no event as a dead letter; its number. Raises LedgerUnavailable."""
        return (await self._letters.put_many([_letter(raw, refused, source)]))[0]

    async def kept(self) -> Mapping[str, int]:
        """How many dead letters the topic holds; raises LedgerUnavailable."""
        async with self._counting:
            if self._reader is None:
                reader = LetterReader(self._settings)
                try:
                    await reader.start()
                except BaseException:
                    await reader.close()
                    raise
                self._reader = reader
            first, end = await self._reader.bounds()
        return {ALL_REASONS: end - first} if end > first else {}

    async def close(self) -> None:
        """Lets go of the connections."""
        await self._producer.close()
        if self._reader is not None:
            await self._reader.close()

    async def _sent(self, events: Sequence[bytes], checked: Sequence[Event | Refused]) -> dict[int, Queued]:
        """Where each event is that was not refused, by its index."""
        good = {index: event for index, event in enumerate(checked) if not isinstance(event, Refused)}
        places = {index: partition_of(event.subject, self._partitions) for index, event in good.items()}
        if self._made_anew is not None:
            raise self._made_anew
        least = list(self._least)
        offsets = await self._producer.send(
            [
                Record(self._topic, places[index], event.subject.encode(), events[index], HEADERS)
                for index, event in good.items()
            ]
        )
        queued = {index: Queued(places[index], offset) for index, offset in zip(good, offsets, strict=True)}
        for one in queued.values():
            self._require_behind(one, least[one.partition])
            self._least[one.partition] = max(self._least[one.partition], one.offset + 1)
        return queued

    def _require_behind(self, queued: Queued, least: int) -> None:
        """Raises LedgerUnavailable for an event before what was read or sent already: perhaps nobody books it."""
        if queued.offset < least:
            problem = (
                f"{self._topic} was made anew: partition {queued.partition} is at offset {queued.offset}, and was at"
                f" {least} before. What is sent now may never be booked."
            )
            self._made_anew = LedgerUnavailable(problem, "Use a new REVLEDGER_PREFIX, or bring the topic back.")
            raise self._made_anew

    async def _kept(
        self, events: Sequence[bytes], checked: Sequence[Event | Refused], source: SourceOf
    ) -> dict[int, int]:
        """The number of the letter of each event that was refused, by its index."""
        bad = {index: refused for index, refused in enumerate(checked) if isinstance(refused, Refused)}
        letters = [_letter(events[index], refused, source(index)) for index, refused in bad.items()]
        return dict(zip(bad, await self._letters.put_many(letters), strict=True))


async def _checked(events: Sequence[bytes]) -> list[Event | Refused]:
    """What each event says, or why it is none."""
    checked: list[Event | Refused] = []
    for index, raw in enumerate(events, 1):
        try:
            checked.append(event_of(raw))
        except Refused as refused:
            checked.append(refused)
        if index % CHECKED_AT_ONCE == 0:
            await asyncio.sleep(0)
    return checked


def _letter(raw: bytes, refused: Refused, source: str) -> KafkaRefusal:
    return KafkaRefusal(raw, None, refused.code, refused.message, refused.field, "", -1, -1, clock.now(), source)


def _refusal(refused: Refused, number: int) -> Outcome:
    return Outcome("refused", None, 0, refused.code, refused.message, refused.field, number)
