"""A fact as its source system knows it, and the customer it is about."""

from typing import TypeAlias

import msgspec

from services.demo.company import Prices
from services.demo.dates import iso_day, iso_time

JsonObject: TypeAlias = dict[str, object]

SIGNED = "revledger.contract.signed.v1"
UPGRADED = "revledger.contract.upgraded.v1"
DOWNGRADED = "revledger.contract.downgraded.v1"
RENEWED = "revledger.contract.renewed.v1"
CANCELLED = "revledger.contract.cancelled.v1"
PAUSED = "revledger.contract.paused.v1"
RESUMED = "revledger.contract.resumed.v1"
CHANGED = "revledger.account.changed.v1"
ANSWERED = "revledger.survey.answered.v1"
COST = "revledger.cost.recorded.v1"
FAILED = "revledger.payment.failed.v1"
RECOVERED = "revledger.payment.recovered.v1"
RATE = "revledger.rate.published.v1"
RETRACTED = "revledger.event.retracted.v1"

_SOURCES: dict[str, str] = {CHANGED: "crm", ANSWERED: "surveys", COST: "finance", RATE: "finance"}


class Fact(msgspec.Struct, frozen=True):
    """One thing that happened; `late_ms` is how much later than usual its source is known to have told it."""

    source: str
    id: str
    type: str
    subject: str
    time_ms: int
    data: JsonObject
    late_ms: int = 0


class Discount(msgspec.Struct, frozen=True):
    """Tenths of a percent off the seats, until a day or for ever; `as_amount` writes them as money."""

    percent_tenths: int
    until: int | None
    label: str
    as_amount: bool = False


class Step(msgspec.Struct, frozen=True):
    """One step of a ramp: so many seats in [first, until)."""

    first: int
    until: int | None
    seats: int


class Deal(msgspec.Struct, frozen=True):
    """What a customer has agreed to pay for."""

    plan: str
    seats: int
    billing: str
    add_ons: tuple[str, ...] = ()
    discount: Discount | None = None
    uplift_percent: int = 0
    steps: tuple[Step, ...] = ()
    usage_units: int = 0


class Account(msgspec.Struct):
    """A customer during the simulation; mutable, since a company may have a hundred thousand, month by month.

    `term_end` is None for a contract without one. `due` is the month in which a pause ends or a lost customer
    comes back; before the month `quiet_until` nothing happens to the contract.
    """

    number: int
    segment: str
    region: str
    industry: str
    size: str
    currency: str
    mood: int
    deal: Deal
    phase: str = "active"
    events: int = 0
    contracts: int = 1
    contract: int = 1
    side_contract: int = 0
    term_end: int | None = None
    auto_renew: bool = True
    due: int = 0
    quiet_until: int = 0
    owner: str | None = None
    reference: bool = False

    @property
    def subject(self) -> str:
        """The account id."""
        return f"acct-{self.number:06d}"

    @property
    def contract_id(self) -> str:
        """The id of the main contract."""
        return f"sub-{self.number:06d}-{self.contract}"

    @property
    def side_contract_id(self) -> str:
        """The id of the second contract; only while there is one."""
        return f"sub-{self.number:06d}-{self.side_contract}"


def told(account: Account, type_: str, time_ms: int, data: JsonObject, late_ms: int = 0) -> Fact:
    """The next fact about an account, with an id that its source never gives again."""
    account.events += 1
    source = _SOURCES.get(type_, "billing")
    event_id = f"{source}-{account.number:06d}-{account.events:02d}"
    return Fact(f"/demo/{source}", event_id, type_, account.subject, time_ms, data, late_ms)


def effective(day: int, time_ms: int) -> JsonObject:
    """The `effective_at` of a fact: often left out where it is the day of `time`, at times a moment."""
    if day != time_ms // 86_400_000:
        return {"effective_at": iso_day(day)}
    kind = time_ms // 1000 % 8
    if kind == 0:
        return {"effective_at": iso_time(time_ms)}
    return {} if kind < 5 else {"effective_at": iso_day(day)}


def price(prices: Prices, currency: str, percent: int, uplift_percent: int) -> int:
    """A monthly list price for one interval (`percent` of a month) after price rises, in minor units."""
    return prices[currency] * percent * (100 + uplift_percent) // 10_000
