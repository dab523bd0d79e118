"""Comparing: each side is what is answered when it is asked alone, live and replayed; and which side it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.days import text_of_day
from projections.figures import CATALOGUE
from services.comparing import bounds_before
from services.questions import Question
from tests.model.days import Event, day_of
from tests.model.reports import Asked
from tests.services.audit.test_replaying import SOME, is_known, replay
from tests.services.books import MemoryBooks, asked_texts, books_of, text
from tests.services.running import asynchronous
from tests.services.test_reports import arrived, questions, windows


@pytest.mark.parametrize(
    ("window", "compare", "before"),
    [
        (("2024-03-01", "2024-04-01"), "previous", ("2024-02-01", "2024-03-01")),
        (("2024-01-01", "2025-01-01"), "previous", ("2023-01-01", "2024-01-01")),
        (("2024-03-10", "2024-03-20"), "previous", ("2024-02-29", "2024-03-10")),
        (("2024-02-01", "2024-03-01"), "year", ("2023-02-01", "2023-03-01")),
        (("2024-02-29",), "year", ("2023-02-28",)),
        (("2024-03-31",), "previous", ("2024-02-29",)),
    ],
)
def test_what_lies_before(window: tuple[str, ...], compare: str, before: tuple[str, ...]) -> None:
    question = Question(compare="year" if compare == "year" else "previous")
    found = bounds_before(question, [day_of(day) for day in window])
    assert found is not None
    assert tuple(map(text_of_day, found)) == before
    assert bounds_before(Question(), [1, 2]) is None


@SOME
@given(arrived(), questions(), windows(), st.sampled_from(("previous", "year")))
@asynchronous
async def test_each_side_is_what_is_answered_alone(
    events: list[Event], asked: Asked, window: tuple[int, int, str], compare: str
) -> None:
    books = await books_of(events)
    if not await is_known(books.reports, asked):
        return
    texts = {"start": text(window[0]), "until": text(window[1]), **asked_texts(asked)}
    compared = await books.figures(**texts, compare=compare)
    figures = ",".join(CATALOGUE)
    replayed = await replay(books.ledger, **texts, compare=compare, figures=figures)
    assert replayed["rows"] == compared["rows"]
    now = {str(row.get("group")): row["figures"] for row in (await books.figures(**texts))["rows"]}
    assert {key: row["figures"] for row in compared["rows"] if (key := str(row.get("group"))) in now} == now
    await _check_before(books, compared["rows"], asked)


async def _check_before(books: MemoryBooks, rows: list[dict[str, object]], asked: Asked) -> None:
    for row in rows[:1]:
        before = row["before"]
        assert isinstance(before, dict)
        alone = await books.figures(start=before["from"], until=before["until"], **asked_texts(asked))
        then = {str(one.get("group")): one["figures"] for one in alone["rows"]}
        sides = {str(one.get("group")): one["before"] for one in rows}
        assert all(sides[group]["figures"] == figures for group, figures in then.items())  # type: ignore[index]
