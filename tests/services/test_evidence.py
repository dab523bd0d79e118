"""What was known at a moment: answers as they were given then, for ever; and what an answer says it reflects."""

import asyncio
import json
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from services import clock
from services.evidence import AsOf, evidence_of
from services.projector import Projector
from services.questions import QuestionError
from services.reports import Answer
from services.views.memory import memory_views
from tests.effort import examples
from tests.model.days import Event, moment
from tests.model.histories import FIRST_DAY, arrival_orders, histories
from tests.model.notation import fact, line
from tests.model.reports import Asked, Books
from tests.services.books import POLICY, MemoryBooks, books_of, check_bridge, check_figures, text
from tests.services.running import asynchronous

SOME = settings(max_examples=examples(40), deadline=None, phases=(Phase.explicit, Phase.generate))
START = moment("2024-06-01T00:00:00Z")
MINUTE = 60_000_000
WINDOW = (FIRST_DAY + 5, FIRST_DAY + 140)
SPAN = {"start": text(WINDOW[0]), "until": text(WINDOW[1]), "currency": "USD"}


def without_age(answer: Answer) -> str:
    """The bytes of an answer but for its age."""
    as_of = {name: value for name, value in answer["as_of"].items() if name != "age_seconds"}
    return json.dumps({**answer, "as_of": as_of})


async def answers_at(books: MemoryBooks, known_at: str) -> list[Answer]:
    """Some answers as known at a moment."""
    return [
        await books.bridge(known_at=known_at, **SPAN),
        await books.bridge(known_at=known_at, by="plan", **SPAN),
        await books.figures(known_at=known_at, **SPAN),
    ]


@SOME
@given(st.data())
@asynchronous
async def test_answers_as_known_then_never_change(data: st.DataObject) -> None:
    """At every block: the model's answers of what was known then; the same to the byte after all that came later."""
    events: list[Event] = data.draw(histories().flatmap(arrival_orders))
    books = await MemoryBooks().start()
    then: dict[str, list[str]] = {}
    known: list[Event] = []
    at = START
    while len(known) < len(events):
        batch = events[len(known) : len(known) + data.draw(st.integers(1, 5))]
        known = [*known, *batch]
        at += data.draw(st.sampled_from((0, 1, MINUTE)))
        await books.book(batch, at=at)
        height = books.projector.position.next_height - 1
        answers = await answers_at(books, f"0:{height}")
        model = Books(known)
        check_bridge(answers[0], model, Asked("USD"), *WINDOW, "month")
        check_bridge(answers[1], model, Asked("USD", "plan"), *WINDOW, "month")
        check_figures(answers[2], model, Asked("USD"), *WINDOW)
        live = [await books.bridge(**SPAN), await books.bridge(by="plan", **SPAN), await books.figures(**SPAN)]
        assert [one["rows"] for one in answers] == [one["rows"] for one in live]
        then[f"0:{height}"] = [without_age(answer) for answer in answers]
    for known_at, answers_then in then.items():
        assert [without_age(answer) for answer in await answers_at(books, known_at)] == answers_then


SIGNED = [fact("signed", f"{name}1", "2024-01-10", lines=[line(1000)]) for name in "abc"]


async def three_blocks() -> MemoryBooks:
    """A genesis and three blocks, recorded a minute after each other."""
    books = await MemoryBooks().start()
    for index, event in enumerate(SIGNED):
        await books.book([event], at=START + index * MINUTE)
    return books


async def mrr_known_at(books: MemoryBooks, known_at: str) -> tuple[int, int, bool]:
    """MRR, height and whether it is final."""
    answer = await books.figures(at="2024-02-01", known_at=known_at)
    assert answer["as_of"]["known_at"] == known_at
    figures = answer["rows"][0]["figures"]
    return figures["mrr_minor"], answer["as_of"]["position"]["0"], answer["as_of"]["final"]


@pytest.mark.parametrize(
    ("known_at", "expected"),
    [
        ("2024-06-01T00:00:00Z", (1000, 1, True)),
        ("2024-06-01T00:00:59.999999Z", (1000, 1, True)),
        ("2024-06-01T09:01:00+09:00", (2000, 2, True)),
        ("2024-06-01T00:01:59Z", (2000, 2, True)),
        ("2024-06-01T00:02:00Z", (3000, 3, False)),
        ("2030-01-01T00:00:00Z", (3000, 3, False)),
        ("0:0", (0, 0, True)),
        ("0:1", (1000, 1, True)),
        ("0:3", (3000, 3, True)),
    ],
)
@asynchronous
async def test_moments_are_times_or_positions(known_at: str, expected: tuple[int, int, bool]) -> None:
    """A time is final once something later was recorded; a position always."""
    assert await mrr_known_at(await three_blocks(), known_at) == expected


@pytest.mark.parametrize("known_at", ["2024-05-31T23:59:59.999999Z", "1999-01-01T00:00:00Z"])
@asynchronous
async def test_a_moment_before_the_ledger_began_is_no_empty_book(known_at: str) -> None:
    with pytest.raises(QuestionError, match=f"{known_at} is before the ledger began, at 2024-06-01T00:00:00Z"):
        await mrr_known_at(await three_blocks(), known_at)


@asynchronous
async def test_a_time_becomes_final() -> None:
    """With the first block recorded later, not with one of the same moment."""
    books = await three_blocks()
    known_at = "2024-06-01T00:02:00Z"
    more = [fact("signed", f"{name}1", "2024-01-10", lines=[line(1000)]) for name in "de"]
    await books.book(more[:1], at=START + 2 * MINUTE)
    assert await mrr_known_at(books, known_at) == (4000, 4, False)
    await books.book(more[1:], at=START + 2 * MINUTE + 1)
    assert await mrr_known_at(books, known_at) == (4000, 4, True)


@asynchronous
async def test_empty_books_know_nothing_at_any_time() -> None:
    books = await books_of([])
    assert await mrr_known_at(books, "2024-06-01T00:00:00Z") == (0, -1, False)


@asynchronous
async def test_questions_at_once_about_one_moment_get_one_answer() -> None:
    """Nobody is answered from a past that is still being folded, and a failure is not kept."""
    books = await three_blocks()
    first, second = await asyncio.gather(mrr_known_at(books, "0:2"), mrr_known_at(books, "0:2"))
    assert first == second == (2000, 2, True)
    with patch.object(Projector, "catch_up", side_effect=RuntimeError), pytest.raises(RuntimeError):
        await mrr_known_at(books, "0:1")
    assert await mrr_known_at(books, "0:1") == (1000, 1, True)
    assert await asyncio.gather(*(mrr_known_at(books, f"0:{height}") for height in (0, 1, 2, 3))) == [
        (0, 0, True),
        (1000, 1, True),
        (2000, 2, True),
        (3000, 3, True),
    ]


@asynchronous
async def test_answers_say_what_they_reflect() -> None:
    """Position, newest event, age of the newest block, policy."""
    books = await three_blocks()
    with patch.object(clock, "now", lambda: START + 3 * MINUTE):
        answer: dict[str, Any] = await books.bridge(**SPAN)
    assert answer["policy"] == POLICY.stamp
    assert answer["as_of"] == {
        "position": {"0": 3},
        "newest_event": "2024-01-10T00:00:00Z",
        "age_seconds": 60,
        "final": True,
    }


def test_age_is_never_negative() -> None:
    """A history may be recorded in what is the future of this machine."""
    with patch.object(clock, "now", lambda: START):
        assert AsOf({"0": 1}, START + MINUTE, 0).shown()["age_seconds"] == 0


@asynchronous
async def test_evidence_of_a_partition_without_views_is_empty() -> None:
    evidence = await evidence_of(memory_views(), [0], ["accounts"])
    assert (evidence.as_of.heights, list(evidence.records())) == ({"0": -1}, [])
