"""Living: months and losses of columns are what the tallies of the accounts come to."""

from hypothesis import given, settings
from hypothesis import strategies as st

from events.account import Booking
from projections.columnar.living import lives
from projections.groups import selected_groups
from projections.lives import UNLIVED, lives_of
from projections.pages import amounts_of_tallies
from projections.tally import tally_of
from tests.projections.booked import bookings
from tests.projections.columnar.layered import layered
from tests.projections.columnar.test_arrays import CHOICES, DAYS


@settings(max_examples=60, deadline=None)
@given(bookings(), st.data())
def test_columns_live_as_long_as_accounts_do(made: list[Booking], data: st.DataObject) -> None:
    """In any groups up to any day; some accounts came early and changed since."""
    records, layers = data.draw(layered(made))
    for _ in range(4):
        choice, end = data.draw(CHOICES), data.draw(DAYS)
        groups = selected_groups(choice.by, choice.where)
        tallies = (tally_of(account, one.items(), groups, {}) for account, one in records.items())
        expected = lives_of(end, (), amounts_of_tallies(tallies, choice.currency), frozenset())
        assert lives(layers, choice, end) == {value: one for value, one in expected.items() if one != UNLIVED}
