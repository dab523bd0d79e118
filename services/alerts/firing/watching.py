"""Watching: whether input, alerts and projections keep pace; what is stale is told first, and holds the rest back."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from events.days import text_of_moment
from events.vocabulary import BOOK_SUBJECT
from projections.alerts import Alert, Position, alert_id
from projections.rules import OF_OPERATION, Rule
from services import clock, shown
from services.alerts.alerter import Alerter
from services.alerts.rules.routing import State
from services.ledgers.port import Ledger, name_of
from services.views.port import START, Views

STATE: Final = "~"
"""What the names of the states begin with that tell of operation."""


LEVEL_MICROS: Final = 2_000_000
"""How old the oldest block may be that the projections lack when figures are looked at."""


class Behind(Struct, frozen=True):
    """How far something is behind: for so many microseconds, and in words."""

    micros: int
    words: str


class Watch:
    """Looks after one partition; its alerter tells what it finds."""

    def __init__(self, ledger: Ledger, projected: Views, alerter: Alerter, state: State, partition: int) -> None:
        self._ledger = ledger
        self._projected = projected
        self._alerter = alerter
        self._state = state
        self._partition = partition
        self._started = clock.now()

    async def look(self) -> None:
        """Tells what has become stale and what is not any more; then what was held back goes, if nothing is stale.

        Raises LedgerUnavailable, ViewsUnavailable, Fenced.
        """
        rules = [rule for rule in self._state.rulebook.rules if rule.on in OF_OPERATION]
        behind = await self._behind() if rules else {}
        late = {rule.name: rule for rule in rules if _is_late(rule, behind)}
        over = [name for name in self._alerter.open if name.startswith(STATE) and name[len(STATE) :] not in late]
        told = [rule for rule in late.values() if self._had_time(rule)]
        fired = {STATE + rule.name: await self._alert(rule, behind[rule.on]) for rule in told}
        self._alerter.stale = "; ".join(behind[rule.on].words for rule in late.values())
        await self._alerter.tell(fired, over, is_first=True)
        if not self._alerter.stale:
            self._alerter.outbox.release(clock.now())

    def _had_time(self, rule: Rule) -> bool:
        """Whether this process has run for so long: what it found behind it may yet catch up with."""
        return clock.now() - self._started > rule.after_seconds * 1_000_000

    async def is_level(self) -> bool:
        """Whether the projections are as good as at the head of the ledger."""
        position = await self._projected.position(self._partition) or START
        return await self._age(position.next_height, clock.now()) <= LEVEL_MICROS

    async def _behind(self) -> Mapping[str, Behind]:
        now = clock.now()
        alerts = await self._age(self._alerter.position.next_height, now)
        position = await self._projected.position(self._partition) or START
        views = await self._age(position.next_height, now)
        quiet = now - max(self._alerter.input_at, self._started)
        last = self._alerter.input_at
        since = f"; the last was recorded at {text_of_moment(last // 1_000_000 * 1_000_000)}" if last else ""
        name = f"partition {self._partition}"
        return {
            "lag": Behind(alerts, f"the alerts of {name} are {_age(alerts)} behind the ledger"),
            "projection_behind": Behind(views, f"the projections of {name} are {_age(views)} behind the ledger"),
            "input_stalled": Behind(quiet, f"no event has come to {name} for {_age(quiet)}{since}"),
        }

    async def _age(self, height: int, now: int) -> int:
        """For how long the ledger has had the block of a height; 0 if it has none yet."""
        async for block in self._ledger.read(self._partition, height, height + 1):
            return max(0, now - block.recorded_at)
        return 0

    async def _alert(self, rule: Rule, behind: Behind) -> Alert:
        """The alert of a rule; a ledger that has no block, and so no name, is told by when this process started."""
        ledger, height = await name_of(self._ledger), self._alerter.position.next_height - 1
        return Alert(
            id=alert_id(ledger, rule.name, self._partition, height if ledger else self._started, BOOK_SUBJECT),
            rule=rule.name,
            kind=rule.on,
            severity=rule.severity,
            subject=BOOK_SUBJECT,
            summary=behind.words,
            recorded_at=clock.now(),
            position=Position(self._partition, height),
            reason=behind.words,
            explain="revledger status",
        )


def _is_late(rule: Rule, behind: Mapping[str, Behind]) -> bool:
    return behind[rule.on].micros > rule.after_seconds * 1_000_000


def _age(micros: int) -> str:
    return shown.age(micros // 1_000_000)


