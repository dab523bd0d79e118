"""The alerter: follows the ledger behind the projections, and puts what fires into the outbox with its position."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import Final

from events import block as blocks
from events.adoption import is_sent
from events.block import Block
from events.facts import key_of
from projections.alerts import Alert, Message, message_of
from services import clock
from services.alerts.firing.cooling import Cooling
from services.alerts.firing.finding import Finder, Found
from services.alerts.memory import MEMORY_KEYS, OPEN, Memory
from services.alerts.outbox import HELD, OUTBOX_KEYS, Outbox, Outgoing, alert_of, written
from services.alerts.requests import Request
from services.alerts.rules.routing import State, escalation_id, on_the_way
from services.alerts.rules.silences import silent_until
from services.alerts.sending.windows import WINDOWS, Windows
from services.following import Follower
from services.ledgers.port import Ledger, StoredBlock, name_of
from services.metrics import Metrics
from services.views.port import START, Field, Gap, Position, Value, Views

FORMAT: Final = 1
"""The form of what is written; views of another form are built anew, as after a loss."""
BOOK: Final = "book"
"""Key of the views: what holds for the partition."""
FIGURES: Final = "reviewed"
DATES: Final = "foreseen"
LOOKS: Final = (FIGURES, DATES)
"""Fields of the book that say what was ever looked at: figures, and dates that come."""
_log: Final = logging.getLogger("revledger")

Reached = Callable[[int, int], Awaitable[None]]
"""(partition, height) -> returns once the projections have passed that block."""
Writes = dict[str, dict[Field, Value | None]]


class Alerter(Follower):
    """Keeps the alerts of one partition at the head of its ledger, in views of its own (`views`).

    `projected` are the views of the projector. What fires and the position are one commit; what is sent is taken out
    by another. So a crash before the commit finds the same again, under the same ids, and one after it sends.
    `stale` says why alerts are held back now, if they are; `input_at` when the last event was recorded; `reviewed`
    what of `LOOKS` was ever looked at.
    """

    # In the embedded form it shares its process with the gateway, and a look at each block by itself made requests wait
    # half as long again: so one read, one look and one commit for all that comes meanwhile. An alert has 100 ms.
    gather_seconds = 0.04

    def __init__(
        self,
        ledger: Ledger,
        views: Views,
        projected: Views,
        reached: Reached,
        state: State,
        metrics: Metrics,
        partition: int = 0,
        partitions: Sequence[int] = (0,),
        zone: tzinfo | None = None,
    ) -> None:
        super().__init__(ledger, views, partition)
        self._projected = projected
        self._reached = reached
        self._state = state
        self._metrics = metrics
        self._partitions = partitions
        self._zone = zone
        self._lock = asyncio.Lock()
        self._memory = Memory()
        self._cooling = Cooling()
        self._windows = Windows()
        self._open: dict[str, str] = {}
        self._floor = self._high = self._silent_until = 0
        self._is_lost = False
        self._fired = 0
        self._finder: Finder | None = None
        self.outbox: Final = Outbox()
        self.stale = ""
        self.input_at = 0
        self.reviewed: set[str] = set()

    @property
    def high(self) -> int:
        """How far this process has seen the views, whatever they have lost since."""
        return self._high

    @property
    def open(self) -> Mapping[str, str]:
        """The states that last, by name: the id of the alert that told of each."""
        return self._open

    async def save(self) -> None:
        """Writes what became of messages. Raises Fenced, ViewsUnavailable: then it is still to be written."""
        async with self._lock:
            writes = self.outbox.writes()
            if writes and not self._doubtful:
                await self._beside(writes)

    async def note(self, lasting: Mapping[str, Alert], look: str = FIGURES) -> None:
        """Takes states for granted that are there at the first look of a kind; raises as `save`.

        Whoever begins with alerts is told what changes from now on, not all that is so already.
        """
        async with self._lock:
            if not self._doubtful:
                self.reviewed.add(look)
                states: dict[Field, Value | None] = {name: alert.id for name, alert in lasting.items()}
                if await self._beside({OPEN: states}):
                    self._open.update({name: alert.id for name, alert in lasting.items()})
                else:
                    self.reviewed.discard(look)

    async def tell(
        self,
        fired: Mapping[str, Alert],
        resolved: Collection[str] = (),
        past: Collection[str] = (),
        *,
        is_first: bool = False,
    ) -> None:
        """Fires alerts on states that begin, by name, and tells of those that are over; raises as `save`.

        Nothing is told of those that are `past`. `is_first`: they go out also while others are held back, because
        they tell why.
        """
        async with self._lock:
            if self._doubtful:
                return
            new = {name: alert for name, alert in fired.items() if name not in self._open}
            over = [name for name in resolved if name in self._open]
            gone = [name for name in (*over, *past) if name in self._open]
            if not new and not gone:
                return
            messages = [(alert.rule, message_of(alert)) for alert in new.values()]
            messages += [one for name in over for one in self._memory.resolution(self._open[name])]
            for name in over:
                self.outbox.cancel(escalation_id(self._open[name]))
            due = clock.now() if is_first or not self.stale else HELD
            states: dict[Field, Value | None] = {name: alert.id for name, alert in new.items()}
            states.update(dict.fromkeys(gone))
            if await self._beside({OPEN: states}, new.values(), messages, due):
                self._open.update({name: alert.id for name, alert in new.items()})
                for name in gone:
                    self.outbox.settle(self._open.pop(name))

    async def answer(self, requests: Sequence[Request]) -> bool:
        """Does what is asked about alerts, once each; whether that is written down. Raises as `save`."""
        async with self._lock:
            writes = self._memory.answered(requests)
            if self._doubtful or not writes:
                return not self._doubtful
            for one in requests:
                if self._memory.is_new(one):
                    if one.what == "acknowledge":
                        self.outbox.cancel(escalation_id(one.alert))
                    else:
                        self.outbox.resend(one.alert, clock.now())
            return await self._beside(writes)

    async def _project(self, batch: Sequence[StoredBlock]) -> None:
        before, some = self._before, []
        for stored in batch:
            block = blocks.block_of(stored.data)
            blocks.check_next(before, block)
            some.append(block)
            before = block
            await asyncio.sleep(0)  # whoever else lives on this loop gets a turn after every block
        assert before is not None, "there is always a block"
        await self._reached(self._partition, before.header.height)
        found = await self._found(some)
        is_held = bool(self.stale) or await self._is_behind(before)
        async with self._lock:
            due = HELD if is_held else clock.now()
            alerts = [alert for alert in found.alerts if self._is_due(alert)]
            if is_held:
                alerts = [alert for alert in alerts if _key_behind(alert) not in found.retracted]
            messages = [(alert.rule, message_of(alert)) for alert in alerts]
            self._withdraw(found.retracted)
            self.input_at = max([self.input_at, *(one.header.recorded_at for one in some if is_sent(one.entries))])
            await self._commit(_position_after(before), {}, alerts, messages, due)
            self._before = before
        self._metrics.alerts_late.inc(found.late)

    async def _found(self, some: Sequence[Block]) -> Found:
        """What blocks lead to; those that were dealt with before the views lost it lead to no alerts."""
        rulebook = self._state.rulebook
        if self._finder is None or self._finder.rulebook is not rulebook:
            place = (self._partition, self._partitions, self._zone)
            name = await name_of(self._ledger)
            self._finder = Finder(name, rulebook, self._projected, *place)
        finder = self._finder
        quiet = [one for one in some if self._is_quiet(one)]
        past = await finder.find(quiet, is_silent=True)
        found = await finder.find(some[len(quiet) :])
        return Found(found.alerts, [*past.retracted, *found.retracted], found.late)

    async def _is_behind(self, last: Block) -> bool:
        """Whether a block is old, and not the last: what it says may have been taken back since."""
        limits = [rule.after_seconds for rule in self._state.rulebook.rules if rule.on == "lag"]
        if not limits or clock.now() - last.header.recorded_at <= min(limits) * 1_000_000:
            return False
        tail = await self._ledger.tail(self._partition)
        return tail is not None and tail.height > last.header.height

    def _is_quiet(self, block: Block) -> bool:
        return block.header.height < self._silent_until or block.header.recorded_at < self._floor

    def _is_due(self, alert: Alert) -> bool:
        """Whether an alert is told, which it is not so soon after another of its rule about the same."""
        if alert.id in self._memory:
            return False
        if self._cooling.is_due(self._state.rule(alert.rule), alert):
            return True
        self._metrics.alerts_cooled.labels(alert.rule).inc()
        return False

    async def _beside(
        self,
        writes: Writes,
        alerts: Iterable[Alert] = (),
        messages: Sequence[tuple[str, Message]] = (),
        due: int = 0,
    ) -> bool:
        """A commit that does not move the position; whether the views stood where they were left."""
        try:
            await self._commit(self._position, writes, alerts, messages, due)
        except Gap:
            self._doubtful = True
            return False
        except BaseException:
            self._doubtful = True
            raise
        return True

    async def _commit(
        self,
        position: Position,
        writes: Writes,
        alerts: Iterable[Alert],
        messages: Sequence[tuple[str, Message]],
        due: int,
    ) -> None:
        """Everything in one compare-and-set, and only then in memory."""
        going, windows = self._going(messages, due)
        bodies = dict(zip([alert.id for alert in alerts], [message.body for _, message in messages], strict=False))
        results = self.outbox.writes()
        kept = self._memory.fired(bodies)
        parts = [self._everything() if self._is_lost else {}, results, kept, writes, written(going), windows]
        fired = self._fired + len(bodies)
        book: dict[Field, Value | None] = {"format": FORMAT, "floor": self._floor, "input_at": self.input_at}
        book |= {"fired": fired, "silent": self._silent_until}
        book |= {look: int(look in self.reviewed) for look in LOOKS}
        whole = _merged([*parts, {BOOK: book}])
        await self._views.commit(self._partition, self._epoch, self._position.next_height, position, whole)
        self._is_lost, self._fired = False, fired
        self.outbox.saved(results)
        self.outbox.put(going)
        self._windows.apply(windows)
        self._memory.apply(_merged([kept, {key: some for key, some in writes.items() if key in MEMORY_KEYS}]))
        for rule, _ in messages:
            self._metrics.alerts_fired.labels(rule).inc()
        async with self._moved:
            self._position = position
            self._high = max(self._high, position.next_height)
            self._moved.notify_all()

    def _going(self, messages: Sequence[tuple[str, Message]], due: int) -> tuple[list[Outgoing], Writes]:
        """Messages of rules to each sink, with when they go, and the windows that leads to."""
        found: list[tuple[str, Outgoing]] = []
        for rule, message in messages:
            also = self.outbox.escalated_to(alert_of(message.id))
            some = on_the_way(self._state.route(rule), message, self._due_of(rule, due), also)
            found += [(rule, one) for one in some]
        return self._windows.placed(found, self._state.grouping, clock.now())

    def _due_of(self, rule_name: str, due: int) -> int:
        """When alerts of a rule go that could at a moment: later, if that is a time of silence."""
        rule, silences = self._state.rule(rule_name), self._state.rulebook.silences
        if due == HELD or rule is None or not silences:
            return due
        return silent_until(silences, rule, due, self._zone)

    def _everything(self) -> Writes:
        """All that is known, for views that have lost it."""
        states: dict[Field, Value | None] = dict(self._open.items())
        parts = (self._memory.everything(), self.outbox.everything(), self._windows.everything())
        return _merged([{OPEN: states}, *parts])

    def _withdraw(self, retracted: Iterable[str]) -> None:
        self.outbox.withdraw(self._memory.of_events(retracted))

    async def _reload(self) -> None:
        """Begins where the views stand. What this process knows, and views that went back do not, still holds."""
        async with self._lock:
            self._doubtful = True
            position = await self._views.position(self._partition) or START
            book = await self._views.read(self._partition, BOOK)
            self._before = await self._block_before(position) if position.next_height else None
            if position.next_height and (self._before is None or int(book.get(b"format", 0)) != FORMAT):
                await self._views.clear(self._partition)
                position, book, self._before = START, {}, None
            if position.next_height < self._high:
                _log.warning("the alerts of partition %s are read again: their views went back", self._partition)
                self._silent_until, self._is_lost = max(self._silent_until, self._high), True
            else:
                await self._load(book)
            self._position = position
            self._high = max(self._high, position.next_height)
            self._doubtful = False

    async def _load(self, book: Mapping[bytes, bytes]) -> None:
        keys = (OPEN, WINDOWS, *MEMORY_KEYS, *OUTBOX_KEYS)
        states, windows, alerts, acknowledged, asked, *held = await self._views.read_many(self._partition, keys)
        floor = clock.now() - self._state.rulebook.catch_up_seconds * 1_000_000
        self._floor = int(book.get(b"floor", floor))
        self.input_at = int(book.get(b"input_at", 0))
        self._fired = int(book.get(b"fired", 0))
        self._silent_until = max(self._silent_until, int(book.get(b"silent", 0)))
        self.reviewed = {look for look in LOOKS if int(book.get(look.encode(), 0))}
        self.outbox.load({key: some.values() for key, some in zip(OUTBOX_KEYS, held, strict=True)})
        self._windows.load(windows)
        self._open = {name.decode(): alert_id.decode() for name, alert_id in states.items()}
        self._cooling = Cooling()
        for one in self._memory.load(alerts.values(), acknowledged, asked):
            self._cooling.spoke(one.data.rule, one.subject, one.moment)


def _key_behind(alert: Alert) -> str:
    return "" if alert.event is None else key_of(alert.event.source, alert.event.id)


def _merged(parts: Iterable[Mapping[str, Mapping[Field, Value | None]]]) -> Writes:
    whole: Writes = {}
    for part in parts:
        for key, fields in part.items():
            whole.setdefault(key, {}).update(fields)
    return whole


def _position_after(last: Block) -> Position:
    header = last.header
    return Position(header.height + 1, last.hash, last.next_seq - 1, header.recorded_at, 0)
