"""The two sides of the comparison of Faust, each a process of its own that prints its seconds of CPU time.

`python -m bench.faust_sides projector HEIGHT` projects partition 0 up to a block; `... agent EVENTS` adds up events.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import faust
import msgspec

from services.kafka.connection import Names
from services.kafka.projecting import projector_service
from services.metrics import Metrics
from services.settings import Settings, settings_from
from services.tuning import tune
from services.views.redis import redis_views

MONTHS_OF: Final[Mapping[str, int]] = {"month": 1, "quarter": 3, "year": 12}


class Line(msgspec.Struct):
    """What recurs of a line of a contract."""

    amount_minor: int = 0
    quantity: int = 1
    interval: str = "month"


class Data(msgspec.Struct):
    """What a movement needs of an event's data."""

    contract_id: str = ""
    effective_at: str = ""
    lines: list[Line] | None = None


class Event(msgspec.Struct):
    """What a movement needs of an event."""

    type: str
    time: str
    data: Data


class Sums:
    """MRR in minor units by month and kind of movement: the plainest thing that could be called right."""

    def __init__(self) -> None:
        self._levels: dict[str, int] = {}
        self.by_month: defaultdict[tuple[str, str], int] = defaultdict(int)

    def add(self, event: Event) -> None:
        """Adds the movement of one event, as if none came late, twice, or was taken back."""
        data = event.data
        if event.type.endswith("cancelled.v1"):
            level = 0
        elif data.lines is None:
            return
        else:
            level = sum(line.amount_minor * line.quantity // MONTHS_OF.get(line.interval, 1) for line in data.lines)
        before = self._levels.get(data.contract_id, 0)
        kind = "new" if not before else "churn" if not level else "expansion" if level > before else "contraction"
        self._levels[data.contract_id] = level
        self.by_month[(data.effective_at or event.time)[:7], kind] += level - before


async def projected(settings: Settings, height: int) -> float:
    """Seconds of CPU time from the assignment until the views reflect a block."""
    views = redis_views(settings.redis, namespace=settings.prefix)
    async with projector_service(settings, Metrics()) as service:
        running = asyncio.create_task(service.run())
        while not service.partitions:  # noqa: ASYNC110 - it is looked, not told
            await asyncio.sleep(0.01)
        tune()  # as the projector's process is
        began = time.process_time()
        while not await _reflects(views, height):
            assert not running.done(), running.result()
            await asyncio.sleep(0.05)
        used = time.process_time() - began
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    await views.close()
    return used


async def _reflects(views: Any, height: int) -> bool:
    position = await views.position(0)
    return position is not None and position.next_height > height


async def added_up(settings: Settings, events: int, clock: Callable[[], float] = time.process_time) -> float:
    """Seconds that a plain agent takes from the first event to the last, by default of CPU time."""
    app = faust.App(
        f"{settings.prefix}-agent-{os.getpid()}",
        broker=[f"aiokafka://{server}" for server in settings.kafka.split(",")],
        value_serializer="raw",
        topic_disable_leader=True,
        web_enabled=False,
        datadir=tempfile.gettempdir(),
    )
    sums, decoder, ended = Sums(), msgspec.json.Decoder(Event), asyncio.Event()
    times: list[float] = []

    async def agent(stream: Any) -> None:
        seen = 0
        async for raw in stream:
            if not seen:
                times.append(clock())
            sums.add(decoder.decode(raw))
            seen += 1
            if seen == events:
                times.append(clock())
                ended.set()

    app.agent(app.topic(Names(settings.prefix).events, value_type=bytes, value_serializer="raw"))(agent)
    starting = asyncio.create_task(app.start())
    await ended.wait()
    await starting
    await app.stop()
    assert sums.by_month
    return times[1] - times[0]


def main() -> None:
    """Does one side, told by the environment where."""
    side, bound = sys.argv[1], int(sys.argv[2])
    settings = settings_from(os.environ)
    print(asyncio.run((projected if side == "projector" else added_up)(settings, bound)))


if __name__ == "__main__":
    main()
