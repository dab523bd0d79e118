"""Selling: what was sold is what the model says, and groups add up to the whole, for any history."""

from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from events.policy import Counted, Policy
from projections.tables import SALES
from services.audit.replaying import replayed_table
from services.compose import genesis_of
from services.questions import QuestionError, question_of
from tests.effort import examples
from tests.model.days import Event, day_of
from tests.model.histories import FIRST_DAY
from tests.model.reports import Asked, Books
from tests.model.sales import Place, Row, sold
from tests.projections.test_sales import HISTORY
from tests.services.audit.test_replaying import booked_apart
from tests.services.books import books_of, parameters, text
from tests.services.running import asynchronous
from tests.services.test_reports import arrived

SOME = settings(max_examples=examples(40), deadline=None, phases=(Phase.explicit, Phase.generate))
NOTHING = Row(0, 0, None, None, None, None)


def side(row: dict[str, Any], prefix: str = "") -> Row:
    """One side of a row."""
    return Row(*[row[prefix + name] for name in Row._fields])


@SOME
@given(arrived(), st.integers(-40, 700), st.integers(1, 400), st.data())
@asynchronous
async def test_sales_are_those_of_the_model(events: list[Event], start: int, days: int, data: st.DataObject) -> None:
    """By whoever won a contract, grouped and filtered or not, in the window and a year before."""
    books, heights = await booked_apart(events)
    last = data.draw(st.integers(0, len(events) - 1))
    name = data.draw(st.sampled_from([one for one in SALES if one != "seasons"]))
    where = data.draw(st.sampled_from(((), ("plan=pro",), ("account=acme",), ("owner=kim",))))
    by = data.draw(st.sampled_from((None, None, "plan", "account", "term_months")))
    where = tuple(pair for pair in where if not pair.startswith(f"{SALES[name].by}="))
    first, until = FIRST_DAY + start, FIRST_DAY + start + days
    asked = {"currency": "USD", "known_at": f"0:{heights[last]}", "limit": "1000", "where": where}
    asked |= {"from": text(first), "until": text(until)} | ({} if by is None else {"by": by})
    answer = await books.reports.table(name, question_of(parameters(asked)))
    model = Books(events[: last + 1])
    of = Asked("USD", by, tuple((one.partition("=")[0], one.partition("=")[2]) for one in where))
    own = SALES[name].by
    found: dict[Place, dict[str, Any]] = {
        ((row["group"][by] or "") if by else "", row[str(own)] or ""): row for row in answer["rows"]
    }
    for prefix, (begin, end) in {"": (first, until), "before_": _year_before(answer)}.items():
        due = sold(model, of, own, begin, end)
        assert {place: side(row, prefix) for place, row in found.items() if side(row, prefix) != NOTHING} == {
            place: row for place, row in due.items() if row != NOTHING
        }
    ranks = [(row["new_mrr_minor"], row["before_new_mrr_minor"]) for row in answer["rows"]]
    assert by is not None or ranks == sorted(ranks, reverse=True)


@SOME
@given(arrived(), st.integers(-40, 700), st.integers(1, 400), st.data())
@asynchronous
async def test_seasons_are_the_model_and_the_figures_and_parts_add_up(
    events: list[Event], start: int, days: int, data: st.DataObject
) -> None:
    """New revenue of sellers adds up to that of the window, which seasons tell like the figures do."""
    books = await books_of(events)
    every = data.draw(st.sampled_from(("month", "quarter", "year")))
    where = data.draw(st.sampled_from(((), ("plan=pro",))))
    span = {"from": text(FIRST_DAY + start), "until": text(FIRST_DAY + start + days)}
    asked = {"currency": "USD", "limit": "1000", "where": where, **span}
    seasons = await books.reports.table("seasons", question_of(parameters(asked | {"every": every})))
    bridge = await books.reports.bridge(question_of(parameters(asked | {"every": every})))
    new = [row["mrr_minor"]["new"] for row in bridge["rows"]]
    assert [row["new_mrr_minor"] for row in seasons["rows"]] == new[::-1]
    for row, cut in zip(seasons["rows"], bridge["rows"][::-1], strict=True):
        window = {"start": cut["from"], "until": cut["until"], "currency": "USD", "where": where}
        (one,) = (await books.figures(**window, figures="acv_signed_minor,nrr"))["rows"]
        assert {name: row[name] for name in one["figures"]} == one["figures"]
    for name in ("sellers", "campaigns", "channels"):
        parts = await books.reports.table(name, question_of(parameters(asked)))
        assert abs(sum(row["new_mrr_minor"] for row in parts["rows"]) - sum(new)) <= len(parts["rows"]) + len(new)


@pytest.mark.parametrize("counted", ["net", "forever_only", "list"])
@asynchronous
async def test_the_share_of_discounts_is_the_same_whatever_a_policy_counts(counted: Counted) -> None:
    """What is deducted from the level already is put back before anything is divided by it."""
    books = await books_of(HISTORY)
    genesis = await genesis_of(books.ledger)
    assert genesis is not None
    question = question_of({"from": ["2024-01-01"], "until": ["2024-04-01"]})
    answer = await replayed_table(books.ledger, genesis, "sellers", question, policy=Policy(discounts=counted))
    assert [row["discount_share"] for row in answer["rows"] if row["owner"]] in (
        ["0.10000000", "0.11029412"],
        ["0.11029412", "0.10000000"],
    )


@asynchronous
async def test_windows_groups_and_what_is_cut_off() -> None:
    books = await books_of(HISTORY)
    quarter = {"from": ["2024-01-01"], "until": ["2024-04-01"]}
    answer = await books.reports.table("sellers", question_of(quarter | {"limit": ["1"]}))
    assert [row["owner"] for row in answer["rows"]] == ["kim"]
    assert (answer["more"], answer["from"], answer["until"]) == (2, "2024-01-01", "2024-04-01")
    assert answer["before"] == {"from": "2023-01-01", "until": "2023-04-01"}
    seasons = await books.reports.table("seasons", question_of({"every": ["quarter"]}))
    assert [row["period"] for row in seasons["rows"]] == ["2024-Q1", "2023-Q4", "2023-Q3", "2023-Q2"]
    with pytest.raises(QuestionError, match="told by owner anyway"):
        await books.reports.table("sellers", question_of(quarter | {"by": ["owner"]}))
    with pytest.raises(QuestionError, match="seasons is not told by day"):
        await books.reports.table("seasons", question_of(quarter | {"every": ["day"]}))
    empty = await (await books_of([])).reports.table("seasons", question_of(quarter | {"every": ["quarter"]}))
    assert [side(row) for row in empty["rows"]] == [NOTHING]


def _year_before(answer: dict[str, Any]) -> tuple[int, int]:
    return day_of(answer["before"]["from"]), day_of(answer["before"]["until"])
