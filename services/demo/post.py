"""The way to the ledger: most facts arrive at once, some late, some twice, some wrong and then put right."""

import heapq
import random
from collections.abc import Iterator

import msgspec

from services.demo.chance import below
from services.demo.corrections import corrected, mistaken
from services.demo.dates import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, iso_time, iso_time_exact
from services.demo.facts import RATE, Fact

# Of 10,000 facts: so many arrive late, are sent twice, or (where that is possible) are wrong at first.
_LATE = 250
_TWICE = 100
_WRONG = 90


class Post:
    """The way from the source systems to the ledger: events on it, encoded, in order of arrival."""

    def __init__(self, rng: random.Random, end_ms: int) -> None:
        self._rng = rng
        self._end_ms = end_ms
        self._under_way: list[tuple[int, int, bytes]] = []
        self._sent = 0
        self._encode = msgspec.json.Encoder().encode

    def send(self, fact: Fact) -> None:
        """Puts a fact on its way, with the mishaps that happen to some."""
        rng = self._rng
        arrival_ms = fact.time_ms + 300 + below(rng, 3_700)
        roll = below(rng, 10_000)
        if fact.late_ms:
            arrival_ms += fact.late_ms
        elif fact.type == RATE or roll >= _LATE + _TWICE + _WRONG:
            pass
        elif roll < _LATE:
            arrival_ms += _lateness(rng)
        elif roll < _LATE + _TWICE:
            self._hand_over(fact, arrival_ms + SECOND_MS + below(rng, 3 * DAY_MS))
        elif self._sent_wrong(fact, arrival_ms):
            return
        self._hand_over(fact, arrival_ms)

    def _sent_wrong(self, fact: Fact, arrival_ms: int) -> bool:
        """Sends a mistake, its retraction and the right event, if there is still time for all three."""
        withdrawn_ms = arrival_ms + below(self._rng, 70 * HOUR_MS) + HOUR_MS
        right_ms = withdrawn_ms + MINUTE_MS + below(self._rng, HOUR_MS)
        wrong = mistaken(self._rng, fact) if right_ms < self._end_ms else None
        if wrong is None:
            return False
        retraction, right = corrected(self._rng, fact, withdrawn_ms - withdrawn_ms % SECOND_MS - SECOND_MS)
        self._hand_over(wrong, arrival_ms)
        self._hand_over(retraction, withdrawn_ms)
        self._hand_over(right, right_ms)
        return True

    def _hand_over(self, fact: Fact, arrival_ms: int) -> None:
        """Encodes an event but for its last member, the moment of its arrival."""
        body = self._encode(
            {
                "specversion": "1.0",
                "id": fact.id,
                "source": fact.source,
                "type": fact.type,
                "subject": fact.subject,
                "time": iso_time(fact.time_ms),
                "datacontenttype": "application/json",
                "data": fact.data,
            }
        )
        self._sent += 1
        heapq.heappush(self._under_way, (arrival_ms, self._sent, body))

    def arrived_before(self, moment_ms: int) -> Iterator[bytes]:
        """Takes the events off the way that have arrived by then."""
        under_way = self._under_way
        while under_way and under_way[0][0] < moment_ms:
            arrival_ms, _, body = heapq.heappop(under_way)
            yield b'%b,"recordedtime":"%b"}' % (body[:-1], iso_time_exact(arrival_ms).encode())


def _lateness(rng: random.Random) -> int:
    """Milliseconds: mostly hours or days, sometimes weeks."""
    roll = below(rng, 100)
    days_max = 2 if roll < 40 else 9 if roll < 80 else 40
    return 8 * HOUR_MS + below(rng, days_max * DAY_MS)
