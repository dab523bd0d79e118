"""Heard: answers in columns come to what the answers of each account come to, to the last bit."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from events.account import Booking
from events.notes import Answer
from projections.columnar.arrays import TOTAL_MAX
from projections.columnar.heard import exact_sums
from projections.columnar.layers import Layers
from projections.columnar.numbering import Vocabulary
from projections.groups import Choice, selected_groups
from projections.records import NOTHING, Record
from projections.satisfaction import Satisfaction, Window, satisfaction_of
from tests.model.histories import ACCOUNTS, FIRST_DAY
from tests.projections.booked import bookings, cell, posting, record, records_of
from tests.projections.columnar.test_arrays import CHOICES, DAYS

SURVEYS = st.sampled_from((("nps", 10), ("nps", 10), ("nps", 5), ("csat", 5), ("csat", 0), ("fcr", 0), ("ces", 7)))
TAGS = st.sampled_from(((), ("price",), ("price", "bugs"), ("bugs", "bugs")))


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    """An answer on some day; the same moments and people come again."""
    survey, scale = draw(SURVEYS)
    day = draw(DAYS)
    score = draw(st.none() | st.integers(0, scale or 10))
    moment, told = day * 7 + draw(st.integers(-9, 9)), draw(st.none() | st.booleans())
    respondent = draw(st.sampled_from(("", "r1", "r2", "r3")))
    return Answer(b"", day, moment, survey, score, scale, told, respondent, draw(TAGS))


NOTES = st.dictionaries(st.sampled_from((*ACCOUNTS, "zoe")), st.lists(answers(), min_size=1, max_size=8))


def expected(
    records: Mapping[str, Record], notes: Mapping[str, Sequence[Answer]], choice: Choice, start: int, until: int
) -> dict[str, Satisfaction]:
    """The same, account by account."""
    groups = selected_groups(choice.by, choice.where)
    window = Window(choice.currency, start, until, groups, choice.by is None and not choice.where)
    told = ((name, some, records.get(name, NOTHING).items()) for name, some in notes.items())
    return satisfaction_of(told, window)


@settings(max_examples=60, deadline=None)
@given(bookings(), NOTES, st.data())
def test_columns_hear_what_accounts_say(
    made: list[Booking], notes: dict[str, list[Answer]], data: st.DataObject
) -> None:
    """Of any groups; some accounts came early and changed since."""
    records = records_of(made)
    early = records_of(made[: data.draw(st.integers(0, len(made)))])
    vocabulary = Vocabulary()
    layers = Layers().changed({**dict.fromkeys(notes), **early}, vocabulary, notes)
    for account in {**early, **records, **notes}:
        if data.draw(st.integers(0, 3)) or early.get(account) != records.get(account):
            layers = layers.changed({account: records.get(account)}, vocabulary, notes)
    for _ in range(4):
        choice = data.draw(CHOICES.filter(lambda one: one.by != "account"))
        start, until = sorted((data.draw(DAYS), data.draw(DAYS)))
        assert layers.satisfaction(choice, start, until) == expected(records, notes, choice, start, until)


def test_revenue_that_64_bits_have_no_room_for() -> None:
    """The account counts as often as its people answer."""
    level = TOTAL_MAX - 1
    given_ = [Answer(b"", FIRST_DAY + 5, place, "nps", 10, 10, None, f"r{place % 3}") for place in range(9)]
    records = {"a": record(posting(FIRST_DAY, "new", level, cell()))}
    layers = Layers().changed(records, Vocabulary(), {"a": given_})
    (found,) = layers.satisfaction(Choice("USD"), FIRST_DAY, FIRST_DAY + 9).values()
    assert (found.promoters, found.weight, found.swing) == (3, Fraction(level), Fraction(level))
    places = np.zeros(99, dtype=np.intp)
    assert exact_sums(places, np.full(99, -level, dtype=np.int64), 1) == [-99 * level]
