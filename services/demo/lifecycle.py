"""One account's story, told month by month: what it does depends on its segment and on its mood."""

import random
from collections.abc import Callable
from typing import TypeAlias

from services.demo.chance import below, between, hit, pick
from services.demo.company import GROWS_INTO, SEGMENTS, Market
from services.demo.dates import DAY_MS, MINUTE_MS, some_day, working_hours
from services.demo.deals import enlarged, insights_line, lines_of, outgrown, reduced
from services.demo.facts import (
    CHANGED,
    DOWNGRADED,
    PAUSED,
    RESUMED,
    SIGNED,
    UPGRADED,
    Account,
    Deal,
    Fact,
    JsonObject,
    effective,
    told,
)
from services.demo.leaving import cancellation, failed_payment, side_cancellation
from services.demo.renewals import term_ends
from services.demo.signing import come_back
from services.demo.surveys import surveys

Chapter: TypeAlias = Callable[[random.Random, Account, Market], list[Fact]]


def month_of(rng: random.Random, account: Account, market: Market) -> list[Fact]:
    """What an account that has signed before does in one month; its state moves on."""
    return _PHASES[account.phase](rng, account, market)


def _active(rng: random.Random, account: Account, market: Market) -> list[Fact]:
    """A month of a paying customer: perhaps an answer to a survey, and at most one act about the contract."""
    account.mood = max(
        5, min(98, account.mood + between(rng, -9, 9) + (account.mood < 55) - (account.mood > 80))
    )
    facts = surveys(rng, account, market)
    if market.month.index < account.quiet_until:
        return facts
    band = (account.mood >= 48) + (account.mood >= 68)
    if account.term_end is not None and account.term_end < market.month.horizon:
        return facts + term_ends(rng, account, market, band)
    roll = below(rng, 10_000)
    for act, odds in _ODDS[account.segment]:
        roll -= odds[band]
        if roll < 0:
            return facts + act(rng, account, market)
    return facts


def _away(rng: random.Random, account: Account, market: Market) -> list[Fact]:
    """A lost customer comes back in the month it is due."""
    return come_back(rng, account, market) if market.month.index >= account.due else []


def _paused(rng: random.Random, account: Account, market: Market) -> list[Fact]:
    """A paused customer resumes in the month it is due, or gives up."""
    if market.month.index < account.due:
        return []
    moment = _moment(rng, market)
    if hit(rng, 18):
        return cancellation(rng, account, market, moment, None)
    account.phase = "active"
    data: JsonObject = {"contract_id": account.contract_id} | effective(moment // DAY_MS, moment)
    return [told(account, RESUMED, moment, data)]


_PHASES: dict[str, Chapter] = {"active": _active, "away": _away, "paused": _paused}


def _moment(rng: random.Random, market: Market) -> int:
    return working_hours(rng, some_day(rng, market.month.first, market.month.until))


def _cancel(rng: random.Random, account: Account, market: Market) -> list[Fact]:
    """Only contracts without a term can be cancelled at any time."""
    if account.term_end is not None:
        return []
    return cancellation(rng, account, market, _moment(rng, market), None)


def _upgrade(rng: random.Random, account: Account, market: Market) -> list[Fact]:
    facts = _amendment(rng, account, market, UPGRADED, enlarged(rng, account.deal))
    if not facts or not outgrown(account.segment, account.deal):
        return facts
    account.segment = GROWS_INTO[account.segment]
    account.size = SEGMENTS[account.segment].sizes[0]
    moment = facts[0].time_ms + between(rng, 1, 180) * MINUTE_MS
    return [*facts, _changed(account, moment, {"segment": account.segment, "size": account.size})]


def _downgrade(rng: random.Random, account: Account, market: Market) -> list[Fact]:
    return _amendment(rng, account, market, DOWNGRADED, reduced(rng, account.deal))


def _amendment(rng: random.Random, account: Account, market: Market, type_: str, deal: Deal) -> list[Fact]:
    """A changed deal: from today, from the first of next month, or (seldom) as agreed some days ago."""
    if deal == account.deal:
        return []
    moment = _moment(rng, market)
    today = moment // DAY_MS
    roll = below(rng, 100)
    day = today if roll < 74 else market.month.until if roll < 96 else max(today - 6, market.month.first)
    account.deal = deal
    data: JsonObject = {"contract_id": account.contract_id} | effective(day, moment)
    data["lines"] = lines_of(deal, account.currency, day)
    return [told(account, type_, moment, data)]


def _pause(rng: random.Random, account: Account, market: Market) -> list[Fact]:
    """Seasonal businesses pause for one to three months; a term cannot be paused."""
    if account.term_end is not None:
        return []
    account.phase, account.due = "paused", market.month.index + between(rng, 1, 3)
    moment = _moment(rng, market)
    data: JsonObject = {"contract_id": account.contract_id} | effective(moment // DAY_MS, moment)
    return [told(account, PAUSED, moment, data)]


def _side(rng: random.Random, account: Account, market: Market) -> list[Fact]:
    """A second contract beside the first is signed, or ends alone."""
    moment = _moment(rng, market)
    if account.side_contract:
        return side_cancellation(rng, account, moment, market.month.until)
    account.contracts += 1
    account.side_contract = account.contracts
    data: JsonObject = {"contract_id": account.side_contract_id} | effective(moment // DAY_MS, moment)
    data |= {"currency": account.currency, "lines": [insights_line(account.currency)]}
    data["channel"] = "cross-sell"
    if account.owner:
        data["owner"] = account.owner
    return [told(account, SIGNED, moment, data)]


def _change(rng: random.Random, account: Account, market: Market) -> list[Fact]:
    """The customer grew, moved to another industry, or became (or no longer is) a public reference."""
    moment = _moment(rng, market)
    attributes: JsonObject
    if account.reference or (account.mood >= 68 and hit(rng, 40)):
        account.reference = not account.reference
        attributes = {"reference": "yes" if account.reference else None}
    else:
        account.size = pick(rng, SEGMENTS[account.segment].sizes)
        attributes = {"size": account.size}
    return [_changed(account, moment, attributes)]


def _changed(account: Account, moment: int, attributes: JsonObject) -> Fact:
    return told(account, CHANGED, moment, effective(moment // DAY_MS, moment) | {"attributes": attributes})


# What happens in how many of 10,000 account-months, by mood: unhappy, neutral, happy.
_Odds: TypeAlias = tuple[tuple[Chapter, tuple[int, int, int]], ...]
_ODDS: dict[str, _Odds] = {
    "smb": (
        (_cancel, (620, 160, 60)),
        (_upgrade, (180, 560, 880)),
        (_downgrade, (460, 200, 80)),
        (_pause, (190, 120, 50)),
        (failed_payment, (440, 380, 320)),
        (_side, (0, 4, 12)),
        (_change, (30, 50, 80)),
    ),
    "midmarket": (
        (_cancel, (330, 100, 40)),
        (_upgrade, (220, 640, 980)),
        (_downgrade, (480, 190, 80)),
        (_pause, (90, 50, 10)),
        (failed_payment, (220, 180, 140)),
        (_side, (60, 60, 110)),
        (_change, (60, 90, 130)),
    ),
    "enterprise": (
        (_cancel, (0, 0, 0)),
        (_upgrade, (220, 600, 940)),
        (_downgrade, (380, 130, 60)),
        (_pause, (0, 0, 0)),
        (failed_payment, (60, 50, 40)),
        (_side, (80, 110, 170)),
        (_change, (60, 80, 110)),
    ),
}
