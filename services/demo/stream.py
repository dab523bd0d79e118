"""The company's events in order of arrival: most at once, some late, some twice, some wrong and put right."""

from __future__ import annotations

import heapq
import random
import re
from collections.abc import Iterator
from datetime import date

import msgspec

from services.demo.book import Sales, costs, first_rates, rates
from services.demo.chance import below, generator
from services.demo.company import Market, campaigns_at, new_accounts, sellers_at
from services.demo.corrections import corrected, mistaken
from services.demo.dates import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, iso_time, iso_time_exact, month_at
from services.demo.facts import RATE, Account, Fact
from services.demo.lifecycle import month_of
from services.demo.signing import new_account

MONTHS_MAX = 600
_FIRST_OF_MONTH = re.compile(r"(19[7-9][0-9]|2[0-9]{3})-(0[1-9]|1[0-2])-01")

# Of 10,000 facts: so many arrive late, are sent twice, or (where that is possible) are wrong at first.
_LATE = 250
_TWICE = 100
_WRONG = 90


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
    post = _Post(rng, end_ms)
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
    rng: random.Random, accounts: list[Account], market: Market, post: _Post
) -> list[Account]:
    """Sends what the customers of earlier months do; returns those that may do something more."""
    for account in accounts:
        for fact in month_of(rng, account, market):
            post.send(fact)
    return [account for account in accounts if account.phase != "gone"]


def _told_by_newcomers(
    rng: random.Random, numbers: range, market: Market, post: _Post
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


class _Post:
    """The way from the source systems to the ledger: events on it, encoded, in order of arrival."""

    def __init__(self, rng: random.Random, end_ms: int) -> None:
        self._rng = rng
        self._end_ms = end_ms
        self._under_way: list[tuple[int, int, bytes]] = []
        self._sent = 0
        self._encode = msgspec.json.Encoder().encode

    def send(self, fact: Fact) -> None:
        """Puts a fact on its way, with the mishaps that happen to some."""
        rng = self._rng
        arrival_ms = fact.time_ms + 300 + below(rng, 3_700)
        roll = below(rng, 10_000)
        if fact.late_ms:
            arrival_ms += fact.late_ms
        elif fact.type == RATE or roll >= _LATE + _TWICE + _WRONG:
            pass
        elif roll < _LATE:
            arrival_ms += _lateness(rng)
        elif roll < _LATE + _TWICE:
            self._hand_over(fact, arrival_ms + SECOND_MS + below(rng, 3 * DAY_MS))
        elif self._sent_wrong(fact, arrival_ms):
            return
        self._hand_over(fact, arrival_ms)

    def _sent_wrong(self, fact: Fact, arrival_ms: int) -> bool:
        """Sends a mistake, its retraction and the right event, if there is still time for all three."""
        withdrawn_ms = arrival_ms + below(self._rng, 70 * HOUR_MS) + HOUR_MS
        right_ms = withdrawn_ms + MINUTE_MS + below(self._rng, HOUR_MS)
        wrong = mistaken(self._rng, fact) if right_ms < self._end_ms else None
        if wrong is None:
            return False
        retraction, right = corrected(self._rng, fact, withdrawn_ms - withdrawn_ms % SECOND_MS - SECOND_MS)
        self._hand_over(wrong, arrival_ms)
        self._hand_over(retraction, withdrawn_ms)
        self._hand_over(right, right_ms)
        return True

    def _hand_over(self, fact: Fact, arrival_ms: int) -> None:
        """Encodes an event but for its last member, the moment of its arrival."""
        body = self._encode(
            {
                "specversion": "1.0",
                "id": fact.id,
                "source": fact.source,
                "type": fact.type,
                "subject": fact.subject,
                "time": iso_time(fact.time_ms),
                "datacontenttype": "application/json",
                "data": fact.data,
            }
        )
        self._sent += 1
        heapq.heappush(self._under_way, (arrival_ms, self._sent, body))

    def arrived_before(self, moment_ms: int) -> Iterator[bytes]:
        """Takes the events off the way that have arrived by then."""
        under_way = self._under_way
        while under_way and under_way[0][0] < moment_ms:
            arrival_ms, _, body = heapq.heappop(under_way)
            yield b'%b,"recordedtime":"%b"}' % (body[:-1], iso_time_exact(arrival_ms).encode())


def _lateness(rng: random.Random) -> int:
    """Milliseconds: mostly hours or days, sometimes weeks."""
    roll = below(rng, 100)
    days_max = 2 if roll < 40 else 9 if roll < 80 else 40
    return 8 * HOUR_MS + below(rng, days_max * DAY_MS)
