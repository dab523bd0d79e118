"""Ranked: what accounts in memory tell of a table is the table, whoever is worth the same."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.account import Booking
from events.notes import Answer, AnyNote
from projections.columnar.firsts import FIRST
from projections.columnar.layers import Layers
from projections.columnar.numbering import Vocabulary
from projections.records import NOTHING, Record
from projections.tables import LISTS
from services.details import RANKED
from services.listing import listed
from services.questions import Question
from services.ranked import first_listed
from tests.model.histories import FIRST_DAY
from tests.projections.booked import bookings, cell, posting, record, records_of
from tests.projections.columnar.test_arrays import DAYS
from tests.projections.columnar.test_deals import agreed
from tests.projections.columnar.test_heard import NOTES, answers

LEVELS = st.sampled_from((12, 12, 60_000, 60_001, 119_999, 120_000, 180_000, 600_000, 10**9))
AFTER = st.sampled_from((5, 100, 300, 500, 600))
FILTERS: tuple[tuple[tuple[str, str], ...], ...] = ((), (), (("plan", "pro"),), (("plan", "none"),), (("segment", ""),))
GROUPS = (None, None, "plan", "currency", "segment", "owner", "nothing")


@st.composite
def accounts(draw: st.DrawFn) -> dict[str, Record]:
    """Accounts of which many are worth the same, exactly or as rounded; some have gone, or were less before."""
    made: dict[str, Record] = {}
    for number in range(draw(st.integers(0, 25))):
        labels = draw(st.sampled_from(({}, {"term_months": "12"}, {"segment": "smb", "term_months": "1"})))
        of = cell(draw(st.sampled_from(("pro", "basic"))), contract=f"k{number % 3}", **labels)
        level, then = draw(LEVELS), FIRST_DAY + draw(AFTER)
        reason = draw(st.sampled_from(("", "price")))
        more = [posting(then + 50, "churn", -level, of, reason)] if draw(st.integers(0, 4)) == 0 else []
        more += [posting(then + 60, "expansion", draw(LEVELS), of)] if draw(st.booleans()) else []
        made[f"a{draw(st.integers(0, 10**6))}"] = record(posting(then, "new", level, of), *more)
    return made


def check(
    layers: Layers, made: dict[str, Record], notes: dict[str, list[AnyNote]], name: str, data: st.DataObject
) -> None:
    """The accounts in memory tell a table as the records one by one do."""
    where = data.draw(st.sampled_from((*FILTERS, (("reason", "price"),)) if name == "churn" else FILTERS))
    limit, by = data.draw(st.integers(0, 30)), data.draw(st.sampled_from(GROUPS))
    every = data.draw(st.sampled_from(LISTS[name].every or ("month",)))
    start, day = sorted((data.draw(DAYS), data.draw(DAYS) + 300))
    question = Question(limit=limit, where=where, by=by, every=every)
    bounds = (start, day) if LISTS[name].is_window else (day, day)
    told = ((account, one.items(), notes.get(account, [])) for account, one in made.items())
    expected = listed(name, told, question, "USD", bounds)
    assert first_listed(name, layers, question, "USD", bounds) == expected


def test_the_tables_that_are_ranked_are_named() -> None:
    assert FIRST.keys() == RANKED


@pytest.mark.parametrize("name", sorted(FIRST))
@settings(max_examples=40, deadline=None)
@given(accounts(), st.data())
def test_first_rows_are_those_of_the_table(
    name: str, made: dict[str, Record], data: st.DataObject
) -> None:
    said = st.lists(agreed("k0") | agreed("k1") | answers(), max_size=4)
    some: dict[str, list[AnyNote]] = {account: [*data.draw(said)] for account in [*made][:8]}
    vocabulary, layers = Vocabulary(), Layers()
    for account, one in made.items():
        layers = layers.changed({account: one}, vocabulary, some)
    layers = layers.changed({account: made[account] for account in [*made][:3]}, vocabulary, some)
    for _ in range(3):
        check(layers, made, some, name, data)


@pytest.mark.parametrize("name", sorted(FIRST))
@settings(max_examples=30, deadline=None)
@given(bookings(), NOTES, st.data())
def test_tables_of_random_histories(
    name: str, made: list[Booking], answered: dict[str, list[Answer]], data: st.DataObject
) -> None:
    """Some accounts came early and changed since."""
    records = records_of(made)
    notes: dict[str, list[AnyNote]] = {account: [*some] for account, some in answered.items()}
    for account in records:
        notes.setdefault(account, []).extend(data.draw(st.lists(agreed(f"{account}-k1"), max_size=3)))
    early = records_of(made[: data.draw(st.integers(0, len(made)))])
    vocabulary = Vocabulary()
    layers = Layers().changed(early, vocabulary, notes)
    for account in {**early, **records, **notes}:
        layers = layers.changed({account: records.get(account, NOTHING)}, vocabulary, notes)
    for _ in range(3):
        check(layers, records, notes, name, data)
