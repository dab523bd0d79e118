"""Leaving: cancellations with their reasons and notice, by the customer or for want of payment."""

import random

from services.demo.chance import Weighted, below, between, hit, pick, weighted
from services.demo.company import BILLING, Market
from services.demo.dates import DAY_MS, MINUTE_MS, iso_day, iso_time, night
from services.demo.deals import invoice_minor
from services.demo.facts import CANCELLED, FAILED, RECOVERED, Account, Fact, JsonObject, told

_REASONS_UNHAPPY: Weighted[str] = (
    ("poor_support", 24),
    ("missing_feature", 22),
    ("competitor", 24),
    ("price", 18),
    ("low_usage", 12),
)
_REASONS_CONTENT: Weighted[str] = (
    ("price", 22),
    ("no_longer_needed", 20),
    ("budget_cut", 20),
    ("competitor", 14),
    ("acquired", 9),
    ("company_closed", 9),
    ("other", 6),
)
_WORDS: dict[str, tuple[str, ...]] = {
    "poor_support": ("Tickets stayed open for weeks.", "We never reached anybody who could help."),
    "missing_feature": ("We need approval flows.", "No offline mode.", "한국어 보고서가 없습니다."),
    "competitor": ("Moved to another tool after a trial.", "Our parent company uses another product."),
    "price": ("The price rise was too much.", "Half of the seats were idle."),
    "low_usage": ("Hardly anybody logged in.",),
    "no_longer_needed": ("The project is over.",),
    "budget_cut": ("All tools under review this quarter.", "Hiring freeze."),
    "acquired": ("We were acquired and use their systems now.",),
    "company_closed": ("We are winding up.",),
    "other": ("",),
}
_FAILURES: Weighted[str] = (
    ("card_declined", 48),
    ("insufficient_funds", 27),
    ("card_expired", 20),
    ("fraud_check", 5),
)


def leave(rng: random.Random, account: Account, market: Market, return_percent: int) -> None:
    """The customer goes: for ever, or until the month in which it will sign again."""
    account.phase = "away" if hit(rng, return_percent) else "gone"
    account.due = market.month.index + between(rng, 3, 9)


def cancellation(
    rng: random.Random, account: Account, market: Market, time_ms: int, end: int | None
) -> list[Fact]:
    """Notice given at `time_ms` for the end of the term; without one, at once or with the period paid for."""
    leave(rng, account, market, return_percent=14)
    today = time_ms // DAY_MS
    data: JsonObject = {"contract_id": account.contract_id}
    last = end
    if last is None and hit(rng, 65):
        last = market.month.until if hit(rng, 60) else today + 30
    if last is not None:
        data["effective_at"] = iso_day(last)
    elif hit(rng, 20):
        data["effective_at"] = iso_time(time_ms)
    if hit(rng, 93):
        data |= _why(rng, account)
    data["initiative"] = "voluntary"
    side = side_cancellation(rng, account, time_ms + MINUTE_MS, last if last is not None else today)
    return [told(account, CANCELLED, time_ms, data), *side]


def _why(rng: random.Random, account: Account) -> JsonObject:
    """A short code, and often some words."""
    reason = weighted(rng, _REASONS_UNHAPPY if account.mood < 52 else _REASONS_CONTENT)
    words = pick(rng, _WORDS[reason])
    return {"reason": reason, "reason_text": words} if words and hit(rng, 55) else {"reason": reason}


def side_cancellation(rng: random.Random, account: Account, time_ms: int, last: int) -> list[Fact]:
    """The end of the second contract, if there is one."""
    if not account.side_contract:
        return []
    data: JsonObject = {"contract_id": account.side_contract_id, "effective_at": iso_day(last)}
    data |= _why(rng, account) | {"initiative": "voluntary"}
    account.side_contract = 0
    return [told(account, CANCELLED, time_ms, data)]


def failed_payment(rng: random.Random, account: Account, market: Market) -> list[Fact]:
    """Up to three attempts within the month: recovered after one of them, or the service is withdrawn.

    Invoices fall due some months after the signature or renewal, and then once for each billing interval.
    """
    if (market.month.index - account.quiet_until) % BILLING[account.deal.billing].months:
        return []
    day = between(rng, market.month.first, market.month.first + 8)
    amount = invoice_minor(account.deal, account.currency)
    reason = weighted(rng, _FAILURES)
    facts: list[Fact] = []
    for attempt, recovery_percent in enumerate((56, 52, 42), start=1):
        moment = night(rng, day)
        data: JsonObject = {"contract_id": account.contract_id, "amount_minor": amount}
        data["currency"] = account.currency
        facts.append(told(account, FAILED, moment, data | {"attempt": attempt, "reason": reason}))
        day += between(rng, 2, 5)
        if hit(rng, recovery_percent):
            facts.append(told(account, RECOVERED, night(rng, day), data | {"attempt": attempt + 1}))
            return facts
    return facts + _withdrawal(rng, account, market, day)


def _withdrawal(rng: random.Random, account: Account, market: Market, day: int) -> list[Fact]:
    """The contract ends because nobody paid; the customer did not want that."""
    leave(rng, account, market, return_percent=20)
    moment = night(rng, day) + below(rng, 3600) * 1000
    data: JsonObject = {"contract_id": account.contract_id, "effective_at": iso_day(day)}
    data |= {"reason": "payment_failed", "initiative": "involuntary"}
    side = side_cancellation(rng, account, moment + MINUTE_MS, day)
    return [told(account, CANCELLED, moment, data), *side]
