"""The reviewer: looks at figures, or at dates that come, again and again, and lets an alerter tell what it finds."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import tzinfo
from typing import Final

from msgspec import Struct

from events.days import day_of_moment
from projections.rules import Rule
from services import clock
from services.alerts.alerter import DATES, FIGURES, Alerter
from services.alerts.firing.cooling import Settling
from services.alerts.firing.foreseeing import foreseen, is_dated, past_dates
from services.alerts.firing.reviewing import Reviewed, by_state, reviewed
from services.alerts.firing.watching import STATE, Watch
from services.alerts.rules.rulefile import RuleFile
from services.reports import Reports

SHARE: Final = 20
"""Where a look takes long, that many times as long is between two."""
CLAIM_SECONDS: Final = 0.05
AGAIN_SECONDS: Final = 5.0
"""After so long it is tried again where there was nothing to see yet."""
_log: Final = logging.getLogger("revledger")


class Look(Struct, frozen=True):
    """A kind of look: what finds, and how many seconds are between two at least."""

    name: str
    finds: Callable[[Reports, Iterable[Rule], int, int], Awaitable[Reviewed]]
    seconds: float


LOOKS: Final = (Look(FIGURES, reviewed, 5.0), Look(DATES, foreseen, 60.0))


class Reviewer:
    """Looks for one alerter in one way."""

    def __init__(
        self, look: Look, alerter: Alerter, watch: Watch, rules: RuleFile, reports: Reports, zone: tzinfo | None
    ) -> None:
        self._look = look
        self._alerter = alerter
        self._watch = watch
        self._rules = rules
        self._reports = reports
        self._zone = zone
        self._told: Mapping[str, str] = {}
        self._settling = Settling()

    async def review(self) -> None:
        """Looks once, unless what there is to see is stale, and waits. Raises ViewsError, LedgerUnavailable."""
        started = asyncio.get_running_loop().time()
        if not self._alerter.is_claimed:
            await asyncio.sleep(CLAIM_SECONDS)
            return
        if self._alerter.stale or not await self._watch.is_level():
            await asyncio.sleep(AGAIN_SECONDS)
            return
        await self._tell()
        took = asyncio.get_running_loop().time() - started
        await asyncio.sleep(max(self._look.seconds, SHARE * took))

    async def _tell(self) -> None:
        now = clock.now()
        today = day_of_moment(now, self._zone)
        rules = self._rules.state.rulebook.rules
        found = await self._look.finds(self._reports, rules, today, now)
        if not await self._watch.is_level():
            return  # the views lost something meanwhile: what was found may be of nothing
        if self._look.name not in self._alerter.reviewed:
            await self._alerter.note(found.beyond, self._look.name)
        elif self._look.name == DATES:
            await self._alerter.tell(found.beyond, past=past_dates(self._alerter.open, today))
        else:
            lasting = [name for name in self._alerter.open if not name.startswith(STATE) and not is_dated(name)]
            over = self._settling.over(lasting, found.beyond, by_state(lasting, rules), now)
            await self._alerter.tell(found.beyond, over)
        for rule, problem in found.wrong.items():
            if self._told.get(rule) != problem:
                _log.warning("the rule %s finds nothing: %s", rule, problem)
        self._told = found.wrong
