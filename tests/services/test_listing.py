"""Listing: tables live and replayed say the same, at any position, of any filter; cohorts add up to the level."""

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from projections.tables import TABLES
from services.audit.replaying import replayed_table
from services.compose import genesis_of
from services.questions import question_of
from tests.effort import examples
from tests.model.days import Event
from tests.model.histories import FIRST_DAY
from tests.model.notation import fact, line
from tests.model.reports import Asked, held
from tests.services.audit.test_replaying import booked_apart
from tests.services.books import parameters, text
from tests.services.running import asynchronous
from tests.services.test_reports import arrived

SOME = settings(max_examples=examples(30), deadline=None, phases=(Phase.explicit, Phase.generate))


@SOME
@given(arrived(), st.integers(-10, 800), st.data())
@asynchronous
async def test_live_is_replay(events: list[Event], day: int, data: st.DataObject) -> None:
    """And of the model: who has revenue, how much, and the whole of all cohorts."""
    books, heights = await booked_apart(events)
    last = data.draw(st.integers(0, len(events) - 1))
    moment, at = f"0:{heights[last]}", FIRST_DAY + day
    where = data.draw(st.sampled_from(((), ("account=acme",), ("plan=pro",))))
    genesis = await genesis_of(books.ledger)
    assert genesis is not None
    for name in TABLES:
        asked = {"at": text(at), "currency": "USD", "known_at": moment, "limit": "1000", "where": where}
        question = question_of(parameters(asked))
        live = await books.reports.table(name, question)
        assert await replayed_table(books.ledger, genesis, name, question) == live
        if name == "concentration":
            levels = held(events[: last + 1], at, _model(where)).get("", {})
            assert {row["account"] for row in live["rows"]} == {*levels}
            assert [row["mrr_minor"] for row in live["rows"]] == sorted(map(_minor, levels.values()), reverse=True)
        if name == "cohorts":
            ends = {row["cohort"]: row for row in live["rows"]}.values()
            levels = held(events[: last + 1], at, _model(where)).get("", {})
            assert sum(row["accounts"] for row in ends) == len(levels)


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
