"""Arrays: what their columns say of all accounts is what looking at each account says, to the last bit."""

from collections.abc import Mapping
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.account import Booking
from projections.columnar import arrays
from projections.columnar.arrays import MARK_SUMS, TOTAL_MAX, Columns
from projections.columnar.assembly import columns_of, joined, only_held
from projections.columnar.numbering import Vocabulary
from projections.concentration import shares_of, shares_of_levels
from projections.groups import Choice, selected_groups
from projections.records import Record, TooLarge
from projections.retention import retention_of
from tests.model.histories import FIRST_DAY
from tests.projections.booked import bookings, cell, posting, record, records_of

DAYS = st.integers(FIRST_DAY - 5, FIRST_DAY + 400)
NAMES = ("plan", "product", "currency", "segment", "owner", "account", "contract", "nothing")
CHOICES = st.builds(
    Choice,
    st.sampled_from(["USD", "EUR", "KRW"]),
    st.sampled_from([None, *NAMES, "term_months"]),
    st.dictionaries(
        st.sampled_from(NAMES),
        st.sampled_from(["pro", "basic", "", "smb", "enterprise", "kim", "USD", "acme", "acme-k1", "k1"]),
        max_size=2,
    ),
)


def check(columns: Columns, records: Mapping[str, Record], choice: Choice, start: int, until: int) -> None:
    """Columns say of a question what the records say one by one."""
    groups = selected_groups(choice.by, choice.where)
    expected = retention_of(records.items(), choice.currency, start, until, groups)
    assert columns.retention(choice, start, until) == expected
    assert columns.shares(choice, until) == shares_of(records.items(), choice.currency, until, groups)


@settings(max_examples=50, deadline=None)
@given(bookings(), st.data())
def test_columns_say_what_records_say(made: list[Booking], data: st.DataObject) -> None:
    records = records_of(made)
    if records:
        columns = columns_of(records, Vocabulary())
        with patch.object(arrays, "MARK_SUMS", data.draw(st.sampled_from((1, 3, MARK_SUMS)))):
            for _ in range(4):
                start, until = sorted((data.draw(DAYS), data.draw(DAYS)))
                check(columns, records, data.draw(CHOICES), start, until)


@settings(max_examples=30, deadline=None)
@given(bookings(), st.data())
def test_some_accounts_of_joined_columns(made: list[Booking], data: st.DataObject) -> None:
    """Accounts that columns no longer hold for count nowhere, before they are joined with others and after."""
    records = records_of(made)
    gone = {name for name in records if data.draw(st.booleans())}
    left = {name: record for name, record in records.items() if name not in gone}
    if not left:
        return
    vocabulary = Vocabulary()
    parts = [columns_of({name: record}, vocabulary).without(gone) for name, record in records.items()]
    whole = columns_of(records, vocabulary).without(gone)
    for columns in (whole, only_held(whole), joined(parts), joined([whole, *parts[:0]])):
        assert columns.held == len(left)
        check(columns, left, data.draw(CHOICES), *sorted((data.draw(DAYS), data.draw(DAYS))))


def test_what_64_bits_have_no_room_for_is_not_taken() -> None:
    largest = record(posting(1, "new", TOTAL_MAX - 1))
    (shares,) = columns_of({"a": largest}, Vocabulary()).shares(Choice("USD"), 2).values()
    assert shares == shares_of_levels([TOTAL_MAX - 1])
    assert shares.squares == (TOTAL_MAX - 1) ** 2 > 2**64
    halves = (posting(1, "new", TOTAL_MAX // 2), posting(2, "churn", -TOTAL_MAX // 2))
    with pytest.raises(TooLarge):
        columns_of({"a": record(*halves)}, Vocabulary())
    one = columns_of({"a": largest}, vocabulary := Vocabulary())
    with pytest.raises(TooLarge):
        joined([one, columns_of({"b": record(posting(1, "new", 1))}, vocabulary)])
    with pytest.raises(TooLarge):
        columns_of({"a": record(posting(1, "new", 2**63))}, Vocabulary())


@given(st.lists(st.integers(1, 2**50), min_size=1, max_size=30), st.data())
def test_shares_of_many_accounts_by_group(levels: list[int], data: st.DataObject) -> None:
    plans = [data.draw(st.sampled_from(["a", "b", "c"])) for _ in levels]
    made = [record(posting(1, "new", level, cell(plan))) for level, plan in zip(levels, plans, strict=True)]
    records = {str(number): one for number, one in enumerate(made)}
    check(columns_of(records, Vocabulary()), records, Choice("USD", "plan"), 1, 2)


def test_numbers_are_whole() -> None:
    columns = columns_of({"a": record(posting(1, "new", 12), posting(3, "ahead", 5))}, Vocabulary())
    parts = [getattr(columns, name) for name in columns.__struct_fields__]
    assert {one.dtype.kind for one in parts if isinstance(one, np.ndarray)} == {"i", "b"}
    assert columns.amounts.dtype == np.int64
