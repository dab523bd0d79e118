"""A producer that remembers what Kafka acknowledged: events in order, late, twice, astray, and what is no event."""

import json
from collections.abc import Iterator
from functools import partial
from random import Random
from typing import Any, Final

from confluent_kafka import KafkaError, Message, Producer

from services.demo import demo_events
from tests.crash.books import Identity, identity_of

FLUSH_SECONDS: Final = 120.0
WAITING_MAX: Final = 50_000
_POISON: Final[tuple[bytes | None, ...]] = (
    None,
    b"",
    b"{",
    b"\xff\xfe\x00",
    b"[1]",
    b'{"specversion": "1.0"}',
    b'{"specversion": "1.0", "id": "p1", "source": "/", "type": "ate", "subject": "a", "time": "2024-01-01T00:00:00Z"}',
)

_NO_CURRENCY: Final = (
    b'{"specversion": "1.0", "id": "p2", "source": "/poison", "type": "revledger.contract.signed.v1",'
    b' "subject": "acct-1", "time": "2024-01-01T00:00:00Z", "data": {"contract_id": "c", "currency": "???",'
    b' "lines": [{"line_id": "a", "plan": "p", "amount_minor": 1}]}}'
)


class Traffic:
    """Events on their way into a topic.

    `sent`: the events that are to be booked, by identity, in all the forms they were sent. `acknowledged`: those of
    them that Kafka has. `refused`: what it has, by partition and offset, and must not be booked.
    """

    def __init__(self, servers: str, topic: str, partitions: int, dice: Random) -> None:
        self._topic = topic
        self._partitions = partitions
        self._dice = dice
        self._events = demo_events(accounts=20_000, months=60, seed=dice.randrange(1_000_000))
        self._late: list[bytes] = []
        self._straight: list[Identity] = []
        self._order: list[Identity] = []
        self._taken_back: set[Identity] = set()
        self.sent: dict[Identity, list[bytes]] = {}
        self.acknowledged: set[Identity] = set()
        self.refused: dict[tuple[int, int], bytes] = {}
        self.refusable: set[bytes] = set()
        self.not_taken: list[str] = []
        options = {"bootstrap.servers": servers, "acks": "all", "enable.idempotence": True, "linger.ms": 2}
        quiet = {"log_level": 0, "message.timeout.ms": 300_000}
        self._producer = Producer(options | quiet | {"partitioner": "murmur2_random"})
        self._other = Producer(options | quiet)  # librdkafka's own choice of partitions is another one

    def send(self, count: int) -> None:
        """Puts so many records on their way."""
        for _ in range(count):
            self._kind()()
        self.poll()

    def flood(self, partition: int, count: int) -> None:
        """Puts so many records into one partition that are no events."""
        for _ in range(count):
            self._send_poison(partition)
        self.poll()

    def poll(self) -> None:
        """Notes what was acknowledged by now."""
        for producer in (self._producer, self._other):
            producer.poll(0)

    def flush(self) -> None:
        """Waits until all that was sent is acknowledged."""
        left = sum(producer.flush(FLUSH_SECONDS) for producer in (self._producer, self._other))
        assert not left, f"Kafka has not taken {left} records in {FLUSH_SECONDS:g} s"

    def _kind(self) -> Any:
        roll = self._dice.random()
        shares = (
            (0.03, self._hold_back),
            (0.06, self._send_late),
            (0.10, self._send_again),
            (0.12, self._send_poison),
            (0.125, self._send_without_currency),
            (0.135, self._send_conflict),
            (0.15, self._take_back),
        )
        return next((kind for share, kind in shares if roll < share), self._send_next)

    def _send_next(self) -> None:
        self._send(next(self._events))

    def _hold_back(self) -> None:
        self._late.append(next(self._events))

    def _send_late(self) -> None:
        if self._late:
            self._send(self._late.pop(self._dice.randrange(len(self._late))))

    def _send_again(self) -> None:
        if self.sent:
            self._send(self._any()[1])

    def _take_back(self) -> None:
        """Retracts an event, which may itself be still on its way."""
        if not self.sent:
            return
        (source, name), raw = self._any()
        event = json.loads(raw)
        if (source, name) in self._taken_back or event["type"] == "revledger.event.retracted.v1":
            return
        self._taken_back.add((source, name))
        data = {"source": source, "id": name, "reason": "sent by mistake"}
        changed = {"id": f"{name}-taken-back", "type": "revledger.event.retracted.v1", "data": data}
        self._send(json.dumps(event | changed).encode())

    def _send_conflict(self) -> None:
        """Sends other content under an identity that was sent before, to the same partition by the same way."""
        if self._straight:
            original = json.loads(self.sent[self._dice.choice(self._straight)][0])
            raw = json.dumps(original | {"time": "2019-12-31T00:00:00Z"}).encode()
            self._produce(self._producer, raw, original["subject"], self._note_refused)

    def _send_without_currency(self) -> None:
        """Sends what only the booking refuses; astray it would be refused where it belongs, under another offset."""
        self._produce(self._producer, _NO_CURRENCY, "acct-1", self._note_refused)

    def _send_poison(self, partition: int | None = None) -> None:
        place = self._dice.randrange(self._partitions) if partition is None else partition
        key = f"acct-{self._dice.randrange(100)}"
        self._produce(self._producer, self._dice.choice(_POISON), key, self._note_refused, partition=place)

    def _any(self) -> tuple[Identity, bytes]:
        identity = self._dice.choice(self._order)
        return identity, self._dice.choice(self.sent[identity])

    def _send(self, raw: bytes) -> None:
        identity, subject = identity_of(raw), json.loads(raw)["subject"]
        is_astray = self._dice.random() < 0.1
        if identity not in self.sent:
            self._order.append(identity)
            if not is_astray:
                self._straight.append(identity)
        self.sent.setdefault(identity, []).append(raw)
        noting = partial(self._note_sent, identity)
        self._produce(self._other if is_astray else self._producer, raw, subject, noting)

    def _produce(self, producer: Producer, raw: bytes | None, key: str, noting: Any, **place: Any) -> None:
        if noting == self._note_refused:
            self.refusable.add(raw or b"")
        while len(producer) > WAITING_MAX:
            producer.poll(0.05)
        producer.produce(self._topic, raw, key=key.encode(), on_delivery=noting, **place)

    def _note_sent(self, identity: Identity, error: KafkaError | None, _: Message) -> None:
        if error is None:
            self.acknowledged.add(identity)
        else:
            self.not_taken.append(str(error))

    def _note_refused(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            partition, offset = message.partition(), message.offset()
            assert partition is not None
            assert offset is not None
            self.refused[partition, offset] = message.value() or b""
        else:
            self.not_taken.append(str(error))


def some(dice: Random) -> Iterator[tuple[int, float]]:
    """For ever: how many records to send at once, and for how many seconds to rest then."""
    while True:
        yield dice.choice((1, 1, 5, 20, 60, 200)), dice.uniform(0.0, 0.4)
