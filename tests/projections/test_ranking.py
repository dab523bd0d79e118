"""Ranking: the first rows of a table are those of the whole table, whoever is worth the same."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projections.groups import Choice
from projections.layers import Layers
from projections.numbering import Vocabulary
from projections.ranking import FIRST
from projections.records import Record
from projections.tables import LISTS
from services.details import RANKED
from services.listing import listed, rows_told
from services.questions import Question
from tests.projections.booked import cell, posting, record

LEVELS = st.sampled_from((12, 12, 60_000, 60_001, 119_999, 120_000, 180_000, 600_000, 10**9))
DAYS = st.sampled_from((5, 100, 300, 500, 600))


@st.composite
def accounts(draw: st.DrawFn) -> dict[str, Record]:
    """Accounts of which many are worth the same, exactly or as rounded; some have gone, or were less before."""
    made: dict[str, Record] = {}
    for number in range(draw(st.integers(0, 25))):
        of = cell(draw(st.sampled_from(("pro", "basic"))), contract=f"k{number}")
        level, then = draw(LEVELS), draw(DAYS)
        more = [posting(then + 50, "churn", -level, of)] if draw(st.integers(0, 4)) == 0 else []
        more += [posting(then + 60, "expansion", draw(LEVELS), of)] if draw(st.booleans()) else []
        made[f"a{draw(st.integers(0, 10**6))}"] = record(posting(then, "new", level, of), *more)
    return made


def test_the_tables_that_are_ranked_are_named() -> None:
    assert FIRST.keys() == RANKED


@pytest.mark.parametrize("name", sorted(FIRST))
@settings(max_examples=60, deadline=None)
@given(accounts(), DAYS, st.integers(0, 30), st.sampled_from(((), (("plan", "pro"),), (("plan", "none"),))))
def test_first_rows_are_those_of_the_table(
    name: str, made: dict[str, Record], day: int, limit: int, where: tuple[tuple[str, str], ...]
) -> None:
    question = Question(limit=limit, where=where)
    bounds = (day + 70, day + 70)
    expected = listed(name, ((account, one.items(), []) for account, one in made.items()), question, "USD", bounds)
    vocabulary, layers = Vocabulary(), Layers()
    for account, one in made.items():
        layers = layers.changed({account: one}, vocabulary)
    layers = layers.changed({account: made[account] for account in [*made][:3]}, vocabulary)
    first = FIRST[name](layers, Choice("USD", None, dict(where)), day + 70, limit)
    assert rows_told(name, first.rows, first.count, question, bounds) == expected
    assert LISTS[name].warned(first.rows) == expected.get("warning")
