"""What belongs to no account: exchange rates, and what it cost to win and to keep customers."""

import random

import msgspec

from events.vocabulary import BOOK_SUBJECT
from services.demo.chance import below, between
from services.demo.company import PLANS, Market
from services.demo.dates import DAY_MS, HOUR_MS, MINUTE_MS, Month, iso_day
from services.demo.facts import COST, RATE, Account, Fact, JsonObject

# US dollars for one unit, in 1/10^8: where each currency starts, and where it is drawn back to.
_RATES_E8: dict[str, int] = {"EUR": 108_000_000, "GBP": 124_000_000, "JPY": 720_000, "KRW": 76_000}

_SALARY_USD = 6_500
_COMMISSION_PERCENT = 8
_SUPPORT_USD: dict[str, int] = {"smb": 9, "midmarket": 85, "enterprise": 900}
_SUPPORT_BASE_USD: dict[str, int] = {"smb": 1_500, "midmarket": 2_500, "enterprise": 3_000}


class Sales(msgspec.Struct):
    """A month's new customers by campaign, and what each seller sold (US dollars a year, at list prices)."""

    accounts_by_campaign: dict[str, int] = msgspec.field(default_factory=dict)
    sold_usd_by_owner: dict[str, int] = msgspec.field(default_factory=dict)

    def add(self, account: Account, signed: Fact) -> None:
        """Counts a new customer."""
        campaign = signed.data.get("campaign")
        if isinstance(campaign, str):
            self.accounts_by_campaign[campaign] = self.accounts_by_campaign.get(campaign, 0) + 1
        if account.owner:
            value = PLANS[account.deal.plan]["USD"] * account.deal.seats * 12 // 100
            self.sold_usd_by_owner[account.owner] = self.sold_usd_by_owner.get(account.owner, 0) + value


def rates(rng: random.Random, rates_e8: dict[str, int], month: Month) -> list[Fact]:
    """The month's rates, published at its first moment; `rates_e8` walks on."""
    facts = []
    for number, base in enumerate(rates_e8, start=1):
        now = rates_e8[base]
        rates_e8[base] = now + now * between(rng, -16, 16) // 1000 + (_RATES_E8[base] - now) // 12
        data: JsonObject = {"base": base, "quote": "USD", "rate": _decimal_e8(now)}
        data["effective_at"] = iso_day(month.first)
        facts.append(_booked(month, "rate", number, RATE, month.first * DAY_MS + number * 1000, data))
    return facts


def first_rates() -> dict[str, int]:
    """The rates of the first month, in 1/10^8 US dollars."""
    return dict(_RATES_E8)


def _decimal_e8(rate: int) -> str:
    """`76000` -> `0.00076`."""
    return f"{rate // 10**8}.{rate % 10**8:08d}".rstrip("0").rstrip(".")


def costs(rng: random.Random, market: Market, sales: Sales, active: dict[str, int]) -> list[Fact]:
    """What the month cost, booked on its last evening; `active` counts the customers kept, by segment."""
    month = market.month
    whole = (month.first, month.until)
    entries: list[JsonObject] = []
    for campaign in market.campaigns:
        won = sales.accounts_by_campaign.get(campaign.name, 0)
        spent = _about(rng, campaign.budget_usd + campaign.per_account_usd * won)
        extra: JsonObject = {"category": campaign.category, "campaign": campaign.name}
        entries.append(_cost("acquisition", spent, *whole, extra))
    for owner in market.sellers:
        commission = sales.sold_usd_by_owner.get(owner, 0) * _COMMISSION_PERCENT // 100
        extra = {"category": "sales", "owner": owner}
        entries.append(_cost("acquisition", (_SALARY_USD + commission) * 100, *whole, extra))
    for segment, count in active.items():
        spent = _about(rng, _SUPPORT_BASE_USD[segment] + _SUPPORT_USD[segment] * count)
        extra = {"category": "customer-success", "segment": segment}
        entries.append(_cost("retention", spent, *whole, extra))
    evening_ms = (month.until - 1) * DAY_MS + 18 * HOUR_MS
    return [
        _booked(month, "cost", number, COST, evening_ms + number * MINUTE_MS, data)
        for number, data in enumerate(entries, start=1)
    ]


def _about(rng: random.Random, usd: int) -> int:
    """An amount near that many dollars, in cents, as invoices are never round."""
    return usd * between(rng, 86, 114) + below(rng, 100)


def _cost(kind: str, amount_minor: int, first: int, until: int, extra: JsonObject) -> JsonObject:
    period: JsonObject = {"from": iso_day(first), "until": iso_day(until)}
    return {"kind": kind, "amount_minor": amount_minor, "currency": "USD"} | period | extra


def _booked(month: Month, noun: str, number: int, type_: str, time_ms: int, data: JsonObject) -> Fact:
    """A fact of the finance department."""
    event_id = f"finance-{noun}-{month.year}{month.number:02d}-{number:02d}"
    return Fact("/demo/finance", event_id, type_, BOOK_SUBJECT, time_ms, data)
