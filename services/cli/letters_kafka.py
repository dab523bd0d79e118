"""`revledger dead-letters` of the distributed form: the topic of what was refused."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from services.cli.failures import Failure

if TYPE_CHECKING:
    from services.kafka.dead_letters import KafkaLetter, LetterReader
    from services.kafka.publishing import Publisher
    from services.settings import Settings

AT_ONCE: Final = 200


async def newest(settings: "Settings", limit: int) -> "tuple[list[KafkaLetter], int]":
    """The last letters of the topic, the oldest of them first, and how many it holds."""
    async with _reading(settings) as reader:
        first, end = await reader.bounds()
        return [letter async for letter in reader.letters(max(first, end - limit))], end - first


async def letter_of(settings: "Settings", number: int) -> "KafkaLetter":
    """One letter; raises Failure if the topic does not hold it."""
    async with _reading(settings) as reader:
        return await _existing(reader, number)


async def retried(settings: "Settings", numbers: Sequence[int]) -> int:
    """Publishes letters again, by default each there is, a line each; how many no writer could book.

    The topic keeps them all, so of letters with the same bytes one is sent; to send what is booked is harmless.
    """
    from services.distributed import publishing, readers

    refused = 0
    async with (
        readers(settings) as found,
        _reading(settings) as reader,
        publishing(settings, found) as publisher,
    ):
        seen: set[bytes] = set()
        some: list[KafkaLetter] = []
        async for letter in _wanted(reader, numbers):
            digest = sha256(letter.refusal.raw).digest()
            if digest in seen:
                continue
            seen.add(digest)
            some.append(letter)
            if len(some) == AT_ONCE:
                refused += await _sent(publisher, some)
                some = []
        refused += await _sent(publisher, some)
    return refused


def discarded(settings: "Settings") -> Failure:
    """Why no letter of the topic can be set aside."""
    from services.kafka.connection import Names

    topic = Names(settings.prefix).dead_letters
    return Failure(
        f"{topic} keeps every letter for as long as its retention.ms says: none can be set aside. What was sent right"
        " since does no harm there."
    )


def shown_letter(letter: "KafkaLetter", characters: int) -> dict[str, Any]:
    """A letter as a row of the list."""
    from events.days import text_of_moment
    from services import shown

    one = letter.refusal
    at = text_of_moment(one.at)
    return {
        "id": letter.number,
        "code": one.code or "unknown",
        "message": one.message,
        "field": one.field,
        "source": one.origin,
        "first_at": at,
        "last_at": at,
        "times": 1,
        "bytes": one.size or len(one.raw),
        "event": shown.clipped(one.raw[: characters * 4].decode(errors="replace"), characters),
    }


async def _wanted(reader: "LetterReader", numbers: Sequence[int]) -> "AsyncIterator[KafkaLetter]":
    if not numbers:
        async for letter in reader.letters():
            yield letter
    for number in numbers:
        yield await _existing(reader, number)


async def _existing(reader: "LetterReader", number: int) -> "KafkaLetter":
    async for letter in reader.letters(number, number + 1):
        return letter
    raise Failure(f"{reader.topic} has no letter {number}: see `revledger dead-letters list`.")


async def _sent(publisher: "Publisher", some: "Sequence[KafkaLetter]") -> int:
    """Publishes what is an event; what is none is not kept a second time."""
    from events.envelope import event_of
    from events.refusals import Refused

    good: list[KafkaLetter] = []
    for letter in some:
        try:
            event_of(letter.refusal.raw)
            good.append(letter)
        except Refused as refused:
            print(f"{letter.number} refused: {refused.code}: {refused.message}")
    outcomes = await publisher.deliver(
        [letter.refusal.raw for letter in good], lambda index: good[index].refusal.origin
    )
    for letter, outcome in zip(good, outcomes, strict=True):
        assert outcome.queued is not None, "what is an event is sent on"
        print(f"{letter.number} queued: partition {outcome.queued.partition}, offset {outcome.queued.offset}")
    return len(some) - len(good)


@asynccontextmanager
async def _reading(settings: "Settings") -> "AsyncIterator[LetterReader]":
    from services.kafka.dead_letters import LetterReader

    reader = LetterReader(settings)
    try:
        await reader.start()
        yield reader
    finally:
        await reader.close()
