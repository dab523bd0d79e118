"""Reports against the model: any history, any window, any group and filter; and what they say of themselves."""

from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from projections.figures import CATALOGUE
from projections.groups import CELL_NAMES
from services.questions import QuestionError
from tests.effort import examples
from tests.model.days import Event, day_of
from tests.model.histories import FIRST_DAY, arrival_orders, histories
from tests.model.notation import changed, fact, line, retracted
from tests.model.reports import Asked, Books
from tests.services.books import (
    MemoryBooks,
    asked_texts,
    books_of,
    check_bridge,
    check_figures,
    group_in,
    periods_in,
    text,
)
from tests.services.running import asynchronous

PHASES = (Phase.explicit, Phase.generate)
MANY = settings(max_examples=examples(120), deadline=None, phases=PHASES)
SOME = settings(max_examples=examples(40), deadline=None, phases=PHASES)
NAMES = (
    *("segment", "region", "seats", "vip"),
    *("plan", "product", "owner", "campaign", "channel", "term_months"),
    *("currency", "account", "contract"),
)
VALUES = {
    "segment": ("smb", "enterprise", ""),
    "vip": ("true", ""),
    "plan": ("basic", "pro", "none"),
    "product": ("desk", ""),
    "owner": ("kim", ""),
    "account": ("acme", "beta"),
    "contract": ("acme-k1",),
    "currency": ("USD", "EUR"),
}
SPENT = ("acquisition_cost_minor", "retention_cost_minor")
"""Figures of whole minor units, which no rounding makes others of."""


@st.composite
def arrived(draw: st.DrawFn) -> list[Event]:
    """A history as it happened or as it was shuffled on its way."""
    history = draw(histories())
    return draw(st.one_of(st.just(history), arrival_orders(history)))


@st.composite
def questions(draw: st.DrawFn) -> Asked:
    """A currency, a name to group by or none, none to two filters."""
    by = draw(st.one_of(st.none(), st.sampled_from(NAMES)))
    filters = draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=2, unique=True)) if draw(st.booleans()) else []
    where = tuple((name, draw(st.sampled_from(VALUES[name]))) for name in filters)
    return Asked(draw(st.sampled_from(("USD", "USD", "EUR"))), by, where)


@st.composite
def windows(draw: st.DrawFn) -> tuple[int, int, str]:
    """A window that starts and ends anywhere, and how it is cut: never into more than some 40 periods."""
    start = FIRST_DAY + draw(st.integers(-40, 800))
    every = draw(st.sampled_from(("day", "month", "quarter", "year")))
    days = draw(st.integers(1, 40 if every == "day" else 900))
    return start, start + days, every


async def asked_books(events: list[Event], asked: Asked) -> MemoryBooks | None:
    """Books of the events; None where they do not know a name that is asked for, which they have to say."""
    books = await books_of(events)
    known = {name for field in (await books.reports.book()).counts() for name in field.split("|", 2)[2:]}
    names = {name for name, _ in asked.where} | ({asked.by} if asked.by else set())
    if not known or names <= known | {"account", "contract", "currency"}:
        return books
    with pytest.raises(QuestionError, match="nothing is labelled"):
        await books.bridge(**asked_texts(asked))
    return None


# ---------------------------------------------------------------- reports = model


@MANY
@given(arrived(), questions(), windows())
@asynchronous
async def test_bridges_are_those_of_the_model(events: list[Event], asked: Asked, window: tuple[int, int, str]) -> None:
    """By any period, in any window, of any group and filter, in amounts and in accounts."""
    start, until, every = window
    books = await asked_books(events, asked)
    if books is not None:
        answer = await books.bridge(start=text(start), until=text(until), every=every, **asked_texts(asked))
        check_bridge(answer, Books(events), asked, start, until, every)


@MANY
@given(arrived(), questions(), windows())
@asynchronous
async def test_figures_are_those_of_the_model(events: list[Event], asked: Asked, window: tuple[int, int, str]) -> None:
    """Of any day and of any window, of any group and filter."""
    start, until, _ = window
    books = await asked_books(events, asked)
    if books is None:
        return
    model = Books(events)
    answer = await books.figures(start=text(start), until=text(until), **asked_texts(asked))
    check_figures(answer, model, asked, start, until)
    for row in answer["rows"]:
        kept = row["figures"]["grr"], row["figures"]["nrr"]
        assert kept == (None, None) or ((kept[0] <= kept[1] or kept[0] == "1.00000000") and kept[0] <= "1.00000000")
    check_figures(await books.figures(at=text(until), **asked_texts(asked)), model, asked, None, until)
    on = await books.figures(on=text(until - 1), **asked_texts(asked))
    check_figures(on, model, asked, None, until)


@SOME
@given(arrived(), st.sampled_from(NAMES), windows())
@asynchronous
async def test_groups_add_up_to_the_whole(events: list[Event], by: str, window: tuple[int, int, str]) -> None:
    """To the last integer, every column of every period, and what was spent, whether or not it names what is asked."""
    start, until, every = window
    grouped = Asked("USD", by)
    books = await asked_books(events, grouped)
    if books is None:
        return
    span = {"start": text(start), "until": text(until), "currency": "USD"}
    whole = await books.bridge(every=every, **span)
    groups = periods_in(await books.bridge(every=every, by=by, **span), grouped)
    for index, row in enumerate(whole["rows"]):
        for name, amount in row["annual_e4"].items():
            assert sum(rows[index]["annual_e4"][name] for rows in groups.values()) == amount
        rows = [found[index] for found in groups.values()]
        assert not rows or {one["from"] for one in rows} == {row["from"]}
    (whole_row,), parts = [(await books.figures(**span, **more))["rows"] for more in ({}, {"by": by})]
    for figure in CATALOGUE.values():
        if figure.adds_up != "never":
            total, due = sum(row["figures"][figure.name] for row in parts), whole_row["figures"][figure.name]
            is_rounded = figure.unit == "minor" and figure.name not in SPENT
            may_be_more = figure.adds_up == "accounts" and by in CELL_NAMES and by != "account"
            assert abs(total - due) <= len(parts) * is_rounded or (may_be_more and total > due)


# ---------------------------------------------------------------- particular questions


SEGMENTED = [
    fact("signed", "a1", "2024-01-10", lines=[line(1000, plan="pro")], attributes={"segment": "smb"}),
    fact("signed", "b1", "2024-01-20", lines=[line(2000, plan="basic")]),
    fact("signed", "c1", "2024-02-01", lines=[line(4000, plan="pro")], attributes={"segment": ""}),
    changed("a", "2024-02-10", segment="enterprise"),
    fact("cancelled", "b1", "2024-03-05"),
]


@asynchronous
async def test_an_empty_attribute_is_no_attribute() -> None:
    """Accounts without a segment and with an empty one are one group, and nothing of them is lost."""
    books = await books_of(SEGMENTED)
    asked = Asked("USD", "segment")
    answer = await books.bridge(start="2024-01-01", until="2024-04-01", by="segment")
    check_bridge(answer, Books(SEGMENTED), asked, day_of("2024-01-01"), day_of("2024-04-01"), "month")
    closing = {group_in(row, asked): row["mrr_minor"]["closing"] for row in answer["rows"][-3:]}
    assert closing == {"smb": 0, "enterprise": 1000, "": 4000}


@asynchronous
async def test_scheduled_churn_of_a_group_that_has_not_begun() -> None:
    """A contract agreed for later and ending later still: its group is not left out of what lies ahead."""
    events = [
        SEGMENTED[1],
        fact(
            "signed",
            "a1",
            "2024-01-10",
            lines=[line(1000, plan="pro")],
            effective_at="2025-01-01",
            term={"end": "2026-01-01", "auto_renew": False},
        ),
    ]
    books = await books_of(events)
    answer = await books.figures(at="2024-01-05", by="plan")
    check_figures(answer, Books(events), Asked("USD", "plan"), None, day_of("2024-01-05"))
    whole = (await books.figures(at="2024-01-05"))["rows"][0]["figures"]["scheduled_churn_minor"]
    assert whole == -1000
    assert [row["figures"]["scheduled_churn_minor"] for row in answer["rows"]] == [whole]


@asynchronous
async def test_a_plan_that_a_contract_is_in_only_later_has_its_part_of_the_value() -> None:
    """A ramp through another plan and out again: nothing in force today, and a part of what the term is worth."""
    ramp = [
        line(1000, plan="basic", until="2024-03-01"),
        line(1000, plan="pro", line_id="l2", **{"from": "2024-03-01"}, until="2024-05-01"),
        line(1000, plan="basic", line_id="l3", **{"from": "2024-05-01"}),
    ]
    books = await books_of([fact("signed", "acme", "2024-01-01", lines=ramp, term={"end": "2025-01-01"})])
    answer = await books.figures(at="2024-02-01", by="plan")
    found = {row["group"]["plan"]: row["figures"]["acv_minor"] for row in answer["rows"]}
    assert found == {"basic": 10 * 1000, "pro": 2 * 1000}


@asynchronous
async def test_empty_books_have_zeros_and_nulls() -> None:
    """Before the first event, and of a currency nobody uses."""
    books = await books_of([])
    answer = await books.figures(start="2024-01-01", until="2025-01-01")
    assert answer["currency"] == "USD"
    assert answer["as_of"] == {"position": {"0": -1}, "newest_event": None, "age_seconds": None, "final": True}
    (row,) = answer["rows"]
    assert {name: value for name, value in row["figures"].items() if value is not None} == {
        **dict.fromkeys(("mrr_minor", "arr_minor", "committed_mrr_minor", "committed_arr_minor"), 0),
        **dict.fromkeys(("scheduled_churn_minor", "accounts", "discounts_minor", "discount_investment_minor"), 0),
        **dict.fromkeys(SPENT, 0),
    }
    bridge = await books.bridge()  # of the twelve months up to now, whenever that is
    assert len(bridge["rows"]) == 12
    assert bridge["rows"][-1]["until"] > "2026"
    assert not any(amount for row in bridge["rows"] for amount in row["annual_e4"].values())
    assert (await books.bridge(by="segment"))["rows"] == []
    await books.book(SEGMENTED)
    other = await books.bridge(start="2024-01-01", until="2024-02-01", currency="KRW")
    assert not any(other["rows"][0]["annual_e4"].values())


@asynchronous
async def test_the_default_window_ends_with_the_month_of_the_newest_event() -> None:
    """Twelve months of it; the day of the figures is the one after the newest event."""
    books = await books_of(SEGMENTED)
    rows = (await books.bridge())["rows"]
    assert (rows[0]["from"], rows[-1]["until"], len(rows)) == ("2023-04-01", "2024-04-01", 12)
    assert (await books.figures())["rows"][0]["at"] == "2024-03-06"
    assert (await books.bridge(start="2024-02-10"))["rows"][0]["from"] == "2024-02-10"


@asynchronous
async def test_events_at_the_end_of_time_are_answered_too() -> None:
    """The latest time an event may have, and a contract for ever after; nobody's default window goes there."""
    last = fact("signed", "a1", "9998-12-31T23:59:59Z", lines=[line(1000)], effective_at="9999-12-31")
    books = await books_of([last])
    rows = (await books.bridge(start="9998-01-01", until="9999-12-30", every="year"))["rows"]
    assert [(row["until"], row["annual_e4"]["closing"]) for row in rows] == [("9999-01-01", 0), ("9999-12-30", 0)]
    assert (await books.figures(at="9999-01-01"))["rows"][0]["figures"]["committed_mrr_minor"] == 1000
    assert len((await books.bridge())["rows"]) == 12
    assert (await books.bridge())["rows"][-1]["until"] < "9000"


@asynchronous
async def test_groups_times_periods_are_bounded() -> None:
    """One question does not fill the memory, and its answer says what to ask instead."""
    signings = [fact("signed", f"a{n}", "2024-01-10", lines=[line(1000)]) for n in range(1, 12)]
    books = await books_of(signings)
    with pytest.raises(QuestionError, match="more than 400000 rows") as error:
        await books.bridge(start="1950-01-01", until="2055-01-01", every="day", by="contract")
    assert error.value.parameter == "every"
    assert len((await books.bridge(start="2024-01-01", until="2025-01-01", by="contract"))["rows"]) == 12 * 11


@asynchronous
async def test_several_currencies_have_to_be_told_apart() -> None:
    """They are never added up, so one has to be chosen; by its name it may be the group as well."""
    events = [SEGMENTED[0], fact("signed", "b2", "2024-01-05", currency="EUR", lines=[line(700)])]
    books = await books_of(events)
    with pytest.raises(QuestionError, match="EUR, USD") as error:
        await books.bridge()
    assert error.value.parameter == "currency"
    rows = (await books.figures(at="2024-02-01", currency="EUR", by="currency"))["rows"]
    assert [(row["group"], row["figures"]["mrr_minor"]) for row in rows] == [({"currency": "EUR"}, 700)]


@asynchronous
async def test_what_was_taken_back_stays_a_name() -> None:
    """A name that was ever posted to can be asked for, however the events came: one by one or at once."""
    signed = fact("signed", "a1", "2024-01-10", currency="EUR", lines=[line(10)], attributes={"tier": "x"})
    events = [SEGMENTED[1], signed, retracted(signed, "2024-01-11")]
    at_once, one_by_one = await books_of(events), await MemoryBooks().start()
    for event in events:
        await one_by_one.book([event])
    for books in (at_once, one_by_one):
        assert (await books.bridge(by="tier", currency="EUR"))["rows"] == []
        with pytest.raises(QuestionError, match="EUR, USD"):
            await books.bridge()


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"by": "sgment"}, "by", "did you mean segment"),
    ({"where": "segmet=smb"}, "where", "did you mean segment"),
    ({"where": ["plan=pro", "colour=red"]}, "where", "nothing is labelled 'colour'"),
    ({"figures": "nrr", "at": "2024-01-01"}, "from", "nrr is about a window"),
    ({"known_at": "0:99"}, "known_at", "has no block 99"),
    ({"known_at": "1:0"}, "known_at", "names every partition"),
    ({"known_at": "0:0,1:0"}, "known_at", "names every partition"),
    ({"known_at": "0:" + "9" * 5_000}, "known_at", "known_at"),
]


@pytest.mark.parametrize(("asked", "parameter", "sentence"), WRONG)
@asynchronous
async def test_what_the_books_cannot_answer_is_said(asked: dict[str, Any], parameter: str, sentence: str) -> None:
    books = await books_of(SEGMENTED)
    with pytest.raises(QuestionError, match=sentence) as error:
        await books.figures(**asked)
    assert error.value.parameter == parameter


@asynchronous
async def test_more_than_40000_periods_are_too_many() -> None:
    books = await books_of(SEGMENTED)
    with pytest.raises(QuestionError, match="more than 40000 periods") as error:
        await books.bridge(start="1900-01-01", until=text(day_of("1900-01-01") + 40_001), every="day")
    assert error.value.parameter == "every"
    rows = (await books.bridge(start="1900-01-01", until=text(day_of("1900-01-01") + 40_000), every="day"))["rows"]
    assert len(rows) == 40_000


@asynchronous
async def test_huge_amounts_add_up_beyond_64_bits() -> None:
    """Ninety lines near the limit of a line, in one account and in many, in sums, bridges and figures."""
    price = 2**60 // 120_000
    events = [
        fact("signed", f"{name}1", "2024-01-01", lines=[line(price, line_id=f"l{n}") for n in range(30)])
        for name in "abc"
    ]
    events.append(fact("cancelled", "c1", "2024-02-15"))
    books = await books_of(events)
    whole = 90 * price
    assert whole * 120_000 > 2**66
    for every in ("day", "month", "year"):
        answer = await books.bridge(start="2023-12-15", until="2024-03-10", every=every)
        check_bridge(answer, Books(events), Asked("USD"), day_of("2023-12-15"), day_of("2024-03-10"), every)
    assert sum(row["mrr_minor"]["new"] for row in answer["rows"]) == whole
    for asked in (Asked("USD"), Asked("USD", "plan"), Asked("USD", "account"), Asked("USD", None, (("account", "c"),))):
        figures = await books.figures(start="2024-01-05", until="2024-03-10", **asked_texts(asked))
        check_figures(figures, Books(events), asked, day_of("2024-01-05"), day_of("2024-03-10"))
