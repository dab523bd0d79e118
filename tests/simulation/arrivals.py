"""What clients send: histories of the model, of several books at once, drawn from one seed."""

import json
from functools import lru_cache
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.model.days import Event
from tests.model.histories import histories

POOL_SIZE = 120
"""Histories drawn at once; a run mixes some of them."""

MALFORMED = (
    b"",
    b"{",
    b"[1, 2]",
    b'{"specversion": "1.0"}',
    b"\xff\xfe",
    b'{"specversion": "1.0", "id": "x", "source": "/x", "type": "singed", "subject": "a", "time": "", "data": {}}',
)
"""What is refused, whoever sends it."""


@lru_cache(maxsize=4)
def pool(number: int) -> list[list[Event]]:
    """Histories of the model; the same number, the same histories."""
    drawn: list[list[Event]] = []

    @seed(number)
    @settings(
        max_examples=POOL_SIZE,
        database=None,
        derandomize=False,  # the number is the seed, whatever the profile says
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(histories())
    def draw(history: list[Event]) -> None:
        drawn.append(history)

    draw()
    return drawn


def arrivals(dice: Random, books: int, number: int) -> list[Event]:
    """Some histories mixed into one, each about accounts and from sources of its own; order mostly kept."""
    chosen = dice.sample(pool(number), books)
    mixed = [_renamed(event, f"{index}") for index, history in enumerate(chosen) for event in history]
    reach = dice.choice((0, 3, 10, len(mixed)))
    order = [(place + dice.randint(0, reach), place) for place in range(len(mixed))]
    if dice.randrange(2):
        mixed.sort(key=lambda event: event["time"])
    return [mixed[place] for _, place in sorted(order)]


def raw_of(event: Event) -> bytes:
    """An event as it is sent."""
    return json.dumps(event).encode()


def conflicts_of(event: Event) -> list[bytes]:
    """The same identity with another time or of another account: refused once the event itself is there."""
    other = "nobody" if event["type"] != "revledger.rate.published.v1" else event["subject"]
    changed: Event = {**event, "time": "2019-01-01T00:00:00Z"}
    return [raw_of(changed), raw_of({**changed, "subject": other})]


def identity_of(raw: bytes) -> tuple[str, str]:
    """What makes an event the same event."""
    said: dict[str, Any] = json.loads(raw)
    return said["source"], said["id"]


def _renamed(event: Event, book: str) -> Event:
    data = event["data"]
    if event["type"] == "revledger.event.retracted.v1":
        data = {**data, "source": f"{data['source']}/{book}"}
    subject = event["subject"] if event["subject"] == "~book" else f"{event['subject']}-{book}"
    return {**event, "subject": subject, "source": f"{event['source']}/{book}", "data": data}
