"""Replaying alerts: what rules would have fired on in a part of the ledger, told in the order it was recorded in."""

from collections.abc import AsyncIterator
from datetime import tzinfo

from msgspec import Struct
from msgspec.structs import replace

from events import block as blocks
from events.adoption import is_sent
from events.block import Genesis
from events.days import DAY_MICROSECONDS, day_of_moment, text_of_moment
from events.vocabulary import BOOK_SUBJECT
from projections.alerts import Alert, Position, alert_id
from projections.rules import Rule
from services import shown
from services.adoptions import begun_under, policies_of
from services.alerts.firing.cooling import Cooling, Settling
from services.alerts.firing.finding import Finder
from services.alerts.firing.foreseeing import foreseen, is_dated, past_dates
from services.alerts.firing.reviewing import by_state, reviewed
from services.alerts.firing.unusual import Past, days_of
from services.alerts.rules.rulebook import Rulebook
from services.ledgers.port import Chains, StoredBlock, name_of
from services.policies import zone_of
from services.projector import Projector
from services.reports import Reports
from services.views.memory import memory_views


class Replayed(Struct, frozen=True):
    """One alert that would have been sent; `is_over` where it tells that a figure came back."""

    alert: Alert
    is_over: bool = False


class Span(Struct, frozen=True):
    """From when until when blocks were recorded that are looked at, in microseconds; None: as far as there are any."""

    start: int | None
    until: int | None

    def within(self, first: int, last: int) -> tuple[int, int]:
        """Both ends, of a ledger whose blocks were recorded between two moments."""
        return (first if self.start is None else self.start, last + 1 if self.until is None else self.until)


class Replay:
    """One pass over a ledger, into views of its own in memory; nothing is sent and nothing is written."""

    def __init__(self, ledger: Chains, genesis: Genesis, rulebook: Rulebook, span: tuple[int, int]) -> None:
        self._ledger = ledger
        self._name = ""
        self._rulebook = rulebook
        self._start, self._until = span
        self._zone: tzinfo | None = zone_of(genesis.policy)
        self._partitions = range(genesis.partitions)
        self._views = memory_views()
        self._projectors = [Projector(ledger, self._views, partition) for partition in self._partitions]
        self._reports = Reports(ledger, self._views, begun_under(genesis.policy), self._partitions)
        self._heights = dict.fromkeys(self._partitions, 0)
        self._finders: list[Finder] = []
        self._rules = {rule.name: rule for rule in rulebook.rules}
        self._cooling = Cooling()
        self._settling = Settling()
        self._past = Past()
        self._is_dated = any(rule.on == "unusual" for rule in rulebook.rules)
        self._open: dict[str, Alert] = {}
        self._input_at = 0
        self.late = 0
        self.blocks = 0

    async def run(self) -> AsyncIterator[Replayed]:
        """What would have been sent, in order; figures are looked at as each day of the span ends.

        Raises LedgerError, BlockDamaged.
        """
        await self._begin()
        day = day_of_moment(self._start, self._zone)
        async for stored in self._recorded():
            if stored.recorded_at >= self._until:
                break
            now = day_of_moment(stored.recorded_at, self._zone)
            while day < now:
                async for one in self._reviewed(day):
                    yield one
                day += 1
            async for one in self._found(stored):
                yield one
        while day < day_of_moment(self._until - 1, self._zone) + 1:
            async for one in self._reviewed(day):
                yield one
            day += 1
        for alert in self._stalled(self._until):
            yield Replayed(alert)

    async def _begin(self) -> None:
        policies = await policies_of(self._ledger)
        if policies is not None:
            self._reports = Reports(self._ledger, self._views, policies, self._partitions)
        self._name = await name_of(self._ledger)
        self._finders = [self._finder(partition) for partition in self._partitions]
        for projector in self._projectors:
            await projector.start()

    def _finder(self, partition: int) -> Finder:
        place = (partition, self._partitions, self._zone)
        return Finder(self._name, self._rulebook, self._views, *place)

    async def _recorded(self) -> AsyncIterator[StoredBlock]:
        """The blocks of all partitions in the order they were recorded in."""
        coming = {partition: self._ledger.read(partition) for partition in self._partitions}
        heads = {partition: await anext(some, None) for partition, some in coming.items()}
        while some := [block for block in heads.values() if block is not None]:
            first = min(some, key=lambda block: (block.recorded_at, block.partition))
            yield first
            heads[first.partition] = await anext(coming[first.partition], None)

    async def _found(self, stored: StoredBlock) -> AsyncIterator[Replayed]:
        """What one block fires; blocks in which nothing happens are folded together later."""
        is_within = stored.recorded_at >= self._start
        self.blocks += 1
        block = blocks.block_of(stored.data)
        if is_sent(block.entries):
            for alert in self._stalled(stored.recorded_at) if is_within else ():
                yield Replayed(alert)
            self._input_at = stored.recorded_at
        self._heights[stored.partition] = stored.height + 1
        if self._is_dated and (days := days_of(block)):
            self._past.changed(min(days))
        finder = self._finders[stored.partition]
        if not is_within or not finder.concerns(block):
            return
        await self._catch_up()
        found = await finder.find([block])
        self.late += found.late
        for alert in found.alerts:
            if self._cooling.is_due(self._rules.get(alert.rule), alert):
                yield Replayed(alert)

    async def _reviewed(self, day: int) -> AsyncIterator[Replayed]:
        """What figures cross as a day ends, which come back, and what dates that come are told of."""
        await self._catch_up()
        end = (day + 1) * DAY_MICROSECONDS
        found = await reviewed(self._reports, self._rulebook.rules, day, end)
        dates = await foreseen(self._reports, self._rulebook.rules, day, end, self._past)
        for name in past_dates(self._open, day):
            del self._open[name]
        lasting = [name for name in self._open if not is_dated(name)]
        for name in self._settling.over(lasting, found.beyond, by_state(lasting, self._rulebook.rules), end):
            yield Replayed(replace(self._open.pop(name), recorded_at=end), is_over=True)
        for name, alert in {**found.beyond, **dates.beyond}.items():
            if name not in self._open:
                self._open[name] = alert
                yield Replayed(alert)

    def _stalled(self, now: int) -> list[Alert]:
        """The alerts of an input from which nothing had come for too long by a moment; they tell when that began."""
        if not self._input_at:
            return []
        rules = [rule for rule in self._rulebook.rules if rule.on == "input_stalled"]
        alerts = [self._stall(rule) for rule in rules]
        return [one for one in alerts if self._start <= one.recorded_at < now]

    def _stall(self, rule: Rule) -> Alert:
        since = self._input_at
        height = max(self._heights.values()) - 1
        last = text_of_moment(since // 1_000_000 * 1_000_000)
        words = f"no event has come for {shown.age(rule.after_seconds)}; the last was recorded at {last}"
        return Alert(
            id=alert_id(self._name, rule.name, 0, height, BOOK_SUBJECT),
            rule=rule.name,
            kind=rule.on,
            severity=rule.severity,
            subject=BOOK_SUBJECT,
            summary=words,
            recorded_at=since + rule.after_seconds * 1_000_000,
            position=Position(0, height),
            reason=words,
        )

    async def _catch_up(self) -> None:
        for projector, height in zip(self._projectors, self._heights.values(), strict=True):
            await projector.catch_up(height)
