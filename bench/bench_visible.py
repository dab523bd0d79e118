"""How soon an event sent over HTTP is acknowledged and visible in a report, at 200 events a second."""

import asyncio
import time
from itertools import islice
from pathlib import Path
from statistics import quantiles
from typing import Final

import msgspec

from bench.bench_bridge import serving
from bench.commands import scratch
from bench.connections import EVENT_TYPE, Connection
from bench.results import record
from services.demo import demo_events

RATE: Final = 200
SECONDS: Final = 20
RUNS: Final = 5
TARGET_MS: Final = 50


def main() -> None:
    """Runs the load on a new ledger each time; a poller asks a report for the position it reflects."""
    raws = list(islice(demo_events(accounts=2_000), RATE * SECONDS))
    visible: list[float] = []
    acknowledged: list[float] = []
    for _ in range(RUNS):
        with scratch() as directory:
            acks, seen = measured(directory, raws)
        acknowledged.append(quantiles(acks, n=100)[98])
        visible.append(quantiles(seen, n=100)[98])
    what = f"at {RATE} events/s, one event a request"
    record(
        "acknowledged",
        f"99th percentile from sending an event to its durable acknowledgement, {what}",
        acknowledged,
        "ms",
        "at most",
        TARGET_MS,
    )
    record(
        "visible",
        f"99th percentile from sending an event to a report that reflects it, {what}",
        visible,
        "ms",
        "at most",
        TARGET_MS,
    )


def measured(directory: Path, raws: list[bytes]) -> tuple[list[float], list[float]]:
    """Milliseconds to the acknowledgement and to visibility, event by event."""
    with serving(directory / "data") as url:
        return asyncio.run(_Run(url, raws).run())


class _Run:
    """Senders at a steady rate, and one poller that notes when each height was first reflected."""

    def __init__(self, url: str, raws: list[bytes]) -> None:
        self._url = url
        self._idle: list[Connection] = []
        self._raws = raws
        self._sent: dict[int, list[float]] = {}
        self._acks: list[float] = []
        self._reflected: list[tuple[float, int]] = []
        self._height = 0
        self._is_all_sent = False

    async def run(self) -> tuple[list[float], list[float]]:
        """Sends everything, then waits until the last height is reflected."""
        polling = asyncio.create_task(self._poll())
        began = time.perf_counter()
        sending = []
        for number, raw in enumerate(self._raws):
            await asyncio.sleep(max(0.0, began + number / RATE - time.perf_counter()))
            sending.append(asyncio.create_task(self._send(raw)))
        await asyncio.gather(*sending)
        self._is_all_sent = True
        await polling
        return self._acks, self._visible()

    async def _send(self, raw: bytes) -> None:
        began = time.perf_counter()
        connection = self._idle.pop() if self._idle else Connection(self._url)
        answer = await connection.post("/v1/events", raw, EVENT_TYPE)
        self._acks.append((time.perf_counter() - began) * 1_000)
        self._idle.append(connection)
        height = msgspec.json.decode(answer)["position"]["height"]
        self._sent.setdefault(height, []).append(began)
        self._height = max(self._height, height)

    async def _poll(self) -> None:
        """Asks for a figure over and over, to the last event; the time that counts is when the answer is there."""
        height, connection = -1, Connection(self._url)
        # in the currency that is booked first: one that nothing was booked in yet is refused
        data = next(data for raw in self._raws if "currency" in (data := msgspec.json.decode(raw)["data"]))
        while not (self._is_all_sent and height >= self._height):
            answer = await connection.get(f"/v1/figures?figures=mrr_minor&currency={data['currency']}")
            height = int(msgspec.json.decode(answer)["as_of"]["position"]["0"])
            self._reflected.append((time.perf_counter(), height))
            await asyncio.sleep(0.002)

    def _visible(self) -> list[float]:
        times: list[float] = []
        for height, sent in self._sent.items():
            at = next(at for at, reflected in self._reflected if reflected >= height)
            times += [(at - began) * 1_000 for began in sent]
        return times


if __name__ == "__main__":
    main()
