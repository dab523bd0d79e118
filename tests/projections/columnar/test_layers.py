"""Layers: accounts that change again and again, in any portions, count once, as they are now."""

from itertools import pairwise
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from events.account import Booking
from projections.columnar import layers
from projections.columnar.counting import counted
from projections.columnar.layers import TIMES_LARGER, Layers
from projections.columnar.living import lives
from projections.columnar.numbering import Vocabulary
from projections.concentration import shares_of
from projections.groups import Choice, selected_groups
from projections.retention import retention_of
from tests.projections.booked import bookings, posting, record, records_of
from tests.projections.columnar.test_arrays import CHOICES, DAYS
from tests.projections.columnar.test_counting import told


@settings(max_examples=30, deadline=None)
@given(bookings(), st.data())
def test_layers_say_what_the_records_of_the_moment_say(made: list[Booking], data: st.DataObject) -> None:
    """Bookings come in portions, out of order as they may; an account may also lose its record."""
    vocabulary, layers = Vocabulary(), Layers()
    place = 0
    while place < len(made):
        more = made[place : (place := place + data.draw(st.integers(1, 6)))]
        records = records_of(made[:place])
        layers = layers.changed({one.account: records.get(one.account) for one in more}, vocabulary)
        assert layers.held == len(records)
        choice = data.draw(CHOICES)
        start, until = sorted((data.draw(DAYS), data.draw(DAYS)))
        groups = selected_groups(choice.by, choice.where)
        expected = retention_of(records.items(), choice.currency, start, until, groups)
        assert layers.retention(choice, start, until) == expected
        assert layers.shares(choice, until) == shares_of(records.items(), choice.currency, until, groups)


@settings(max_examples=20, deadline=None)
@given(bookings(), st.data())
def test_columns_that_are_kept_say_what_columns_made_anew_say(made: list[Booking], data: st.DataObject) -> None:
    """They are asked the same after each change, so what was worked out before any account left them is used again."""
    vocabulary, kept, place = Vocabulary(), Layers(), 0
    choices = [data.draw(CHOICES) for _ in range(2)]
    bounds = sorted(data.draw(st.sets(DAYS, min_size=2, max_size=2)))
    while place < len(made):
        more = made[place : (place := place + data.draw(st.integers(1, 6)))]
        records = records_of(made[:place])
        kept = kept.changed({one.account: records.get(one.account) for one in more}, vocabulary)
        anew = Layers().changed(dict(records), Vocabulary())
        for choice in choices:
            assert answers(kept, choice, bounds) == answers(anew, choice, bounds)


@settings(max_examples=20, deadline=None)
@given(bookings(), st.data())
def test_layers_put_together_while_accounts_change_say_the_same(made: list[Booking], data: st.DataObject) -> None:
    """None is put together at once, so that some are old, some are altered and some are new when it is done."""
    vocabulary, current, place = Vocabulary(), Layers(), 0
    choice = data.draw(CHOICES)
    bounds = sorted(data.draw(st.sets(DAYS, min_size=2, max_size=2)))
    with patch.object(layers, "AT_ONCE", data.draw(st.integers(0, 3))):
        while place < len(made):
            before, changed = current, set[str]()
            for _ in range(data.draw(st.integers(1, 4))):
                more = made[place : (place := place + data.draw(st.integers(1, 3)))]
                records = records_of(made[:place])
                changed.update(one.account for one in more)
                current = current.changed({one.account: records.get(one.account) for one in more}, vocabulary)
            piled = before.piled()
            assert not piled.overdue
            overtaken = piled.overtaken(changed, current.less(before))
            assert overtaken.held == current.held
            assert answers(overtaken, choice, bounds) == answers(current, choice, bounds)
            current = overtaken


def answers(layers: Layers, choice: Choice, bounds: list[int]) -> list[object]:
    """What is told of all accounts, without sums that are zero."""
    start, until = bounds
    sums = {value: told(buckets) for value, buckets in counted(layers, choice, bounds).items()}
    return [
        {value: parts for value, parts in sums.items() if any(parts)},
        layers.retention(choice, start, until),
        layers.shares(choice, until),
        layers.values(choice, until),
        layers.values_begun(choice, start, until),
        lives(layers, choice, until),
    ]


def test_layers_stay_few() -> None:
    """However often accounts change, one after the other."""
    vocabulary, layers = Vocabulary(), Layers()
    for change in range(400):
        layers = layers.changed({str(change * 7 % 90): record(posting(1, "new", change + 1))}, vocabulary)
        held = [one.held for one in layers.columns]
        assert all(below >= TIMES_LARGER * above for below, above in pairwise(held))
    assert layers.held == 90


def test_no_accounts_say_nothing() -> None:
    layers = Layers().changed({"a": None}, Vocabulary())
    assert layers == Layers()
