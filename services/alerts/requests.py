"""Requests: what people ask about alerts, kept in views of their own until the alerter has taken it over."""

import asyncio
import random
from typing import Final, Literal

import msgspec
from msgspec import Struct

from services.views.port import START, Fenced, Gap, Position, Value, Views, ViewsUnavailable

REQUESTS: Final = "requests"
"""Key of the view of what is asked, by the request's own id."""
KEPT_MAX: Final = 1_000
"""How many requests are kept; the oldest, which were taken over long ago, go first."""
TRIES: Final = 20
PAUSE_SECONDS: Final = 0.02


class Request(Struct, frozen=True):
    """One wish: an alert acknowledged, or sent again where it was given up; `at` in microseconds."""

    id: str
    what: Literal["acknowledge", "resend"]
    alert: str
    by: str
    at: int


_REQUEST: Final = msgspec.json.Decoder(Request)


class Requests:
    """The requests about the alerts of all partitions; whoever writes one holds off all others for that moment."""

    def __init__(self, views: Views) -> None:
        self._views = views

    async def put(self, partition: int, request: Request) -> None:
        """Writes a request down. Raises ViewsUnavailable, also where others were quicker again and again."""
        for _ in range(TRIES):
            epoch = await self._views.claim(partition)
            position = await self._views.position(partition) or START
            known = await self.of(partition)
            writes: dict[str, Value | None] = {request.id: msgspec.json.encode(request)}
            writes |= {one.id: None for one in known[: max(0, len(known) + 1 - KEPT_MAX)]}
            after = Position(position.next_height + 1, request.id.encode(), -1, request.at, 0)
            try:
                await self._views.commit(partition, epoch, position.next_height, after, {REQUESTS: writes})
            except (Fenced, Gap):
                await asyncio.sleep(PAUSE_SECONDS * random.random())  # noqa: S311 - so that two do not keep step
                continue
            return
        raise ViewsUnavailable("Too many ask about alerts at once.", "Ask again.")

    async def position(self, partition: int) -> Position:
        """What changes with every request."""
        return await self._views.position(partition) or START

    async def of(self, partition: int) -> list[Request]:
        """The requests about a partition's alerts that are kept, the oldest first."""
        found = map(_REQUEST.decode, (await self._views.read(partition, REQUESTS)).values())
        return sorted(found, key=lambda one: (one.at, one.id))


class Acknowledgement(Struct, frozen=True):
    """That somebody looks after an alert; `at` in RFC 3339."""

    at: str
    by: str


ACKNOWLEDGEMENT: Final = msgspec.json.Decoder(Acknowledgement)
