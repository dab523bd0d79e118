"""Delivering: one line a sink, each at its own pace, so that none waits for another."""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from services import clock
from services.alerts.outbox import Outbox, Outgoing
from services.alerts.rules.sinks import SecretMissing, Sink
from services.alerts.sending.attempts import Disabled, NotTaken, Sender, SinkAway, SinkError
from services.alerts.sending.bundling import batches_of, bundled
from services.metrics import Metrics

AT_ONCE: Final = 8
"""How many messages are on their way to one sink at the same time."""
PAUSE_SECONDS_MAX: Final = 60.0
"""A sink that is away is tried again after so long at the latest, with one message."""
LOOK_SECONDS: Final = 1.0
JITTER: Final = 0.2
"""By so much more or less than the time named, so that not all come back at once."""
_log: Final = logging.getLogger("revledger")


class Line:
    """Sends what waits for one sink, until it is cancelled."""

    def __init__(self, sink: Sink, sender: Sender, outbox: Outbox, metrics: Metrics, chance: random.Random) -> None:
        self._sink = sink
        self._sender = sender
        self._outbox = outbox
        self._metrics = metrics
        self._chance = chance
        self._paused_until = 0
        self._is_away = False
        self.disabled = ""

    async def run(self) -> None:
        """Sends for ever; what was on its way when it is cancelled is sent again by whoever comes next."""
        name = self._sink.name
        try:
            while True:
                now = clock.now()
                waiting = self._outbox.of_sink(name)
                self._metrics.alerts_waiting.labels(name).set(len(waiting))
                due = [one for one in waiting if one.due <= now] if now >= self._paused_until else []
                if self.disabled:
                    self._give_up(waiting, self.disabled)
                elif due:
                    some = batches_of(due)[: 1 if self._is_away else AT_ONCE]
                    await asyncio.gather(*(self._attempt(one) for one in some))
                    continue
                await self._outbox.changed(name, LOOK_SECONDS)
        finally:
            await self._sender.close()

    async def _attempt(self, some: Sequence[Outgoing]) -> None:
        """One attempt, and what becomes of the messages that go as one by it."""
        try:
            await self._sender.send(bundled(some), clock.now() // 1_000_000)
        except Disabled as error:
            self.disabled = str(error)
            _log.error("sink %s is off until its rules change: %s", self._sink.name, error)
            self._give_up(some, str(error))
        except (SinkError, SecretMissing) as error:
            self._failed(some, error)
        except Exception as error:  # noqa: BLE001 - logged; it must not end the line, for then nothing more is sent
            _log.exception("sink %s: an attempt ended with an error that nobody foresaw", self._sink.name)
            self._failed(some, SinkAway(f"{type(error).__name__}: {error}"))
        else:
            if self._is_away:
                _log.info("sink %s takes alerts again", self._sink.name)
            self._is_away = False
            self._metrics.alerts_sent.labels(self._sink.name, "sent").inc(len(some))
            for one in some:
                self._outbox.sent(one)

    def _failed(self, some: Sequence[Outgoing], error: Exception) -> None:
        self._metrics.alerts_sent.labels(self._sink.name, "failed").inc(len(some))
        attempts = max(one.attempts for one in some)
        if attempts >= len(self._sink.retries):
            self._give_up(some, str(error))
            return
        seconds = self._sink.retries[attempts] * self._chance.uniform(1 - JITTER, 1 + JITTER)
        asked = error.after_seconds if isinstance(error, SinkAway) else None
        seconds = max(seconds, asked or 0)
        now = clock.now()
        if not isinstance(error, NotTaken):
            if not self._is_away:
                _log.warning("sink %s takes no alerts: %s", self._sink.name, error)
            self._is_away = True
            self._paused_until = now + int(min(seconds, PAUSE_SECONDS_MAX) * 1_000_000)
        for one in some:
            self._outbox.failed(one, now + int(seconds * 1_000_000), str(error))

    def _give_up(self, some: Iterable[Outgoing], reason: str) -> None:
        for one in some:
            self._metrics.alerts_sent.labels(self._sink.name, "given_up").inc()
            _log.error("alert %s is given up for sink %s: %s", one.id, self._sink.name, reason)
            self._outbox.given_up(one, reason)


MakeSender = Callable[[Sink], Sender]
"""Makes what sends to a sink of one kind."""
