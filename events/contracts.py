"""One contract over time: what each fact makes of it, and what its lines are worth on a day."""

from collections.abc import Callable
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from events.days import FIRST_DAY
from events.facts import NEVER, Fact, Pairs
from events.pricing import PricedLine, value_on

Cause = tuple[str, str]
"""Reason and initiative of a loss, empty where none was given."""

NO_CAUSE: Final[Cause] = ("", "")
EXPIRED: Final[Cause] = ("expired", "voluntary")
PAUSED: Final[Cause] = ("paused", "voluntary")


class Contract(Struct, frozen=True, gc=False):
    """A contract after some facts; `closed` tells why it is closed, None while it is open."""

    currency: str
    lines: tuple[PricedLine, ...]
    seller: Pairs
    expires: int
    term_months: int
    trial_end: int
    paused: bool = False
    closed: Cause | None = None

    @property
    def labels(self) -> Pairs:
        """What one can group its revenue by, besides plan and product."""
        return (*self.seller, ("term_months", str(self.term_months))) if self.term_months else self.seller

    def counts_on(self, day: int) -> bool:
        """Whether its lines are revenue on a day, seen from its last fact on."""
        return self.closed is None and not self.paused and self.trial_end <= day < self.expires

    def values_on(self, day: int) -> list[tuple[PricedLine, int]]:
        """The lines that count on a day, with their annual_e4: above 0, or 0 where a free line counts too."""
        values: list[tuple[PricedLine, int]] = []
        if self.counts_on(day):
            for line in self.lines:
                value = value_on(line.steps, day)
                if value:
                    values.append((line, max(0, value)))
        return values

    def turns(self) -> set[int]:
        """The days on which its value may change without a further fact."""
        days: set[int] = set()
        if self.closed is not None or self.paused:
            return days
        for line in self.lines:
            if len(line.steps) > 1:
                days.update([day for day, _ in line.steps])
        if self.trial_end > FIRST_DAY:
            days.add(self.trial_end)
        if self.expires < NEVER:
            days.add(self.expires)
        days.discard(FIRST_DAY)
        return days

    def cause_on(self, day: int) -> Cause:
        """Why it is worth nothing on a day, as far as somebody said."""
        if self.closed is not None:
            return self.closed
        if self.expires <= day:
            return EXPIRED
        return PAUSED if self.paused else NO_CAUSE


def after_fact(contract: Contract | None, fact: Fact) -> Contract | None:
    """The contract after one more fact in order of effect; None while nobody has signed it."""
    if fact.kind == "signed":
        return _signed(fact)
    if contract is None:
        return None
    if contract.closed is None and contract.expires < fact.day:
        contract = replace(contract, closed=EXPIRED, paused=False)
    return _RULES[fact.kind](contract, fact)


def _signed(fact: Fact) -> Contract:
    lines = fact.lines or ()
    return Contract(fact.currency, lines, fact.seller, fact.expires, fact.term_months, fact.trial_end)


def _amended(contract: Contract, fact: Fact) -> Contract:
    return contract if contract.closed else replace(contract, lines=fact.lines)


def _renewed(contract: Contract, fact: Fact) -> Contract:
    lines = contract.lines if fact.lines is None else fact.lines
    return replace(contract, lines=lines, expires=fact.expires, term_months=fact.term_months, closed=None)


def _cancelled(contract: Contract, fact: Fact) -> Contract:
    return contract if contract.closed else replace(contract, closed=(fact.reason, fact.initiative), paused=False)


def _paused(contract: Contract, _fact: Fact) -> Contract:
    return contract if contract.closed else replace(contract, paused=True)


def _resumed(contract: Contract, _fact: Fact) -> Contract:
    return contract if contract.closed else replace(contract, paused=False)


_RULES: Final[dict[str, Callable[[Contract, Fact], Contract]]] = {
    "amended": _amended,
    "renewed": _renewed,
    "cancelled": _cancelled,
    "paused": _paused,
    "resumed": _resumed,
}
