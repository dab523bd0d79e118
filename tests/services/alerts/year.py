"""A made-up year of a company with incidents planted in it: what happens, and what should be told of it."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from msgspec import Struct

from tests.model.days import Event, moment
from tests.model.notation import fact, line

START: Final = datetime(2024, 1, 1, tzinfo=UTC)
ACCOUNTS: Final = 300
QUIET: Final = range(180, 240)
"""Days on which hardly anything happens: a summer, and no incident."""


class Incident(Struct, frozen=True):
    """Something planted: on which days it may be told, by which rules, and about whom (empty: the book)."""

    name: str
    first_day: int
    last_day: int
    rules: tuple[str, ...]
    account: str = ""


class Year:
    """Builds the events of a year, each with its moment, and the incidents among them."""

    def __init__(self, seed: int) -> None:
        self._chance = Random(seed)
        self._count = 0
        self._mrr: dict[str, int] = {}
        self.events: list[tuple[int, Event]] = []
        self.incidents: list[Incident] = []
        self._silent: set[int] = set()
        self._shrinking: dict[int, list[str]] = {}

    def built(self) -> "Year":
        """All of it, in order of time."""
        for number in range(ACCOUNTS):
            self._sign(f"a{number:03}", -30, self._chance.randint(2_000, 30_000))
        for number in range(3):
            self._sign(f"big{number}", -30, 200_000)
        self._incidents()
        for day in range(365):
            for account in self._shrinking.get(day, ()):
                self._shrink(account, day)
            if day not in self._silent:
                self._ordinary(day)
        self.events.sort(key=lambda one: one[0])
        return self

    def _incidents(self) -> None:
        stall = self._chance.randint(60, 75)
        self._silent = set(range(stall, stall + 5))
        self._plant("stall", stall + 1, stall + 5, "stalled")
        notice = self._chance.randint(20, 50)
        self._leave("big0", notice, later=90)
        self._plant("notice", notice, notice, "notice", account="big0")
        self._plant("notice that came true", notice + 90, notice + 97, "storm", "leak")
        unhappy = self._chance.randint(90, 110)
        self._answer("big1", unhappy, 3)
        self._plant("unhappy", unhappy, unhappy, "unhappy", account="big1")
        gone = self._chance.randint(260, 290)
        self._leave("big1", gone)
        self._plant("gone", gone, gone + 7, "gone", "storm", "leak", account="big1")
        storm = self._chance.randint(120, 140)
        for account in self._chance.sample(sorted(self._mrr), 22):
            if not account.startswith("big"):
                self._leave(account, storm + self._chance.randint(0, 1))
        self._plant("storm", storm, storm + 3, "storm", "leak")
        leak = self._chance.randint(310, 320)
        victims = [one for one in self._chance.sample(sorted(self._mrr), 150) if not one.startswith("big")]
        for place, account in enumerate(victims):
            self._shrinking.setdefault(leak + place // 5, []).append(account)
        self._plant("leak", leak, leak + 35, "leak", "storm")

    def _plant(self, name: str, first: int, last: int, *rules: str, account: str = "") -> None:
        self.incidents.append(Incident(name, first, last, rules, account))

    def _ordinary(self, day: int) -> None:
        """What happens on any day: somebody comes, somebody grows, somebody small leaves now and then, and answers."""
        chance = self._chance
        self._answer(chance.choice([one for one in sorted(self._mrr) if not one.startswith("big")]), day, 5, 10)
        if day in QUIET:
            return
        for _ in range(chance.randint(0, 2)):
            self._sign(f"n{day:03}-{self._count}", day, chance.randint(2_000, 20_000))
        small = [one for one, mrr in sorted(self._mrr.items()) if mrr < 12_000]
        if chance.random() < 0.12:
            self._leave(chance.choice(small), day)
        for account in chance.sample(sorted(self._mrr), 2):
            self._amend("upgraded", account, day, self._mrr[account] * 103 // 100)

    def _add(self, day: int, event: Event) -> None:
        self._count += 1
        at = START + timedelta(days=day, hours=8, seconds=self._count % 40_000)
        time = at.isoformat().replace("+00:00", "Z")
        self.events.append((moment(time), event | {"id": f"e{self._count}", "time": time}))

    def _event(self, kind: str, account: str, day: int, **said: Any) -> None:
        self._add(day, fact(kind, f"c-{account}", "2024-01-01", **said) | {"subject": account})

    def _sign(self, account: str, day: int, mrr: int) -> None:
        self._mrr[account] = mrr
        self._event("signed", account, day, lines=[line(mrr)])

    def _amend(self, kind: str, account: str, day: int, mrr: int) -> None:
        self._mrr[account] = mrr
        self._event(kind, account, day, lines=[line(mrr)])

    def _shrink(self, account: str, day: int) -> None:
        if account in self._mrr:
            self._amend("downgraded", account, day, self._mrr[account] // 2)

    def _leave(self, account: str, day: int, later: int = 0) -> None:
        self._mrr.pop(account)
        said = {"effective_at": (START + timedelta(days=day + later)).date().isoformat()} if later else {}
        self._event("cancelled", account, day, reason="price", **said)

    def _answer(self, account: str, day: int, low: int, high: int | None = None) -> None:
        score = low if high is None else self._chance.randint(low, high)
        event = fact("answered", account, "2024-01-01") | {"subject": account}
        data = {"survey": "nps", "score": score, "respondent": f"r{self._chance.randint(0, 2)}"}
        self._add(day, event | {"type": "revledger.survey.answered.v1", "data": data})
