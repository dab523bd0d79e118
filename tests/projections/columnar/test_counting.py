"""Counting: what columns count by group and period is what the tallies of the accounts come to."""

from collections.abc import Mapping
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from events.account import Booking
from projections.buckets import ROWS_MAX, Buckets, buckets_of
from projections.columnar.counting import counted, has_room
from projections.columnar.layers import Layers
from projections.columnar.numbering import Vocabulary
from projections.groups import Choice, selected_groups
from projections.pages import amounts_of_tallies
from projections.records import Record
from projections.tally import tally_of
from tests.projections.booked import bookings, cell, posting, record
from tests.projections.columnar.layered import layered
from tests.projections.columnar.test_arrays import CHOICES, DAYS

Told = list[dict[str, int]]


def told(buckets: Buckets) -> Told:
    """What is not zero, period by period."""
    parts = (buckets.before, *buckets.within, buckets.after)
    return [{kind: amount for kind, amount in sums.items() if amount} for sums in parts]


def tallied(records: Mapping[str, Record], choice: Choice, bounds: list[int]) -> dict[str, Told]:
    """The same, account by account."""
    groups = selected_groups(choice.by, choice.where)
    tallies = (tally_of(account, one.items(), groups, {}) for account, one in records.items())
    found = buckets_of(bounds, (), amounts_of_tallies(tallies, choice.currency), frozenset())
    return {value: parts for value, buckets in found.items() if any(parts := told(buckets))}


@settings(max_examples=60, deadline=None)
@given(bookings(), st.data())
def test_columns_count_what_tallies_count(made: list[Booking], data: st.DataObject) -> None:
    """Of any groups and periods; some accounts came early and changed since."""
    records, layers = data.draw(layered(made))
    for _ in range(4):
        choice = data.draw(CHOICES)
        bounds = sorted(data.draw(st.sets(DAYS, min_size=1, max_size=6)))
        assert has_room(layers, choice, bounds)
        found = {value: told(buckets) for value, buckets in counted(layers, choice, bounds).items()}
        assert found == tallied(records, choice, bounds)


def test_what_happens_twice_on_a_day_counts_once_and_nothing_if_it_cancels_out() -> None:
    pro, basic = cell("pro"), cell("basic", contract="k2", term_months="12")
    records = {
        "a": record(posting(5, "new", 7, pro), posting(5, "new", 3, basic), posting(9, "ahead", 4, basic)),
        "b": record(posting(5, "churn", -7, pro), posting(5, "churn", 7, basic)),
    }
    layers = Layers().changed(records, Vocabulary())
    bounds = [5, 6]
    (buckets,) = counted(layers, Choice("USD"), bounds).values()
    within = {"new": 10, "n_new": 1, "active": 1, "annual": 10}
    assert told(buckets) == [{}, within, {"ahead": 4, "annual": 4}]
    assert {"": told(buckets)} == tallied(records, Choice("USD"), bounds)


def test_too_many_groups_and_periods_have_no_room() -> None:
    plans = [record(posting(1, "new", 1, cell(f"p{number}"))) for number in range(20)]
    layers = Layers().changed({str(number): one for number, one in enumerate(plans)}, Vocabulary())
    bounds = [*range(ROWS_MAX // 20)]
    assert all(earlier < later for earlier, later in pairwise(bounds))
    assert has_room(layers, Choice("USD", "plan"), bounds)
    assert not has_room(layers, Choice("USD", "plan"), [*bounds, len(bounds)])
    assert has_room(layers, Choice("USD"), [*bounds, len(bounds)])
