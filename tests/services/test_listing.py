"""Listing: tables live and replayed say the same, at any position, of any filter and group, and what the model says."""

import re
from collections.abc import Awaitable
from string import ascii_lowercase
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from projections.tables import TABLES
from services.audit.replaying import replayed_table
from services.compose import genesis_of
from services.questions import QuestionError, question_of
from services.rows import Answer
from tests.effort import examples
from tests.model.days import Event
from tests.model.histories import FIRST_DAY
from tests.model.notation import fact, line
from tests.model.reports import Asked, Books, held
from tests.model.tables import Left, Lost, bands, churn, cohorts, realised, risk, tags
from tests.services.audit.test_replaying import booked_apart
from tests.services.books import books_of, parameters, text
from tests.services.running import asynchronous
from tests.services.test_reports import arrived

SOME = settings(max_examples=examples(30), deadline=None, phases=(Phase.explicit, Phase.generate))


async def unless_refused(answering: Awaitable[Answer]) -> Answer | None:
    """An answer, or None where nothing was ever booked with what it is filtered by, or in its currency."""
    try:
        return await answering
    except QuestionError as error:
        if not re.match("nothing was ever booked with|no revenue was ever booked in", error.message):
            raise
        return None


@SOME
@given(arrived(), st.integers(-10, 800), st.data())
@asynchronous
async def test_live_is_replay(events: list[Event], day: int, data: st.DataObject) -> None:
    """Whatever is filtered and grouped; and a group has the rows that its filter gives."""
    books, heights = await booked_apart(events)
    moment = f"0:{heights[data.draw(st.integers(0, len(events) - 1))]}"
    where = data.draw(st.sampled_from(((), ("account=acme",), ("plan=pro",))))
    genesis = await genesis_of(books.ledger)
    assert genesis is not None
    for name in data.draw(st.lists(st.sampled_from(sorted(TABLES)), min_size=3, max_size=3, unique=True)):
        table = TABLES[name]
        every = data.draw(st.sampled_from(table.every or ("month",)))
        span = {"from": text(FIRST_DAY), "until": text(FIRST_DAY + max(1, day))}
        asked = {"currency": "USD", "known_at": moment, "limit": "1000", "every": every, "where": where}
        asked |= span if table.is_window else {"at": text(FIRST_DAY + day)}
        by = data.draw(st.sampled_from([one for one in (None, "plan", "contract", "owner") if one not in table.names]))
        question = question_of(parameters(asked | ({} if by is None else {"by": by})))
        live = await books.reports.table(name, question)
        told = await unless_refused(books.reports.checked(live, question))
        assert await unless_refused(replayed_table(books.ledger, genesis, name, question)) == told
        for value in {row["group"][by]: None for row in live["rows"]} if by is not None else ():
            one = question_of(parameters(asked | {"where": (*where, f"{by}={value or ''}")}))
            rows = [{**row, "group": {by: value}} for row in (await books.reports.table(name, one))["rows"]]
            assert rows == [row for row in live["rows"] if row["group"][by] == value]


@SOME
@given(arrived(), st.integers(-10, 800), st.data())
@asynchronous
async def test_tables_are_those_of_the_model(events: list[Event], day: int, data: st.DataObject) -> None:
    """Who has revenue and how much, what was lost and why, what is left of cohorts, what accounts came to."""
    books, heights = await booked_apart(events)
    last = data.draw(st.integers(0, len(events) - 1))
    where = data.draw(st.sampled_from(((), ("account=acme",), ("plan=pro",))))
    at, model, of = FIRST_DAY + day, Books(events[: last + 1]), _model(where)
    known = {"currency": "USD", "known_at": f"0:{heights[last]}", "limit": "1000"}

    async def rows(name: str, **asked: str) -> list[dict[str, Any]]:
        question = question_of(parameters({**known, "where": where, "at": text(at), **asked}))
        return [*(await books.reports.table(name, question))["rows"]]

    levels = held(model.events, at, of).get("", {})
    shares = await rows("concentration")
    assert {row["account"] for row in shares} == {*levels}
    assert [row["mrr_minor"] for row in shares] == sorted(map(_minor, levels.values()), reverse=True)
    every = data.draw(st.sampled_from(("month", "quarter", "year")))
    kept = await rows("cohorts", every=every)
    assert [Left(*[row[name] for name in Left._fields]) for row in kept] == cohorts(model, of, at, every)
    assert sum(row["accounts"] for row in {row["cohort"]: row for row in kept}.values()) == len(levels)
    so_far = realised(model, of, at)
    accounts = await rows("accounts")
    assert all(row["realised_ltv_minor"] == so_far.get(row["account"], 0) for row in accounts)
    assert {*levels} <= {row["account"] for row in accounts}


@SOME
@given(arrived(), st.integers(-10, 800), st.data())
@asynchronous
async def test_what_customers_said_is_that_of_the_model(events: list[Event], day: int, data: st.DataObject) -> None:
    """Beside the revenue of whoever said it, also that of one plan alone."""
    events = [_tagged(event) for event in events]
    books, heights = await booked_apart(events)
    last = data.draw(st.integers(0, len(events) - 1))
    where = data.draw(st.sampled_from(((), ("plan=pro",))))
    at, model, of = FIRST_DAY + day, Books(events[: last + 1]), _model(where)
    asked = {"currency": "USD", "known_at": f"0:{heights[last]}", "limit": "1000", "where": where, "at": text(at)}

    async def rows(name: str, *columns: str) -> list[tuple[Any, ...]]:
        found = await books.reports.table(name, question_of(parameters(asked)))
        return [tuple(row[column] for column in columns) for row in found["rows"]]

    assert await rows("risk", "account", "mrr_minor", "nps") == risk(model, of, at)
    told = await rows("bands", "band", "accounts", "mrr_minor", "churned", "churned_minor", "churn_rate")
    assert told == bands(model, of, at)
    mentioned = await rows("tags", "month", "tag", "answers", "accounts", "mrr_minor")
    assert {*mentioned} == tags(model, of, at)
    assert len({*mentioned}) == len(mentioned)


@SOME
@given(arrived(), st.integers(1, 800), st.data())
@asynchronous
async def test_churn_is_that_of_the_model_and_of_the_bridge(
    events: list[Event], days: int, data: st.DataObject
) -> None:
    """By cause, and in sum over all of them; also where a cause is filtered by."""
    books, heights = await booked_apart(events)
    last = data.draw(st.integers(0, len(events) - 1))
    where = data.draw(st.sampled_from(((), ("account=acme",), ("plan=pro",))))
    every = data.draw(st.sampled_from(("day", "month", "quarter", "year")))
    start, until = FIRST_DAY + data.draw(st.integers(-30, days - 1)), FIRST_DAY + days
    asked = {"currency": "USD", "known_at": f"0:{heights[last]}", "limit": "9999", "every": every}
    asked |= {"from": text(start), "until": text(until)}
    model = Books(events[: last + 1])
    for causes in ({}, {"reason": "price"}, {"initiative": ""}, {"reason": "expired", "initiative": "voluntary"}):
        some = (*where, *[f"{name}={value}" for name, value in causes.items()])
        found = await books.reports.table("churn", question_of(parameters(asked | {"where": some})))
        rows = [Lost(*[row[name] for name in Lost._fields]) for row in found["rows"]]
        assert sorted(rows, key=repr) == sorted(churn(model, _model(where), start, until, every, causes), key=repr)
        assert [row.period for row in rows] == sorted([row.period for row in rows], reverse=True)
    whole = await books.reports.bridge(question_of(parameters(asked | {"every": "year", "where": where})))
    exact = [row["annual_e4"] for row in whole["rows"]]
    everything = await books.reports.table("churn", question_of(parameters(asked | {"where": where})))
    for movement in ("churn", "contraction"):
        told = [row["mrr_minor"] for row in everything["rows"] if row["movement"] == movement]
        assert abs(120_000 * sum(told) - sum(row[movement] for row in exact)) <= 60_000 * len(told)


def _tagged(event: Event) -> Event:
    """The same, and an answer with tags that follow from its id, so that one sent twice stays the same."""
    if event["type"] != "revledger.survey.answered.v1":
        return event
    tags = [tag for place, tag in enumerate(("price", "bugs")) if sum(event["id"].encode()) >> place & 1]
    return event | {"data": event["data"] | {"tags": tags}}


def _model(where: tuple[str, ...]) -> Asked:
    return Asked("USD", None, tuple((name, value) for name, _, value in (one.partition("=") for one in where)))


def _minor(level: int) -> int:
    return (2 * level + 120_000) // 240_000


@asynchronous
async def test_rows_beyond_the_limit_are_counted() -> None:
    events = [fact("signed", f"{name}1", "2024-01-01", lines=[line(100 + index)]) for index, name in enumerate("abcd")]
    books, _ = await booked_apart(events)
    answer = await books.reports.table("concentration", question_of({"limit": ["3"], "on": ["2024-01-01"]}))
    assert [row["account"] for row in answer["rows"]] == ["d", "c", "b"]
    assert (answer["more"], answer["at"], answer["report"]) == (1, "2024-01-02", "concentration")
    assert answer["warning"] == "three accounts make more than half of the revenue"
    empty = await books.reports.table("renewals", question_of({"at": ["2020-01-01"]}))
    assert (empty["rows"], empty["more"]) == ([], 0)


@asynchronous
async def test_churn_is_told_apart_by_initiative() -> None:
    """Published by Chargebee: 15 who left and 10 who were let go, at 10.00 each, are 150.00 and 100.00."""
    whose = dict(zip(ascii_lowercase, ["voluntary"] * 15 + ["involuntary"] * 10, strict=False))
    events = [fact("signed", account, "2023-12-01", lines=[line(1_000)]) for account in whose]
    events += [fact("cancelled", account, "2024-01-10", initiative=one) for account, one in whose.items()]
    books = await books_of(events)
    asked = {"currency": "USD", "start": "2024-01-01", "until": "2024-02-01"}
    answer = await books.reports.table("churn", question_of(parameters(asked)))
    lost = {row["initiative"]: (row["accounts"], row["mrr_minor"]) for row in answer["rows"]}
    assert lost == {"voluntary": (15, -15_000), "involuntary": (10, -10_000)}
