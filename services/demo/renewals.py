"""The end of a term: notices, renewals on time, late, after a gap, or never."""

import random

from services.demo.chance import below, between, hit
from services.demo.company import BILLING, SEGMENTS, Market
from services.demo.dates import DAY_MS, add_months, iso_day, some_day, working_hours
from services.demo.deals import lines_of, renegotiated
from services.demo.facts import RENEWED, Account, Fact, JsonObject, told
from services.demo.leaving import cancellation, leave, side_cancellation

_NOTICE_PERCENT: dict[str, tuple[int, int, int]] = {
    "smb": (52, 22, 9),
    "midmarket": (44, 13, 5),
    "enterprise": (36, 9, 3),
}


def term_ends(rng: random.Random, account: Account, market: Market, band: int) -> list[Fact]:
    """The month before the one in which the term ends; `band` is the mood: 0 unhappy, 1 neutral, 2 happy."""
    end = account.term_end
    assert end is not None, "only a contract with a term comes to its end"
    account.quiet_until = market.month.index + 4  # the latest renewal is signed 50 days after the end
    goes = hit(rng, _NOTICE_PERCENT[account.segment][band])
    if goes and not account.auto_renew and hit(rng, 60):
        return _expiry(rng, account, market, end)
    talk_ms = working_hours(rng, some_day(rng, market.month.first, market.month.until))
    if goes:
        return cancellation(rng, account, market, talk_ms, end)
    if account.auto_renew:
        if hit(rng, 50):  # it renews by itself, and nobody tells
            account.term_end = add_months(end, 12)
            return []
        return [_renewal(rng, account, talk_ms, end)]
    return [_fixed_term_renewal(rng, account, talk_ms, end)]


def _expiry(rng: random.Random, account: Account, market: Market, end: int) -> list[Fact]:
    """A fixed term runs out without a word: no event closes it but the term itself."""
    leave(rng, account, market, return_percent=12)
    return side_cancellation(rng, account, end * DAY_MS - below(rng, 72_000) * 1000, end)


def _fixed_term_renewal(rng: random.Random, account: Account, talk_ms: int, end: int) -> Fact:
    """Mostly in time; some sign after the end as if they had not, and a few start again after a gap."""
    roll = below(rng, 100)
    if roll < 76:
        return _renewal(rng, account, talk_ms, end)
    if roll < 91:
        return _renewal(rng, account, working_hours(rng, end + between(rng, 2, 18)), end)
    day = end + between(rng, 12, 50)
    return _renewal(rng, account, working_hours(rng, day), day)


def _renewal(rng: random.Random, account: Account, time_ms: int, start: int) -> Fact:
    """A new term from `start`, mostly with new lines too; a few go on without an end."""
    data: JsonObject = {"contract_id": account.contract_id, "effective_at": iso_day(start)}
    months = max(12, BILLING[account.deal.billing].months)
    term: JsonObject = {"start": iso_day(start)}
    if hit(rng, 5):
        account.term_end, account.auto_renew = None, True
    else:
        account.term_end = add_months(start, months)
        account.auto_renew = not hit(rng, SEGMENTS[account.segment].fixed_term_percent)
        term |= {"end": iso_day(account.term_end), "auto_renew": account.auto_renew}
    data["term"] = term
    if account.deal.steps or hit(rng, 70):
        account.deal = renegotiated(rng, account.deal, start)
        data["lines"] = lines_of(account.deal, account.currency, start)
    return told(account, RENEWED, time_ms, data)
