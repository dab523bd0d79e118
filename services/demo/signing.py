"""Signing: how a new customer comes in, and how a lost one comes back."""

import random

from msgspec.structs import replace

from services.demo.chance import below, between, hit, pick, weighted
from services.demo.company import (
    BILLING,
    CAMPAIGN_PERCENT,
    CURRENCIES,
    INDUSTRIES,
    REGIONS,
    SEGMENT_SHARES,
    SEGMENTS,
    SELLER_GENEROSITY,
    SELLERS,
    Campaign,
    Market,
)
from services.demo.dates import DAY_MS, HOUR_MS, add_months, iso_day, some_day, working_hours
from services.demo.deals import drawn_deal, lines_of, setup_line
from services.demo.facts import CANCELLED, SIGNED, UPGRADED, Account, Deal, Fact, JsonObject, effective, told
from services.demo.leaving import leave

_TRIAL_DAYS = 14
_TRIAL_LOST_PERCENT = 30
_TRIAL_REASONS = (("low_usage", 38), ("price", 27), ("missing_feature", 20), ("competitor", 15))


def new_account(rng: random.Random, number: int, market: Market) -> tuple[Account, list[Fact]]:
    """A customer nobody knew before, and the facts of its first month."""
    name = weighted(rng, SEGMENT_SHARES)
    segment = SEGMENTS[name]
    region = weighted(rng, REGIONS)
    owner = pick(rng, market.sellers) if hit(rng, segment.has_seller_percent) else None
    campaign = pick(rng, market.campaigns) if hit(rng, CAMPAIGN_PERCENT) else None
    day = some_day(rng, market.month.first, market.month.until)
    start = _start(rng, name, day, market)
    account = Account(
        number=number,
        segment=name,
        region=region,
        industry=weighted(rng, INDUSTRIES),
        size=pick(rng, segment.sizes),
        currency=weighted(rng, CURRENCIES[region]),
        mood=between(rng, 34, 92) + (campaign.mood if campaign else 0),
        deal=drawn_deal(rng, segment, start, _generosity(owner)),
        owner=owner,
        quiet_until=market.month.index + 2,
    )
    return account, _first_month(rng, account, market, campaign, working_hours(rng, day), start)


def _start(rng: random.Random, segment: str, day: int, market: Market) -> int:
    """The first day of service: larger customers often start with the next month."""
    return market.month.until if segment != "smb" and hit(rng, 30) else day


def _generosity(owner: str | None) -> int:
    """How many points more often than usual this seller gives a discount."""
    return SELLER_GENEROSITY[SELLERS.index(owner) % 4] if owner else 0


def _first_month(
    rng: random.Random, account: Account, market: Market, campaign: Campaign | None, time_ms: int, start: int
) -> list[Fact]:
    """The signature, and what may follow at once: a lost trial, or an upgrade that may arrive before it."""
    segment = SEGMENTS[account.segment]
    extra: JsonObject = {} if campaign is None else {"campaign": campaign.name}
    extra["channel"] = weighted(rng, segment.channels)
    if account.deal.billing == "monthly" and hit(rng, segment.trial_percent):
        extra["trial_end"] = iso_day(start + _TRIAL_DAYS)
        signed = _signature(rng, account, time_ms, start, extra)
        return [signed, *_lost_trial(rng, account, market, time_ms, start)]
    if hit(rng, segment.setup_percent):
        extra["setup"] = True
    if not hit(rng, 5):
        return [_signature(rng, account, time_ms, start, extra)]
    late_ms = between(rng, 10, 25) * DAY_MS if hit(rng, 25) else 0
    signed = _signature(rng, account, time_ms, start, extra, late_ms)
    return [signed, *_early_upgrade(rng, account, time_ms, start)]


def _signature(
    rng: random.Random, account: Account, time_ms: int, start: int, extra: JsonObject, late_ms: int = 0
) -> Fact:
    """The signed contract; `setup` in `extra` asks for the one-time line."""
    term = _term(rng, account, start)
    lines = lines_of(account.deal, account.currency, start)
    if extra.pop("setup", False):
        lines.append(setup_line(account.deal, account.currency))
    data: JsonObject = {"contract_id": account.contract_id} | effective(start, time_ms)
    data |= {"currency": account.currency, "lines": lines}
    if term:
        data["term"] = term
    if account.owner:
        data["owner"] = account.owner
    data |= extra
    data["attributes"] = {
        "segment": account.segment,
        "industry": account.industry,
        "region": account.region,
        "size": account.size,
    }
    return told(account, SIGNED, time_ms, data, late_ms)


def _term(rng: random.Random, account: Account, start: int) -> JsonObject:
    """The term of a new contract, noted on the account too; empty for an open-ended one."""
    deal = account.deal
    fixed = hit(rng, SEGMENTS[account.segment].fixed_term_percent)
    if not fixed and BILLING[deal.billing].months < 12 and not (deal.billing == "quarterly" and hit(rng, 50)):
        account.term_end, account.auto_renew = None, True
        return {}
    months = 12 * len(deal.steps) or max(12, BILLING[deal.billing].months)
    account.term_end, account.auto_renew = add_months(start, months), not fixed
    term: JsonObject = {"start": iso_day(start), "end": iso_day(account.term_end)}
    return term | {"auto_renew": False} if fixed else term


def _lost_trial(rng: random.Random, account: Account, market: Market, time_ms: int, start: int) -> list[Fact]:
    """Some give a trial up before it ends, and a few of them come back later."""
    if not hit(rng, _TRIAL_LOST_PERCENT):
        return []
    leave(rng, account, market, return_percent=12)
    data: JsonObject = {"contract_id": account.contract_id, "effective_at": iso_day(start + _TRIAL_DAYS)}
    data |= {"reason": weighted(rng, _TRIAL_REASONS), "initiative": "voluntary"}
    notice_ms = time_ms + between(rng, 2, 12) * DAY_MS + below(rng, 600) * 1000
    return [told(account, CANCELLED, notice_ms, data)]


def _early_upgrade(rng: random.Random, account: Account, time_ms: int, start: int) -> list[Fact]:
    """More seats within days of the signature."""
    if account.deal.steps:
        return []
    account.deal = replace(account.deal, seats=account.deal.seats + between(rng, 1, 6))
    upgrade_ms = time_ms + between(rng, 2, 9) * DAY_MS + below(rng, 7200) * 1000 - HOUR_MS
    day = max(start, upgrade_ms // DAY_MS)
    data: JsonObject = {"contract_id": account.contract_id} | effective(day, upgrade_ms)
    data["lines"] = lines_of(account.deal, account.currency, day)
    return [told(account, UPGRADED, upgrade_ms, data)]


def come_back(rng: random.Random, account: Account, market: Market) -> list[Fact]:
    """A lost customer signs again: the old contract or a new one, a little smaller, in the same currency."""
    if hit(rng, 50):
        account.contracts += 1
        account.contract = account.contracts
    day = some_day(rng, market.month.first, market.month.until)
    old = account.deal
    account.deal = Deal(old.plan, max(1, old.seats * between(rng, 55, 105) // 100), old.billing)
    account.mood, account.phase, account.quiet_until = between(rng, 45, 85), "active", market.month.index + 2
    channel: JsonObject = {"channel": "win-back"}
    return [_signature(rng, account, working_hours(rng, day), day, channel)]
