"""Values: one that nothing ever had is named with the nearest there are; one that something once had gives zeros."""

from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from services.audit.explaining import explanation
from services.audit.replaying import replayed, replayed_table
from services.audit.restating import restatement
from services.compose import genesis_of
from services.questions import Question, QuestionError, question_of
from services.values import says_nothing
from tests.effort import examples
from tests.model.days import Event
from tests.model.notation import changed, fact, line, retracted
from tests.services.audit.test_replaying import booked_apart
from tests.services.books import MemoryBooks, books_of
from tests.services.running import asynchronous
from tests.services.test_reports import arrived

SOME = settings(max_examples=examples(20), deadline=None, phases=(Phase.explicit, Phase.generate))
GONE = fact("signed", "d1", "2024-01-09", lines=[line(500, plan="gold")])
COST = fact("cost", "x1", "2024-01-01") | {"type": "revledger.cost.recorded.v1", "subject": "~book"}
HISTORY: list[Event] = [
    fact("signed", "a1", "2024-01-01", lines=[line(1_000, plan="pro")], owner="kim", attributes={"segment": "smb"}),
    fact("signed", "b1", "2024-01-01", lines=[line(2_000, plan="team")], attributes={"segment": "smb"}),
    changed("a", "2024-02-01", segment="enterprise"),
    fact("cancelled", "b1", "2024-03-01", reason="price"),
    GONE,
    retracted(GONE, "2024-01-10"),
    COST | {"data": {"kind": "retention", "amount_minor": 5, "currency": "USD", "from": "2024-01-01",
                     "until": "2024-01-02", "campaign": "spring"}},
]  # fmt: skip
LATER = {"from": ["2025-01-01"], "until": ["2025-02-01"]}


async def refusals(books: MemoryBooks, **asked: list[str]) -> set[str | None]:
    """Why figures, bridge and a table do not answer a question, None where they do."""
    question, window = question_of(asked), question_of(LATER | asked)
    return {
        await refusal(checked(books, answer, one))
        for answer, one in (
            (books.reports.figures(question), question),
            (books.reports.bridge(window), window),
            (books.reports.table("concentration", question), question),
        )
    }


async def checked(books: MemoryBooks, answering: Any, question: Question) -> Any:
    """An answer as whoever asks once gets it."""
    return await books.reports.checked(await answering, question)


async def refusals_replayed(books: MemoryBooks, where: str = "", currency: str = "") -> set[str | None]:
    """The same of all that asks the ledger itself."""
    genesis = await genesis_of(books.ledger)
    assert genesis is not None
    asked = {"where": [where], "currency": [currency]}
    question, between = question_of(asked), question_of(asked | {"between": ["0:0", "now"]})
    return {
        await refusal(answer)
        for answer in (
            replayed(books.ledger, genesis, question, is_bridge=False),
            replayed(books.ledger, genesis, question_of(LATER | asked)),
            replayed_table(books.ledger, genesis, "concentration", question),
            restatement(books.ledger, genesis, between),
            explanation(books.ledger, genesis, "mrr_minor", question),
        )
    }


async def refusal(answering: Any) -> str | None:
    """Why a question is not answered, None where it is."""
    try:
        await answering
    except QuestionError as error:
        return f"{error.parameter}: {error.message}"
    return None


@asynchronous
async def test_a_value_that_nothing_had_is_refused_with_the_nearest_there_are() -> None:
    books = await books_of(HISTORY)
    for name, value, hint in (
        ("segment", "smbb", "did you mean smb?"),
        ("segment", "SMB", "did you mean smb?"),
        ("plan", "gold", "choose one of pro, team"),
        ("owner", "lee", "choose one of kim"),
        ("account", "e", "choose one of a, b, d"),
        ("contract", "a2", "did you mean a1?"),
        ("currency", "UDS", "did you mean USD?"),
        ("campaign", "sprung", "did you mean spring?"),
    ):
        sentence = f"where: nothing was ever booked with {name} {value!r}: {hint}"
        assert await refusals(books, where=[f"{name}={value}"]) == {sentence}
        if name in ("account", "campaign"):
            assert await refusals_replayed(books, f"{name}={value}") == {sentence}


@asynchronous
async def test_a_value_that_something_once_had_gives_zeros() -> None:
    """A is an enterprise by now, B is gone, D was taken back, and the campaign has cost something and won nobody."""
    books = await books_of(HISTORY)
    for where in ("plan=team", "segment=smb", "account=b", "account=d", "campaign=spring"):
        assert await refusals(books, where=[where]) == {None}
        assert await refusals(books, where=[where], known_at=["0:0"]) == {None}
    assert await refusals_replayed(books, "campaign=spring") == {None}


@asynchronous
async def test_a_plan_that_is_free_for_everybody_gives_zeros() -> None:
    """Also beside lines that cost something, and spelt in any way; unless all events that had it were taken back."""
    lines = [line(0, plan="frei\u00df"), line(5, plan="pro") | {"line_id": "l2"}]
    free = [fact("signed", f"{name}1", "2024-01-01", lines=lines) for name in "fg"]
    books = await books_of([*HISTORY, *free, retracted(free[0], "2024-01-10")])
    assert await refusals(books, where=["plan=frei\u00df"]) == {None}
    assert await refusals_replayed(books, "plan=frei\u00df") == {None}
    await books.book([retracted(free[1], "2024-01-11")])
    sentence = "where: nothing was ever booked with plan 'frei\u00df': choose one of pro, team"
    assert await refusals(books, where=["plan=frei\u00df"]) == {sentence}
    assert await refusals_replayed(books, "plan=frei\u00df") == {sentence}
    assert await refusals(books, where=["product=frei\u00df"]) != {None}


@asynchronous
async def test_a_currency_without_revenue_is_refused_with_those_there_are() -> None:
    """Costs in one are none; where there is no revenue at all any will do, and any may be converted to."""
    books = await books_of(HISTORY)
    sentence = "currency: no revenue was ever booked in EUR: choose one of USD"
    assert await refusals(books, currency=["EUR"]) == await refusals_replayed(books, currency="EUR") == {sentence}
    assert await refusals(books, currency=["EUR"], known_at=["0:0"]) == {sentence}
    assert await refusals(books, currency=["USD"]) == await refusals_replayed(books, currency="USD") == {None}
    for asked in ({"currency": ["EUR"], "convert": ["closing"]}, {"currency": ["EUR"], "convert": ["constant"]}):
        question = question_of(asked)
        with pytest.raises(QuestionError, match="no rate is in force"):
            await checked(books, books.reports.figures(question), question)
    spent = await books_of(HISTORY[-1:])
    assert await refusals(spent, currency=["EUR"]) == await refusals_replayed(spent, currency="EUR") == {None}


@asynchronous
async def test_reasons_are_values_of_the_table_of_churn() -> None:
    books = await books_of(HISTORY)
    wrong, right = (question_of(LATER | {"where": [f"reason={reason}"]}) for reason in ("prize", "price"))
    with pytest.raises(QuestionError, match="booked with reason 'prize': did you mean price"):
        await checked(books, books.reports.table("churn", wrong), wrong)
    assert (await checked(books, books.reports.table("churn", right), right))["rows"] == []


@asynchronous
async def test_books_without_revenue_refuse_no_value() -> None:
    books = await books_of(HISTORY[-1:])
    question = question_of({"where": ["plan=pro"]})
    assert says_nothing((await checked(books, books.reports.figures(question), question))["rows"])
    assert await refusals_replayed(books, "plan=pro") == {None}


@SOME
@given(arrived(), st.sampled_from(("plan=pro", "plan=none", "owner=kim", "campaign=spring", "account=dune")))
@asynchronous
async def test_live_refuses_what_a_replay_refuses(events: list[Event], where: str) -> None:
    """Whatever was taken back, learnt late or only spent."""
    books, _ = await booked_apart(events)
    question = question_of({"currency": ["USD"], "where": [where], "figures": ["mrr_minor"]})
    genesis = await genesis_of(books.ledger)
    assert genesis is not None
    live, again = [
        await _said(answering)
        for answering in (
            checked(books, books.reports.figures(question), question),
            replayed(books.ledger, genesis, question, is_bridge=False),
        )
    ]
    assert live == again


async def _said(answering: Any) -> Any:
    try:
        return (await answering)["rows"]
    except QuestionError as error:
        return error.message


def test_what_says_nothing() -> None:
    row = {"from": "2024-01-01", "group": {"plan": "pro"}, "figures": {"nrr": None, "accounts": 0}}
    assert says_nothing([row, {**row, "figures": {"csat": "0.00000000"}}])
    assert not says_nothing([{**row, "figures": {"nrr": "1.00000000"}}])
    assert not says_nothing([{**row, "before": {"from": "2023-01-01", "figures": {"accounts": 1}}}])
