"""Books in memory, for tests: events in, questions asked, answers held against the model."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import Any, Final

from events.policy import Policy
from services.accounts import Accounts
from services.adoptions import begun_under
from services.ledgers.memory import memory_ledger
from services.ledgers.port import Ledger
from services.projector import Projector
from services.questions import question_of
from services.reports import Answer, Reports
from services.views.memory import memory_views
from services.writer import Outcome, Submitted, Writer
from tests.model.days import Event, date_of, day_of
from tests.model.reports import Asked, Books, Period, Value

POLICY = Policy()


def raw_of(event: Event) -> bytes:
    """An event as it comes in."""
    return json.dumps({"specversion": "1.0", **event}).encode()


class MemoryBooks:
    """A writer, a projector and reports over stores in memory; `start` first."""

    def __init__(self, ledger: Ledger | None = None, *, zone: tzinfo | None = None) -> None:
        self.ledger = ledger or memory_ledger()
        self.views: Any = memory_views()
        self.writer = Writer(self.ledger, Accounts(None, 0, 1_000), POLICY, zone)
        self.projector = Projector(self.ledger, self.views)
        self.reports = Reports(self.ledger, self.views, begun_under(POLICY))

    async def start(self) -> "MemoryBooks":
        """At the head of the ledger."""
        await self.writer.start()
        await self.projector.start()
        await self.projector.catch_up()
        return self

    async def book(self, events: Iterable[Event], *, at: int | None = None) -> list[Outcome]:
        """Writes events in one call, recorded at a moment if one is given, and projects them."""
        outcomes = await self.writer.write([Submitted(raw_of(event), at) for event in events])
        await self.projector.catch_up()
        return outcomes

    async def bridge(self, **asked: str | Sequence[str]) -> Answer:
        """The bridge; `from` is written `start`."""
        return await self.reports.bridge(question_of(parameters(asked)))

    async def figures(self, **asked: str | Sequence[str]) -> Answer:
        """The figures; `from` is written `start`."""
        return await self.reports.figures(question_of(parameters(asked)))


async def books_of(events: Iterable[Event]) -> MemoryBooks:
    """Books with some events in them."""
    books = await MemoryBooks().start()
    await books.book(events)
    return books


def parameters(asked: Mapping[str, str | Sequence[str]]) -> dict[str, list[str]]:
    """Named texts as a query has them; `from` is a keyword of Python, so it comes as `start`."""
    names = {"start": "from"}
    return {names.get(name, name): [texts] if isinstance(texts, str) else list(texts) for name, texts in asked.items()}


def text(day: int) -> str:
    """A day as it is asked."""
    return date_of(day).isoformat()


def asked_texts(asked: Asked) -> dict[str, str | Sequence[str]]:
    """The model's question as parameters."""
    found: dict[str, str | Sequence[str]] = {"currency": asked.currency}
    if asked.by is not None:
        found["by"] = asked.by
    if asked.where:
        found["where"] = [f"{name}={value}" for name, value in asked.where]
    return found


def group_in(row: Mapping[str, Any], asked: Asked) -> str:
    """The group of a row as the model names it."""
    return "" if asked.by is None else row["group"][asked.by] or ""


def periods_in(answer: Answer, asked: Asked) -> dict[str, list[dict[str, Any]]]:
    """The rows of an answer by group, in their order."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in answer["rows"]:
        found.setdefault(group_in(row, asked), []).append(row)
    return found


OF_THE_PAST: Final = {"average_life_months", "ltv_by_life_minor"}
"""Figures of accounts that were lost at any time: what has nothing else needs no row."""


def _says_something(period: Period) -> bool:
    return any(period.amounts.values()) or any(period.accounts.values())


def check_bridge(answer: Answer, model: Books, asked: Asked, start: int, until: int, every: str) -> None:
    """The answer is the model's bridge; groups with nothing but zeros may be in it or not."""
    expected = model.bridge(asked, start, until, every)
    found = periods_in(answer, asked)
    told = {group for group, periods in expected.items() if any(_says_something(period) for period in periods)}
    assert not told - found.keys(), f"groups missing: {told - found.keys()}"
    for group, rows in found.items():
        nothing = [Period(first, end, {}, {}) for first, end in _spans(rows)]
        for row, period in zip(rows, expected.get(group, nothing), strict=True):
            assert (row["from"], row["until"]) == (text(period.start), text(period.until))
            assert row["annual_e4"] == {name: period.amounts.get(name, 0) for name in row["annual_e4"]}
            assert row["accounts"] == {name: period.accounts.get(name, 0) for name in row["accounts"]}
            assert sum(list(row["annual_e4"].values())[:-1]) == row["annual_e4"]["closing"]


def _spans(rows: Sequence[Mapping[str, Any]]) -> list[tuple[int, int]]:
    return [(day_of(row["from"]), day_of(row["until"])) for row in rows]


def check_figures(answer: Answer, model: Books, asked: Asked, start: int | None, until: int) -> None:
    """The answer holds the model's figures."""
    check_groups(answer, model.figures(asked, start, until), asked)


def check_groups(answer: Answer, expected: Mapping[str, Mapping[str, Value]], asked: Asked) -> None:
    """The answer holds all figures of every group; those with nothing but zeros or a past may be in it or not."""
    found = {group_in(row, asked): row["figures"] for row in answer["rows"]}
    for group, figures in expected.items():
        if group not in found:
            told = [name for name, value in figures.items() if _tells(value) and name not in OF_THE_PAST]
            assert not told, f"group {group!r} is missing: {figures}"
    for group, figures in found.items():
        wanted = expected.get(group)
        if wanted is None:
            assert not any(_tells(value) for value in figures.values()), f"group {group!r}: {figures}"
        else:
            assert figures == wanted, f"group {group!r}"


def _tells(value: Value) -> bool:
    return value not in (0, None)
