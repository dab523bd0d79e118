"""Columns in layers as they come about: of some accounts early, and of all as they changed since."""

from collections.abc import Sequence

from hypothesis import strategies as st

from events.account import Booking
from projections.columnar.layers import Layers
from projections.columnar.numbering import Vocabulary
from projections.records import Record
from tests.projections.booked import records_of


@st.composite
def layered(draw: st.DrawFn, made: Sequence[Booking]) -> tuple[dict[str, Record], Layers]:
    """The records of all accounts, and layers that hold the same."""
    records = records_of(made)
    early = records_of(made[: draw(st.integers(0, len(made)))])
    vocabulary = Vocabulary()
    layers = Layers().changed(early, vocabulary)
    for account in {**early, **records}:
        layers = layers.changed({account: records.get(account)}, vocabulary)
    return records, layers
