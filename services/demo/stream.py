"""The company's whole history, month by month, as a stream of events."""

import random
import re
from collections.abc import Iterator
from datetime import date

import msgspec

from services.demo.book import Sales, costs, first_rates, rates
from services.demo.chance import generator
from services.demo.company import Market, campaigns_at, new_accounts, sellers_at
from services.demo.dates import DAY_MS, month_at
from services.demo.facts import Account
from services.demo.lifecycle import month_of
from services.demo.post import Post
from services.demo.signing import new_account

MONTHS_MAX = 600
_FIRST_OF_MONTH = re.compile(r"(19[7-9][0-9]|2[0-9]{3})-(0[1-9]|1[0-2])-01")


class Options(msgspec.Struct, frozen=True):
    """A company: how many customers it ever wins, for how many months from `start` (the first of a month)."""

    accounts: int = 200
    months: int = 36
    seed: int = 1
    start: str = "2023-01-01"

    def __post_init__(self) -> None:
        """Raises ValueError for a company that cannot be."""
        if self.accounts < 0:
            raise ValueError(f"accounts must be 0 or more, not {self.accounts}")
        if not 1 <= self.months <= MONTHS_MAX:
            raise ValueError(f"months must be 1 to {MONTHS_MAX}, not {self.months}")
        if not _FIRST_OF_MONTH.fullmatch(self.start):
            raise ValueError(f"start must be the first of a month, as in 2023-01-01, not {self.start!r}")


def demo_events(
    accounts: int = 200, months: int = 36, seed: int = 1, start: str = "2023-01-01"
) -> Iterator[bytes]:
    """The events of a made-up company, one CloudEvents JSON object each, in order of arrival.

    `recordedtime` tells when an event arrived; what has not arrived by the end of the last month is not
    there. The same arguments give the same bytes on every machine. Raises ValueError if one is out of range.
    """
    return _stream(Options(accounts, months, seed, start))


def _stream(options: Options) -> Iterator[bytes]:
    """Month by month: only the customers still there and the events still on their way are in memory."""
    rng = generator(options.seed)
    start = date.fromisoformat(options.start)
    end_ms = month_at(start, options.months).first * DAY_MS
    post = Post(rng, end_ms)
    rates_e8 = first_rates()
    accounts: list[Account] = []
    signed = 0
    for index, count in enumerate(new_accounts(options.accounts, options.months, start.month)):
        month = month_at(start, index)
        sellers = sellers_at(options.accounts, options.months, index)
        market = Market(month, sellers, campaigns_at(month.number))
        for fact in rates(rng, rates_e8, month):
            post.send(fact)
        accounts = _told_by_customers(rng, accounts, market, post)
        newcomers, sales = _told_by_newcomers(rng, range(signed + 1, signed + count + 1), market, post)
        signed += count
        accounts += newcomers
        for fact in costs(rng, market, sales, _paying(accounts)):
            post.send(fact)
        yield from post.arrived_before(month.until * DAY_MS)


def _told_by_customers(
    rng: random.Random, accounts: list[Account], market: Market, post: Post
) -> list[Account]:
    """Sends what the customers of earlier months do; returns those that may do something more."""
    for account in accounts:
        for fact in month_of(rng, account, market):
            post.send(fact)
    return [account for account in accounts if account.phase != "gone"]


def _told_by_newcomers(
    rng: random.Random, numbers: range, market: Market, post: Post
) -> tuple[list[Account], Sales]:
    """Sends what the month's new customers do; returns them, and what was sold."""
    newcomers, sales = [], Sales()
    for number in numbers:
        account, facts = new_account(rng, number, market)
        sales.add(account, facts[0])
        for fact in facts:
            post.send(fact)
        if account.phase != "gone":
            newcomers.append(account)
    return newcomers, sales


def _paying(accounts: list[Account]) -> dict[str, int]:
    """Customers with a running contract, by segment."""
    counts = {"smb": 0, "midmarket": 0, "enterprise": 0}
    for account in accounts:
        counts[account.segment] += account.phase == "active"
    return counts
