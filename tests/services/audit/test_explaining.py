"""Explanations: the parts of every figure put together are what reports say, and what makes them up adds up to them."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from events.money import mrr_minor
from projections.figures import CATALOGUE
from projections.parts import EXPLAINED, PARTS, basis_of, parts_of
from services.audit.explaining import _OF_ACCOUNT, _OF_POSTING, explanation
from services.compose import genesis_of
from services.questions import QuestionError, question_of
from services.reports import Answer
from tests.effort import examples
from tests.model.days import Event
from tests.model.histories import FIRST_DAY, arrival_orders, histories
from tests.model.notation import fact, line, retracted
from tests.services.books import MemoryBooks, parameters, text
from tests.services.running import asynchronous

SOME = settings(max_examples=examples(25), deadline=None, phases=(Phase.explicit, Phase.generate))
NAMES = (None, "plan", "owner", "account", "contract")
COUNTS = {name for name, part in PARTS.items() if part.unit == "accounts"}
NOT_POSTED = {*COUNTS, "kept"}
"""Parts that are no sums of postings."""


async def explained(books: MemoryBooks, name: str, **asked: str) -> Answer:
    """A figure taken apart; `from` is written `start`."""
    genesis = await genesis_of(books.ledger)
    assert genesis is not None
    return await explanation(books.ledger, genesis, name, question_of(parameters(asked)))


def amount_of(part: Mapping[str, Any]) -> int:
    """What a part, an account or a rest is."""
    return int(part["count"] if "count" in part else part["annual_e4"])


def check_parts(row: Mapping[str, Any], name: str, limit: int) -> None:
    """From the postings up: they are their account, accounts are their part, parts are the figure."""
    figure = EXPLAINED[name]
    assert tuple(part["part"] for part in row["parts"]) == parts_of(figure)
    assert figure.value(basis_of({part["part"]: amount_of(part) for part in row["parts"]})) == row["value"]
    for part in row["parts"]:
        accounts = part["accounts"]
        sizes = [abs(amount_of(one)) for one in accounts]
        assert sizes == sorted(sizes, reverse=True)
        assert len(sizes) <= limit
        assert all(sizes)
        rest = [part["more"]] if "more" in part else []
        assert sum(map(amount_of, [*accounts, *rest])) == amount_of(part)
        for account in accounts:
            assert account["postings"] or limit == 0
            assert len(account["postings"]) <= limit
            more = [account["more"]] if "more" in account else []
            posted = sum(one["annual_e4"] for one in (*account["postings"], *more))
            if part["part"] not in NOT_POSTED:
                assert posted == amount_of(account)
            if part["part"] == "kept":
                assert amount_of(account) == min(account[end]["annual_e4"] for end in ("opening", "closing"))
                assert posted == account["closing"]["annual_e4"]
            days = [one["day"] for one in account["postings"]]
            assert days == sorted(days)


def values_of(answer: Answer, name: str) -> dict[str, Any]:
    """The value of a figure by group, in a report or an explanation."""
    return {
        str(row.get("group")): row["figures"][name] if "figures" in row else row["value"] for row in answer["rows"]
    }


def columns_of(bridge: Answer) -> dict[str, dict[str, int]]:
    """The columns of a bridge over all its periods, by group."""
    found: dict[str, dict[str, int]] = {}
    for row in bridge["rows"]:
        column = found.setdefault(str(row.get("group")), {"opening": row["annual_e4"]["opening"]})
        for name, amount in row["annual_e4"].items():
            if name != "opening":
                column[name] = amount if name == "closing" else column.get(name, 0) + amount
    return found


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> set[str]:
    """The groups that two answers differ in; what is missing, or nothing, is nothing."""
    return {group for group in {*one, *other} if (one.get(group) or 0) != (other.get(group) or 0)}


def test_every_part_can_be_taken_from_the_tables() -> None:
    assert {*_OF_ACCOUNT} == {*_OF_POSTING} == {*PARTS}


@SOME
@given(st.data())
@asynchronous
async def test_the_parts_of_a_figure_are_the_figure(data: st.DataObject) -> None:
    """Of any history, as known at any moment, of a window and of a day, of the whole and of every group."""
    events: list[Event] = data.draw(histories().flatmap(arrival_orders))
    if not events:
        return
    books = await MemoryBooks().start()
    for event in events:
        await books.book([event])
    start = FIRST_DAY + data.draw(st.integers(-40, 500))
    limit = data.draw(st.sampled_from((1, 3, 100)))
    by = data.draw(st.sampled_from(NAMES))
    asked = {
        "currency": data.draw(st.sampled_from(("USD", "USD", "EUR"))),
        "known_at": f"0:{data.draw(st.integers(0, len(events)))}",
        **({} if by is None else {"by": by}),
    }
    window = {**asked, "start": text(start), "until": text(start + data.draw(st.integers(1, 500)))}
    day = {**asked, "at": window["until"]}
    try:
        of_window, of_day = await books.figures(**window), await books.figures(**day)
        await books.reports.checked(of_day, question_of(parameters(day)))
        columns = columns_of(await books.bridge(every="year", **window))
    except QuestionError:
        return  # nothing is labelled with the name, or nothing in the currency
    names = data.draw(st.lists(st.sampled_from(sorted(EXPLAINED)), min_size=3, max_size=5, unique=True))
    for name in names:
        answer = await explained(books, name, limit=str(limit), **window)
        for row in answer["rows"]:
            check_parts(row, name, limit)
        if name in CATALOGUE:
            assert not differing(values_of(answer, name), values_of(of_window, name)), name
        else:
            of_bridge = {group: mrr_minor(column[name]) for group, column in columns.items()}
            assert not differing(values_of(answer, name), of_bridge), name
        if EXPLAINED[name].needs == "day":
            answer = await explained(books, name, limit=str(limit), **day)
            assert not differing(values_of(answer, name), values_of(of_day, name)), name


# ---------------------------------------------------------------- particular figures


CANCELLED = fact("cancelled", "b1", "2024-03-10", reason="too_expensive")
EVENTS = [
    fact("signed", "a1", "2024-01-01", lines=[line(1000)]),
    fact("signed", "b1", "2024-01-01", lines=[line(3000)]),
    fact("signed", "c1", "2024-01-05", lines=[line(2000)]),
    fact("downgraded", "c1", "2024-03-05", lines=[line(500)]),
    CANCELLED,
]
MARCH = {"start": "2024-03-01", "until": "2024-04-01"}


async def books_of(events: list[Event]) -> MemoryBooks:
    """Books with a block for each event."""
    books = await MemoryBooks().start()
    for event in events:
        await books.book([event])
    return books


@asynchronous
async def test_a_rate_is_told_with_its_numbers_put_in() -> None:
    """Formula, sums, accounts with what they had and have, postings, and the event of each."""
    books = await books_of(EVENTS)
    (row,) = (await explained(books, "grr", **MARCH))["rows"]
    assert row["value"] == "0.25000000"
    assert row["worked"] == "15.00 / 60.00 = 25.00%"
    kept, opening = row["parts"]
    assert {one["account"]: one["mrr_minor"] for one in kept["accounts"]} == {"a": 1000, "c": 500}
    assert {one["account"]: one["mrr_minor"] for one in opening["accounts"]} == {"b": 3000, "c": 2000, "a": 1000}
    (churn,) = (await explained(books, "churn", **MARCH))["rows"][0]["parts"]
    (posting,) = churn["accounts"][0]["postings"]
    assert (posting["day"], posting["mrr_minor"], posting["event"]["id"]) == ("2024-03-10", -3000, CANCELLED["id"])
    assert posting["event"]["words"].startswith("b1 was cancelled as of 2024-03-10 (reason too_expensive); recorded")


@asynchronous
async def test_what_was_known_then_is_explained_as_it_was_known_then() -> None:
    """A cancellation that is taken back later: then one event behind the churn, now two that undo each other."""
    books = await books_of([*EVENTS, retracted(CANCELLED, "2024-05-05")])
    then = await explained(books, "accounts", at="2024-04-01", known_at="0:5")
    assert (then["rows"][0]["value"], then["as_of"]["position"]) == (2, {"0": 5})
    now = await explained(books, "accounts", at="2024-04-01")
    assert (now["rows"][0]["value"], now["as_of"]["position"]) == (3, {"0": 6})
    back = next(one for one in now["rows"][0]["parts"][0]["accounts"] if one["account"] == "b")
    assert [(one["movement"], one["mrr_minor"]) for one in back["postings"]] == [
        ("new", 3000),
        ("churn", -3000),
        ("churn", 3000),
    ]


@asynchronous
async def test_what_is_left_out_is_told_in_sum() -> None:
    """With a limit of one account and one posting nothing is lost; with none at all neither."""
    books = await books_of(EVENTS)
    (level,) = (await explained(books, "closing", limit="1", **MARCH))["rows"][0]["parts"]
    assert (level["mrr_minor"], level["more"]["accounts"], level["more"]["mrr_minor"]) == (1500, 1, 500)
    (bare,) = (await explained(books, "closing", limit="0", **MARCH))["rows"][0]["parts"]
    assert (bare["accounts"], bare["more"]["accounts"], bare["more"]["mrr_minor"]) == ([], 2, 1500)


@asynchronous
async def test_nothing_to_divide_by_is_no_answer() -> None:
    """Before the first contract a rate has no value, and no parts that would say otherwise."""
    books = await books_of(EVENTS)
    (row,) = (await explained(books, "nrr", start="2023-01-01", until="2023-02-01"))["rows"]
    assert (row["value"], row["worked"]) == (None, "0.00 / 0.00 = -")
    assert not any(part["accounts"] for part in row["parts"])
    assert (await explained(books, "nrr", by="plan", start="2023-01-01", until="2023-02-01"))["rows"] == []


@pytest.mark.parametrize(
    ("name", "asked", "parameter"),
    [
        ("nnr", MARCH, "figures"),
        ("nrr", {"at": "2024-03-01"}, "from"),
        ("churn", {"at": "2024-03-01"}, "from"),
        ("mrr_minor", {"by": "colour"}, "by"),
        ("mrr_minor", {"known_at": "1990-01-01T00:00:00Z"}, "known_at"),
        ("mrr_minor", {"known_at": "0:77"}, "known_at"),
    ],
)
@asynchronous
async def test_what_cannot_be_explained_names_its_parameter(name: str, asked: dict[str, str], parameter: str) -> None:
    books = await books_of(EVENTS)
    with pytest.raises(QuestionError) as error:
        await explained(books, name, **asked)
    assert error.value.parameter == parameter
