"""Reductions: what discounts take off in columns is what they take off account by account, to the last bit."""

from collections.abc import Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from events.facts import Fact
from events.notes import noted_after
from events.policy import DEFAULT_RULES
from events.stated import facts_in_force, stated
from projections.columnar.layers import Layers
from projections.columnar.numbering import Vocabulary
from projections.columnar.reductions import reductions_of
from projections.discounts import UNDISCOUNTED, discounts_of
from projections.groups import selected_groups
from tests.model.days import Event
from tests.model.histories import arrival_orders, histories
from tests.projections.columnar.test_arrays import CHOICES, DAYS
from tests.services.books import raw_of


def facts_of(events: Sequence[Event]) -> Mapping[str, list[Fact]]:
    """What events state, by account."""
    notes: dict[str, bytes] = {}
    for seq, event in enumerate(events):
        if note := stated(raw_of(event), seq):
            notes[event["subject"]] = noted_after(notes.get(event["subject"]), [note])
    return {account: facts_in_force(data, DEFAULT_RULES) for account, data in notes.items()}


@settings(max_examples=60, deadline=None)
@given(histories().flatmap(lambda history: st.one_of(st.just(history), arrival_orders(history))), st.data())
def test_columns_take_off_the_same(events: list[Event], data: st.DataObject) -> None:
    """Some accounts came early and changed since."""
    facts, vocabulary = facts_of(events), Vocabulary()
    early = facts_of(events[: data.draw(st.integers(0, len(events)))])
    layers = Layers().changed({name: reductions_of(some) for name, some in early.items()}, vocabulary)
    for account in {**early, **facts}:
        layers = layers.changed({account: reductions_of(facts.get(account, ()))}, vocabulary)
    for _ in range(4):
        choice = data.draw(CHOICES)
        start, until = sorted((data.draw(DAYS), data.draw(DAYS)))
        groups = selected_groups(choice.by, choice.where)
        for first in (start, until):
            expected = discounts_of(facts.items(), choice.currency, first, until, groups)
            found = layers.discounts(choice, first, until)
            assert found == {value: one for value, one in expected.items() if one != UNDISCOUNTED}
